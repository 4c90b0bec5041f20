//! What the example binaries share: the command line, the exit codes, and the one line that an
//! error is worth.
//!
//! The training loops are not here: each example writes its own out.

#[path = "../digits/cnn.rs"]
pub mod cnn;
pub mod compiled;
pub mod keep;
pub mod observe;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::panic::{self, PanicHookInfo};
use std::process::{self, ExitCode};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::Parser;
use downhill::prelude::*;
use downhill_report::Report;
use serde::{Deserialize, Serialize};

/// What a lesson returns: any error is printed as one line, and ends the program with status 1.
pub type Outcome = Result<(), Box<dyn Error>>;

/// Reads the command line and runs the lesson. Exits with 2 after a bad command line, with 1
/// after any other error; both print one line on standard error. When whoever reads standard
/// output has had enough, as in `… | head`, the program ends at its next `println!`, quietly and
/// with 0.
pub fn run<Arguments: Parser>(lesson: impl FnOnce(Arguments) -> Outcome) -> ExitCode {
    end_when_printing_fails();
    let arguments = match arguments::<Arguments>() {
        Ok(arguments) => arguments,
        Err(Usage::Asked(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Usage::Wrong(line)) => {
            complain(format_args!("error: {line}"));
            return ExitCode::from(2);
        }
    };
    let mut outcome = lesson(arguments);
    if let Err(error) = &mut outcome
        && let Some(diverged) = error.downcast_mut::<Diverged>()
        && let Some(report) = diverged.report.take()
    {
        observe::write(*report, false);
    }
    let errors: Vec<_> = [written(), outcome].into_iter().filter_map(Result::err).collect();
    for error in &errors {
        complain(format_args!("error: {error}"));
    }
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What could not be written.
static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Has the program fail with this error, but after it has printed what it learned.
pub(crate) fn fail_at_end(error: impl Display) {
    FAILURES.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
}

/// Fails if something that was asked for beside the results could not be written: for the end of a
/// program that [`run`] does not suit.
pub fn written() -> Outcome {
    let failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

/// Why there are no arguments.
pub enum Usage {
    /// `--help` or the like was asked for, and this is the answer.
    Asked(String),
    /// What is wrong with the command line, in a line.
    Wrong(String),
}

/// Reads the command line, for a program that [`run`] does not suit.
pub fn arguments<Arguments: Parser>() -> Result<Arguments, Usage> {
    parse_arguments().map_err(|error| {
        let text = error.to_string();
        if !error.use_stderr() {
            return Usage::Asked(text);
        }
        let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
        let line = lines.collect::<Vec<_>>().join(" ");
        let line = line.strip_prefix("error: ").unwrap_or(&line);
        Usage::Wrong(format!("{line}; --help lists what can be given"))
    })
}

/// What was set on the command line, and by default: the names and values.
static SETTINGS: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// As `Arguments::try_parse`, and remembers the settings.
fn parse_arguments<Arguments: Parser>() -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let value = |argument: &clap::Arg| {
        let id = argument.get_id().as_str();
        let values = matches.try_get_raw(id).ok()??.map(|value| value.to_string_lossy());
        Some((id.replace('_', " "), values.collect::<Vec<_>>().join(" ")))
    };
    let settings = command.get_arguments().filter_map(value).collect();
    SETTINGS.set(settings).expect("a program reads its command line once");
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Prints a line on standard error. If that fails, nobody is left to be told.
pub(crate) fn complain(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Ends the program where `println!` would panic because standard output takes no more. Rust
/// ignores the signal by which Unix ends a program whose reader has gone, and `println!` has no
/// other way to tell.
fn end_when_printing_fails() {
    let panic = panic::take_hook();
    panic::set_hook(Box::new(move |information| match printing_failure(information) {
        Some((ErrorKind::BrokenPipe, _)) => process::exit(0),
        Some((_, message)) => {
            complain(format_args!("error: {message}"));
            process::exit(1);
        }
        None => panic(information),
    }));
}

/// The kind of error that made `println!` panic, and what it says: `failed printing to stdout:
/// Broken pipe (os error 32)`. None for any other panic.
fn printing_failure<'a>(information: &'a PanicHookInfo<'_>) -> Option<(ErrorKind, &'a str)> {
    let message = information.payload().downcast_ref::<String>()?;
    let error = message.strip_prefix("failed printing to stdout: ")?;
    let code = error.split_once("(os error ").and_then(|(_, code)| code.strip_suffix(')'));
    let code = code.and_then(|code| code.parse().ok());
    Some((code.map_or(ErrorKind::Other, |code| io::Error::from_raw_os_error(code).kind()), message))
}

/// The columns of a terminal.
const COLUMNS: usize = 80;

/// A sentence as lines that fit a terminal, the first of them behind `first` and all others behind
/// as many blanks.
pub fn wrapped(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let (mut lines, mut column) = (first.to_owned(), indent);
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > indent && column + 1 + width > COLUMNS {
            lines += &format!("\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += width;
    }
    lines
}

/// Reads a whole number that is not 0.
pub fn positive_count(text: &str) -> Result<usize, String> {
    match parse(text, "a whole number")? {
        0 => Err("must be at least 1".into()),
        count => Ok(count),
    }
}

/// Reads a finite number greater than 0.
pub fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = parse(text, "a number")?;
    match value > 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err("must be a finite number greater than 0".into()),
    }
}

/// Reads a finite number that is 0 or greater.
pub fn not_negative(text: &str) -> Result<f64, String> {
    let value: f64 = parse(text, "a number")?;
    match value >= 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err("must be a finite number, 0 or greater".into()),
    }
}

/// Reads a number from 0 to 1, both excluded.
pub fn fraction(text: &str) -> Result<f64, String> {
    let value: f64 = parse(text, "a number")?;
    match value > 0.0 && value < 1.0 {
        true => Ok(value),
        false => Err("must lie between 0 and 1".into()),
    }
}

fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("not {what}"))
}

