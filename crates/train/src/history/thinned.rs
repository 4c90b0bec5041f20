//! A record of bounded length of a run of unknown length.
use serde::{Deserialize, Serialize};

/// The most entries that are kept.
const LIMIT: usize = 128;

/// What was seen at evenly spaced steps. All of the first 128 entries are kept; whenever there are
/// more, every other one is dropped and the spacing doubles. So the first is always that of step 0,
/// and of a long run there are at least 64, the last at most a 64th of the run before its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Thinned<T> {
    entries: Vec<(usize, T)>,
    spacing: usize,
}

impl<T> Thinned<T> {
    /// With entries for every `spacing`th step at first.
    pub(super) fn new(spacing: usize) -> Self {
        Self { entries: Vec::new(), spacing }
    }

    /// Whether an entry for `step` is wanted.
    pub(super) fn wants(&self, step: usize) -> bool {
        step.is_multiple_of(self.spacing)
    }

    /// Adds the entry of a step later than all others.
    pub(super) fn push(&mut self, step: usize, entry: T) {
        self.entries.push((step, entry));
        if self.entries.len() > LIMIT {
            self.spacing *= 2;
            self.entries.retain(|(step, _)| step.is_multiple_of(self.spacing));
        }
    }

    /// Each step that was kept with its entry, in order.
    pub(super) fn entries(&self) -> &[(usize, T)] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(steps: usize) -> Vec<usize> {
        let mut thinned = Thinned::new(1);
        for step in 0..steps {
            if thinned.wants(step) {
                thinned.push(step, step);
            }
        }
        assert!(thinned.entries().iter().all(|(step, entry)| step == entry));
        thinned.entries().iter().map(|&(step, _)| step).collect()
    }

    #[test]
    fn short_runs_are_kept_whole() {
        for steps in [0, 1, 127, 128] {
            assert_eq!(kept(steps), (0..steps).collect::<Vec<_>>());
        }
    }

    #[test]
    fn long_runs_are_kept_at_even_spacing_from_the_first_step_to_almost_the_last() {
        for steps in [129, 130, 1000, 5000, 100_000] {
            let kept = kept(steps);
            assert!((64..=LIMIT).contains(&kept.len()), "{steps} steps: {}", kept.len());
            assert_eq!(kept[0], 0);
            assert!(kept.windows(3).all(|three| three[1] - three[0] == three[2] - three[1]));
            assert!(steps - 1 - kept[kept.len() - 1] <= steps / 64);
        }
    }
}
