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
