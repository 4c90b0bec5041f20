//! Serves the playground on this machine.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use downhill_playground::setting::{Setting, Source};
use downhill_playground::{Session, server};

/// A page on which gradient descent can be touched, and every number traced.
#[derive(Debug, Parser)]
#[command(name = "downhill-playground")]
struct Arguments {
    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
    /// The port on 127.0.0.1; 0 for any that is free.
    #[arg(long, default_value_t = 7272)]
    port: u16,
    /// A table with a header to begin with; the last column is the class.
    #[arg(long, value_name = "FILE.csv")]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            let _ = write!(std::io::stdout(), "{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let text = error.to_string();
            let line: Vec<&str> =
                text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            complain(format_args!("{}; --help lists what can be given", line.join(" ")));
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut start = Setting::default();
    if let Some(path) = &arguments.data {
        let table =
            std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        start.data.source = Source::Table;
        start.data.table = table;
        // A table that the page could not show is better refused here.
        Session::begin(&start).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let ready = |address| {
        let url = format!("http://{address}/");
        let _ = writeln!(std::io::stdout(), "the playground is at {url} (Ctrl-C ends it)");
        if arguments.open
            && let Err(error) = open::that_detached(&url)
        {
            complain(format_args!("no browser could be opened: {error}"));
        }
    };
    server::serve(arguments.port, start, ready).map_err(|error| {
        format!("127.0.0.1:{}: {error}; --port chooses another", arguments.port)
    })?;
    Ok(())
}

/// Prints a line on standard error. If that fails, nobody is left to be told.
fn complain(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