/// The sizes of a network's hidden layers; none for a linear model.
#[derive(Debug, Clone)]
pub struct Hidden(pub Vec<usize>);

impl FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "0" {
            return Ok(Self(Vec::new()));
        }
        let sizes: Result<Vec<usize>, String> = text.split(',').map(positive_count).collect();
        sizes.map(Self).map_err(|error| {
            format!("{error}; give sizes such as 64,32, or a single 0 for no hidden layer")
        })
    }
}

impl Display for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(if sizes.is_empty() { "0".into() } else { sizes.join(",") }.as_str())
    }
}

/// The function between layers that a command line or a saved model names.
pub fn activation(name: &str) -> Option<Activation> {
    Some(match name {
        "relu" => Activation::Relu,
        "leaky-relu" => Activation::LeakyRelu(0.01),
        "tanh" => Activation::Tanh,
        "sigmoid" => Activation::Sigmoid,
        "gelu" => Activation::Gelu,
        "silu" => Activation::Silu,
        _ => return None,
    })
}

/// The loss became NaN or infinite: the error of a run, with what was recorded of it.
#[derive(Debug)]
pub struct Diverged {
    line: String,
    report: Option<Box<Report>>,
}

impl Display for Diverged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line)
    }
}

impl Error for Diverged {}

impl Diverged {
    /// `epoch` and `step` are counted from 0.
    fn new(loss: f64, (epoch, step): (usize, usize), learning_rate: f64) -> Self {
        let line = format!(
            "the loss became {loss} at epoch {}, step {}: the descent has left the slope; try a \
             --learning-rate smaller than {learning_rate}",
            epoch + 1,
            step + 1
        );
        Self { line, report: None }
    }
}

/// Refuses a loss that is NaN or infinite, in a run that is not recorded; otherwise it is for
/// [`Record::check_loss`](observe::Record::check_loss).
pub fn check_loss<E: Element>(loss: &Tensor<E>, at: (usize, usize), learning_rate: f64) -> Outcome {
    match loss.item().as_f64() {
        loss if loss.is_finite() => Ok(()),
        loss => Err(Diverged::new(loss, at, learning_rate).into()),
    }
}

/// How a classifier did on the batches of an epoch so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Totals {
    loss: f64,
    right: usize,
    samples: usize,
}

impl Totals {
    /// Adds a batch, whose `loss` is a mean.
    pub fn add(&mut self, loss: &Tensor, logits: &Tensor, labels: &[usize]) {
        self.loss += f64::from(loss.item()) * labels.len() as f64;
        self.right += logits.argmax(-1).iter().zip(labels).filter(|(a, b)| a == b).count();
        self.samples += labels.len();
    }

    /// The mean loss and the accuracy of the epoch that has ended; the next begins from 0.
    pub fn take(&mut self) -> [f64; 2] {
        let Self { loss, right, samples } = std::mem::take(self);
        [loss / samples as f64, right as f64 / samples as f64]
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C end a training loop after the current epoch, with the results so far; a second
/// Ctrl-C ends the program at once.
pub fn stop_at_interrupt() -> Outcome {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
    })?;
    Ok(())
}

/// Whether Ctrl-C has been pressed.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
