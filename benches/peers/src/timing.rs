//! Timing, as in `benches/timing`.

use std::time::Instant;

/// Seconds for which the repetitions of a case go on: of an ordinary one, and of a large one.
pub(crate) const BUDGET: f64 = 1.5;
pub(crate) const LARGE_BUDGET: f64 = 6.0;

/// The cases asked for: those whose names begin with one of the prefixes, or all.
pub(crate) struct Cases {
    pub(crate) peer: String,
    pub(crate) prefixes: Vec<String>,
}

impl Cases {
    /// Times the step that `set_up` makes, if the case is asked for, and prints a line of JSON.
    pub(crate) fn time<F: FnMut()>(&self, name: &str, budget: f64, set_up: impl FnOnce() -> F) {
        let asked = |prefix: &String| name.starts_with(prefix);
        if !self.prefixes.is_empty() && !self.prefixes.iter().any(asked) {
            return;
        }
        let [median, least] = time(budget, set_up()).map(|seconds| seconds * 1e6);
        let peer = &self.peer;
        println!(
            "{{\"peer\": \"{peer}\", \"case\": \"{name}\", \"median_us\": {median:.2}, \
             \"min_us\": {least:.2}}}"
        );
    }
}

/// The median and the least of the seconds for one step, in samples of some 20 ms, at least 5 and
/// at most 60 of them.
fn time(budget: f64, mut step: impl FnMut()) -> [f64; 2] {
    let mut sample = |steps: usize| {
        let start = Instant::now();
        for _ in 0..steps {
            step();
        }
        start.elapsed().as_secs_f64() / steps as f64
    };
    sample(2);
    let once = sample(1).max(1e-7);
    let steps = ((0.02 / once) as usize).max(1);
    let count = ((budget / (once * steps as f64)) as usize).clamp(5, 60);
    let mut samples: Vec<f64> = (0..count).map(|_| sample(steps)).collect();
    samples.sort_by(f64::total_cmp);
    [samples[count / 2], samples[0]]
}

/// Labels that are spread over the classes.
pub(crate) fn labels(count: usize, classes: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |row| row * 31 % classes)
}
