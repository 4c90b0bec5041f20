//! What a training loop shows while it runs.

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

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    /// A writer whose text can be read while something else writes to it.
    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Text {
        fn read(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        fn progress(&self, epochs: usize) -> Progress {
            Progress::lines(epochs, Box::new(self.clone()))
        }
    }

    /// The epochs printed of a run of `epochs` that stops after `done`.
    fn printed(epochs: usize, done: usize) -> Vec<usize> {
        let text = Text::default();
        let mut progress = text.progress(epochs);
        for epoch in 0..done {
            progress.epoch(epoch, &[("loss", 1.0)]);
        }
        progress.finish();
        let number = |line: &str| line[6..].split('/').next().unwrap().trim().parse().unwrap();
        text.read().lines().map(number).collect()
    }

    #[test]
    fn lines_show_the_epoch_and_the_metrics_and_no_control_character() {
        let text = Text::default();
        let mut progress = text.progress(10);
        for epoch in 0..10 {
            let loss = 0.5_f64.powi(2 * epoch as i32);
            progress.epoch(epoch, &[("loss", loss), ("accuracy", 0.9712 + epoch as f64 / 1e3)]);
            if epoch == 1 {
                progress.println("learning rate 0.01");
            }
        }
        progress.finish();
        let expected = "\
epoch  1/10  loss 1.0000  accuracy 0.9712  ▁
epoch  2/10  loss 0.2500  accuracy 0.9722  █▁
learning rate 0.01
epoch  3/10  loss 0.0625  accuracy 0.9732  █▂▁
epoch  4/10  loss 0.0156  accuracy 0.9742  █▃▁▁
epoch  5/10  loss 0.0039  accuracy 0.9752  █▃▁▁▁
epoch  6/10  loss 9.766e-4  accuracy 0.9762  █▃▁▁▁▁
epoch  7/10  loss 2.441e-4  accuracy 0.9772  █▃▁▁▁▁▁
epoch  8/10  loss 6.104e-5  accuracy 0.9782  █▃▁▁▁▁▁▁
epoch  9/10  loss 1.526e-5  accuracy 0.9792  █▃▁▁▁▁▁▁▁
epoch 10/10  loss 3.815e-6  accuracy 0.9802  █▃▁▁▁▁▁▁▁▁
";
        assert_eq!(text.read(), expected);
    }

    #[test]
    fn long_runs_print_about_twenty_lines_evenly_spaced_with_the_first_and_the_last() {
        let mut expected = vec![1];
        expected.extend((1..=20).map(|line| 5 * line));
        assert_eq!(printed(100, 100), expected);
        for epochs in [21, 33, 40, 99, 1000] {
            let lines = printed(epochs, epochs);
            assert!((20..=21).contains(&lines.len()), "{epochs} epochs: {lines:?}");
            assert_eq!((lines[0], lines[lines.len() - 1]), (1, epochs));
            let gaps = || lines[1..].windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps().max().unwrap() - gaps().min().unwrap() <= 1, "{lines:?}");
        }
    }

    #[test]
    fn short_runs_print_every_epoch() {
        for epochs in [0, 1, 2, 19, 20] {
            assert_eq!(printed(epochs, epochs), (1..=epochs).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_run_left_early_prints_the_epoch_it_came_to_once() {
        assert_eq!(printed(100, 12), [1, 5, 10, 12]);
        assert_eq!(printed(100, 15), [1, 5, 10, 15]);
    }

    #[test]
    fn an_epoch_without_metrics_is_a_line_of_its_number() {
        let text = Text::default();
        text.progress(3).epoch(0, &[]);
        assert_eq!(text.read(), "epoch 1/3\n");
    }

    #[test]
    fn a_resumed_run_prints_its_first_epoch() {
        let text = Text::default();
        let mut progress = text.progress(1000);
        progress.epoch(502, &[("loss", 0.25)]);
        assert_eq!(text.read(), "epoch  503/1000  loss 0.2500  ▁\n");
    }

    #[test]
    fn the_bar_shows_epoch_metrics_and_curve_below_printed_lines() {
        let terminal = InMemoryTerm::new(10, 60);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut progress = Progress::bar(12, target);
        for epoch in 0..9 {
            progress.epoch(epoch, &[("loss", 8.0 - epoch as f64), ("accuracy", 0.5)]);
        }
        progress.println("learning rate 0.01");
        progress.finish();

        let contents = terminal.contents();
        let lines: Vec<&str> = contents.lines().collect();
        assert_eq!(lines.len(), 3, "{contents}");
        assert_eq!(lines[0], "learning rate 0.01");
        assert!(lines[1].starts_with("epoch  9/12 ━━━━"), "{contents}");
        assert!(lines[1].ends_with(" s"), "{contents}");
        assert_eq!(lines[1].chars().count(), 60);
        assert_eq!(lines[2], "loss 0.0000  accuracy 0.5000  █▇▆▅▅▄▃▂▁");
    }

    #[test]
    fn the_time_left_is_told_between_the_first_epoch_and_the_last() {
        let seconds = Duration::from_secs;
        let mut run = Run::new(4);
        assert_eq!(run.time(seconds(5), false), "5.0 s");
        run.record(0, &[]);
        run.ended = seconds(8);
        // Three epochs of 8 s are left, 2 s of them have passed.
        assert_eq!(run.time(seconds(10), false), "10.0 s, 22.0 s left");
        assert_eq!(run.time(seconds(40), false), "40.0 s, 0.0 s left");
        assert_eq!(run.time(seconds(10), true), "10.0 s");
        run.record(3, &[]);
        assert_eq!(run.time(seconds(70), false), "0:01:10");
    }

    #[test]
    fn the_time_left_of_a_resumed_run_goes_by_the_epochs_of_this_run() {
        let mut run = Run::new(100);
        run.record(89, &[]);
        run.ended = Duration::from_secs(3);
        assert_eq!(run.time(run.ended, false), "3.0 s, 30.0 s left");
    }

    #[test]
    fn times_are_written_in_seconds_up_to_a_minute() {
        assert_eq!(format_seconds(0.04), "0.0 s");
        assert_eq!(format_seconds(59.94), "59.9 s");
        assert_eq!(format_seconds(60.0), "0:01:00");
        assert_eq!(format_seconds(86_399.6), "24:00:00");
    }

    #[test]
    fn a_hidden_display_takes_everything_and_shows_nothing() {
        let mut progress = Progress::hidden();
        progress.epoch(0, &[("loss", 1.0)]);
        progress.println("nothing");
        assert!(matches!(progress.output, Output::Hidden));
        progress.finish();
    }
}
