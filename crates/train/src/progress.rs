//! What a training loop shows while it runs.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::format::format_metric;
use crate::sparkline::sparkline;

/// About how many lines are printed for a run where no bar can be drawn.
const LINES: usize = 20;
/// The greatest width of the curve of the first metric.
const CURVE_CELLS: usize = 20;
/// How often the bar is drawn. It is done on a thread of its own, so that the time goes on during
/// a long epoch and a short one does not wait for the terminal.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Shows how far a training loop has come: the epoch, its metrics, the time passed and left, and
/// the curve of the first metric over the epochs so far.
///
/// ```
/// use downhill_train::Progress;
///
/// let epochs = 5;
/// let mut progress = Progress::new(epochs);
/// for epoch in 0..epochs {
///     // … the steps of one epoch …
///     let (loss, accuracy) = (1.0 / (epoch + 1) as f64, 0.9);
///     progress.epoch(epoch, &[("loss", loss), ("accuracy", accuracy)]);
/// }
/// progress.finish();
/// ```
///
/// On a terminal this is a bar that keeps to its place, below whatever
/// [`println`](Self::println) prints:
///
/// ```text
/// epoch 12/40 ━━━━━━━━━━━━━━━━━╸─────────────────────────────────────── 1.2 s, 2.8 s left
/// loss 0.1234  accuracy 0.9712  █▆▄▃▂▂▁▁▁▁▁▁
/// ```
///
/// When standard output goes elsewhere (a pipe, a file, a terminal that cannot move its cursor),
/// it is plain lines without any control character. A run of more than 20 epochs prints about 20
/// of them, evenly spaced, always with the first and the last:
///
/// ```text
/// epoch  1/40  loss 0.8312  accuracy 0.8101  ▁
/// epoch  2/40  loss 0.4270  accuracy 0.9010  █▁
/// epoch  4/40  loss 0.2513  accuracy 0.9412  █▃▂▁
/// ```
///
/// Metrics are written by [`format_metric`]. Dropping the display does what
/// [`finish`](Self::finish) does, so that a loop left early by `break` or `?` still shows the
/// epoch it came to.
pub struct Progress {
    run: Arc<Mutex<Run>>,
    output: Output,
}

/// What is known of the run; shared with the thread that draws the bar.
struct Run {
    epochs: usize,
    started: Instant,
    /// The number of the last epoch recorded, counted from 1, and when it ended.
    last: usize,
    ended: Duration,
    metrics: Vec<(String, f64)>,
    /// The first metric of every epoch recorded.
    curve: Vec<f64>,
}

enum Output {
    Bar(ProgressBar),
    Lines {
        writer: Box<dyn Write + Send>,
        /// The last epoch printed.
        printed: usize,
    },
    Hidden,
}

impl Progress {
    /// A display of `epochs` epochs on standard output.
    pub fn new(epochs: usize) -> Self {
        let terminal = ProgressDrawTarget::stdout();
        if terminal.is_hidden() {
            Self::lines(epochs, Box::new(io::stdout()))
        } else {
            Self::bar(epochs, terminal)
        }
    }

    /// A display that shows nothing, for a run that is asked to be quiet.
    pub fn hidden() -> Self {
        Self::with_output(Run::new(0), Output::Hidden)
    }

    fn lines(epochs: usize, writer: Box<dyn Write + Send>) -> Self {
        Self::with_output(Run::new(epochs), Output::Lines { writer, printed: 0 })
    }

    fn bar(epochs: usize, target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(epochs as u64), target);
        let progress = Self::with_output(Run::new(epochs), Output::Bar(bar.clone()));
        // A tracker is asked for its text only when the bar is drawn.
        let tracker = |write: fn(&Run, bool) -> String| {
            let run = Arc::clone(&progress.run);
            move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                // Writing to the bar's buffer, a string, cannot fail.
                let _ = text.write_str(&write(&lock(&run), state.is_finished()));
            }
        };
        let style = ProgressStyle::with_template("{epoch} {wide_bar} {time}\n{metrics}")
            .expect("the template is well-formed")
            .progress_chars("━╸─")
            .with_key("epoch", tracker(|run, _| run.epoch()))
            .with_key("time", tracker(|run, finished| run.time(run.started.elapsed(), finished)))
            .with_key("metrics", tracker(|run, _| format!("{}  {}", run.metrics(), run.curve())));
        bar.set_style(style);
        bar.enable_steady_tick(DRAW_INTERVAL);
        progress
    }

    fn with_output(run: Run, output: Output) -> Self {
        Self { run: Arc::new(Mutex::new(run)), output }
    }

    /// Shows the metrics of epoch `epoch`, counted from 0, which has just ended. The curve is
    /// that of the first one, by custom the training loss.
    pub fn epoch(&mut self, epoch: usize, metrics: &[(&str, f64)]) {
        let mut run = lock(&self.run);
        run.record(epoch, metrics);
        match &mut self.output {
            Output::Hidden => {}
            Output::Bar(bar) => {
                drop(run);
                bar.set_position(epoch as u64 + 1);
            }
            Output::Lines { writer, printed } => {
                let line = |epoch| epoch * LINES / run.epochs.max(LINES);
                if *printed == 0 || line(run.last) > line(*printed) {
                    run.print(writer, printed);
                }
            }
        }
    }

    /// Prints a line of text above the bar, or among the lines; nothing if hidden.
    pub fn println(&mut self, line: &str) {
        match &mut self.output {
            Output::Hidden => {}
            Output::Bar(bar) => bar.println(line),
            Output::Lines { writer, .. } => write_line(writer, line),
        }
    }

    /// Ends the display: the bar stays where it is, and the last epoch is printed if it was not.
    pub fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &mut self.output {
            Output::Hidden => {}
            Output::Bar(bar) => bar.abandon(),
            Output::Lines { writer, printed } => {
                let run = lock(&self.run);
                if run.last != *printed {
                    run.print(writer, printed);
                }
            }
        }
    }
}

fn lock(run: &Mutex<Run>) -> MutexGuard<'_, Run> {
    run.lock().expect("nothing panics while it holds the lock")
}

/// Training goes on when nobody reads its progress any more (a closed pipe).
fn write_line(writer: &mut dyn Write, line: &str) {
    let _ = writeln!(writer, "{line}");
}

impl Run {
    fn new(epochs: usize) -> Self {
        Self {
            epochs,
            started: Instant::now(),
            last: 0,
            ended: Duration::ZERO,
            metrics: Vec::new(),
            curve: Vec::new(),
        }
    }

    fn record(&mut self, epoch: usize, metrics: &[(&str, f64)]) {
        self.last = epoch + 1;
        self.ended = self.started.elapsed();
        self.metrics = metrics.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        self.curve.push(metrics.first().map_or(f64::NAN, |&(_, value)| value));
    }

    fn print(&self, writer: &mut dyn Write, printed: &mut usize) {
        // After the figures, so that they stay in columns.
        let line = [self.epoch(), self.metrics(), self.curve()].join("  ");
        write_line(writer, line.trim_end());
        *printed = self.last;
    }

    fn epoch(&self) -> String {
        let total = self.epochs.to_string();
        format!("epoch {:>width$}/{total}", self.last, width = total.len())
    }

    fn metrics(&self) -> String {
        let metric = |(name, value): &(String, f64)| format!("{name} {}", format_metric(*value));
        self.metrics.iter().map(metric).collect::<Vec<_>>().join("  ")
    }

    /// The first metric over the epochs; nothing if there is none.
    fn curve(&self) -> String {
        match self.metrics.is_empty() {
            true => String::new(),
            false => sparkline(&self.curve, CURVE_CELLS),
        }
    }

    /// The time passed and, while epochs are left, what they will take at the mean pace so far.
    fn time(&self, passed: Duration, finished: bool) -> String {
        let passed = passed.as_secs_f64();
        let epochs_left = self.epochs.saturating_sub(self.last) as f64;
        if finished || self.curve.is_empty() || epochs_left == 0.0 {
            return format_seconds(passed);
        }
        let ended = self.ended.as_secs_f64();
        let left = ended + ended / self.curve.len() as f64 * epochs_left - passed;
        format!("{}, {} left", format_seconds(passed), format_seconds(left.max(0.0)))
    }
}

/// `12.3 s` up to a minute, `h:mm:ss` from there.
fn format_seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
