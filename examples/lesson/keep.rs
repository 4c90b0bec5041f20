//! How a training example keeps what it learns: `--checkpoint`, `--resume` and `--save`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::CommandFactory;
use downhill::prelude::*;
use downhill::train::{
    self, Checkpoint, History, Remembered, Remembers, State, fingerprint, save_with_notes,
};

use super::observe::{Record, files};
use super::{Outcome, interrupted};

/// The options, to be flattened into those of an example.
#[derive(clap::Args)]
pub struct Keep {
    /// Save the run to a directory, to --resume it: after each epoch and every few seconds, as long
    /// as that takes no more than 2 % of the time, and at the end
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,

    /// Seconds between two saves, however long a save takes
    #[arg(long, value_name = "SECONDS", requires = "checkpoint", value_parser = super::not_negative)]
    checkpoint_every: Option<f64>,

    /// Go on from where the run in the directory of --checkpoint was stopped, if there is one
    #[arg(long, requires = "checkpoint")]
    resume: bool,

    /// Write the trained model, or models, to a file; the example predict uses those of digits and
    /// spirals
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// Options that may be others when a run goes on.
const FREE: [&str; 8] =
    ["checkpoint", "checkpoint_every", "resume", "save", "report", "tensorboard", "quiet", "help"];

/// The name under which a record's predictions are remembered.
const PREDICTIONS: &str = "predictions";

/// The checkpoints of a run, which cost nothing if they are not wanted.
pub struct Checkpoints {
    checkpoint: Option<Checkpoint>,
    resume: bool,
    /// Whether nothing has happened since the last checkpoint.
    is_saved: bool,
    /// Whether epochs are saved in the middle, too.
    has_steps: bool,
    /// Whether it has been said that a checkpoint cannot be written.
    complained: bool,
}

impl Keep {
    /// Opens the directory of checkpoints or, for one of several runs, one of its name in there.
    /// They belong to a run with the options that this one was called with and with the same
    /// `data`, a file or a directory of files.
    pub fn checkpoints<Arguments: CommandFactory>(
        &self,
        run: Option<&str>,
        data: Option<&Path>,
    ) -> Result<Checkpoints, Box<dyn Error>> {
        self.checkpoints_of(Arguments::command(), run, data)
    }

    fn checkpoints_of(
        &self,
        mut command: clap::Command,
        run: Option<&str>,
        data: Option<&Path>,
    ) -> Result<Checkpoints, Box<dyn Error>> {
        if let Some(path) = &self.save {
            check_writable(path)?;
        }
        let Some(directory) = &self.checkpoint else {
            return Ok(Checkpoints::disabled());
        };
        let directory = run.map_or(directory.clone(), |run| directory.join(run));
        let mut checkpoint = Checkpoint::open(&directory)?;
        if !self.resume && !checkpoint.is_empty() {
            return Err(format!(
                "{} holds checkpoints of an earlier run; go on with it by --resume, or name \
                 another directory",
                directory.display()
            )
            .into());
        }
        if let Some(seconds) = self.checkpoint_every {
            checkpoint = checkpoint.every(Duration::try_from_secs_f64(seconds)?).share(1.0);
        }
        checkpoint = checkpoint.option("the program", command.get_name());
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            if FREE.contains(&name) {
                continue;
            }
            let values = matches.get_raw(name).into_iter().flatten();
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            let option = format!("--{}", argument.get_long().unwrap_or(name));
            checkpoint = checkpoint.option(option, values.join(","));
        }
        for file in data.map_or(Ok(Vec::new()), files)? {
            let option = format!("the content of {}", file.display());
            checkpoint = checkpoint.option(option, fingerprint(file)?);
        }
        Ok(Checkpoints::new(Some(checkpoint), self.resume))
    }

    /// Writes the trained model, if that is wanted, with notes for who uses it. If it cannot be
    /// written, the program fails at its [end](super::written).
    #[inline(never)]
    pub fn save<E: Element>(&self, model: &dyn Parameters<E>, notes: &[(&str, String)]) {
        if let Some(path) = &self.save
            && let Err(error) = save_with_notes(model, notes, path)
        {
            super::fail_at_end(error);
        }
    }
}

impl Checkpoints {
    /// No checkpoints, as of a process that leaves them to another one.
    pub fn disabled() -> Self {
        Self::new(None, false)
    }

    fn new(checkpoint: Option<Checkpoint>, resume: bool) -> Self {
        Self { checkpoint, resume, is_saved: true, has_steps: false, complained: false }
    }

    /// Takes back the newest checkpoint, if the run is to go on, and says so unless it is to be
    /// `quiet`.
    #[inline(never)]
    pub fn restore<E: Element>(&self, state: State<'_, E>, quiet: bool) -> Outcome {
        let Some(checkpoint) = self.checkpoint.as_ref().filter(|_| self.resume) else {
            return Ok(());
        };
        match checkpoint.restore(state)? {
            Some(resumed) => {
                for error in &resumed.passed_over {
                    eprintln!("passed over: {error}");
                }
                if !quiet {
                    println!("resumed from {}", resumed.path.display());
                }
            }
            None if quiet => {}
            None => println!("nothing to resume: the run begins"),
        }
        Ok(())
    }

    /// To be called after each step of an epoch: saves if it is time, or if Ctrl-C is about to end the run.
    #[inline(never)]
    pub fn step<E: Element>(&mut self, state: State<'_, E>) -> Outcome {
        (self.is_saved, self.has_steps) = (false, true);
        let outcome = match &mut self.checkpoint {
            Some(checkpoint) if interrupted() => checkpoint.save(state),
            Some(checkpoint) => checkpoint.save_when_due(state),
            None => Ok(()),
        };
        self.go_on(outcome)
    }

    /// A checkpoint that cannot be written, as on a full disk, does not end the run: this is said
    /// once, and the next is tried again.
    fn go_on(&mut self, outcome: Result<(), train::Error>) -> Outcome {
        match outcome {
            Err(error @ train::Error::Write { .. }) => {
                if !std::mem::replace(&mut self.complained, true) {
                    super::complain(format_args!(
                        "warning: {error}; the run goes on, and is saved later if it can be"
                    ));
                }
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }

    /// To be called after each epoch, with the loss by which the best is kept, if there is one. An
    /// epoch that Ctrl-C may have cut short is not saved: the run goes on in the middle of it.
    #[inline(never)]
    pub fn epoch<E: Element>(
        &mut self,
        state: State<'_, E>,
        loss: impl Into<Option<f64>>,
    ) -> Outcome {
        self.is_saved = false;
        let is_whole = !self.may_be_cut_short();
        if let Some(checkpoint) = &mut self.checkpoint
            && is_whole
            && (checkpoint.is_affordable() || interrupted())
        {
            let outcome = match loss.into() {
                Some(loss) => checkpoint.save_with_metric(state, loss),
                None => checkpoint.save(state),
            };
            self.is_saved = true;
            self.go_on(outcome)?;
        }
        Ok(())
    }

    /// Whether Ctrl-C may have ended the last epoch in the middle.
    fn may_be_cut_short(&self) -> bool {
        self.has_steps && interrupted()
    }

    /// To be called at the end of the run: waits until its last state is on the disk. If it cannot be
    /// written, the program fails at its [end](super::written).
    #[inline(never)]
    pub fn finish<E: Element>(&mut self, state: State<'_, E>) -> Outcome {
        let is_whole = !self.may_be_cut_short();
        let Some(checkpoint) = &mut self.checkpoint else { return Ok(()) };
        let mut outcome = checkpoint.finish();
        if is_whole && (!self.is_saved || outcome.is_err()) {
            outcome = checkpoint.save(state).and_then(|()| checkpoint.finish());
        }
        if let Err(error @ train::Error::Write { .. }) = outcome {
            super::fail_at_end(error);
            return Ok(());
        }
        Ok(outcome?)
    }
}

/// Fails if there is no place for the file, before hours are spent on what is to be in it.
fn check_writable(path: &Path) -> Result<(), String> {
    let refuse = |reason: &str| Err(format!("cannot write {}: {reason}", path.display()));
    if path.is_dir() {
        return refuse("it is a directory");
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    match folder.map(fs::metadata) {
        Some(Err(error)) => refuse(&error.to_string()),
        Some(Ok(folder)) if !folder.is_dir() => refuse("what should be its folder is a file"),
        _ => Ok(()),
    }
}

impl<E: Element> Remembers<E> for Record<E> {
    #[inline(never)]
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        let mut remembered = self.history.remember(model)?;
        if !self.predictions.is_empty() {
            let bytes = serde_json::json!(self.predictions).to_string().into_bytes();
            remembered.push((PREDICTIONS.to_owned(), Remembered::Bytes(bytes)));
        }
        Ok(remembered)
    }

    #[inline(never)]
    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        mut remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        let predictions = match remembered.remove(PREDICTIONS) {
            Some(Remembered::Bytes(bytes)) => {
                serde_json::from_slice(&bytes).map_err(|error| error.to_string())?
            }
            Some(_) => return Err(format!("`{PREDICTIONS}` are no predictions")),
            None => Vec::new(),
        };
        match (self.enabled, remembered.is_empty()) {
            // Recorded until now, and so to the end: a report may be asked for later.
            (false, false) => (self.history, self.enabled) = (History::new(model), true),
            // Taken back itself, as another part of the checkpoint is of no use.
            (true, true) if !self.history.losses().is_empty() => *self = Self::disabled(),
            (true, true) => {
                return Err("the run was begun without --report and --tensorboard, and its first \
                    part is not recorded; resume it without them"
                    .to_owned());
            }
            _ => {}
        }
        self.history.recall(model, remembered)?;
        self.predictions = predictions;
        self.resume().map_err(|error| error.to_string())
    }
}

/// What `predict` has to know of a classifier: how its network is built, what its features and
/// classes are called, and how the features were scaled.
pub fn classifier_notes(
    network: serde_json::Value,
    data: &Dataset,
    standardizer: Option<&Standardizer>,
) -> Vec<(&'static str, String)> {
    let json = |names: &[String]| serde_json::json!(names).to_string();
    let mut notes = vec![
        ("network", network.to_string()),
        ("features", json(&data.feature_names())),
        ("target", data.target_name().to_owned()),
        ("classes", json(data.class_names())),
    ];
    let scaling = standardizer.map(|standardizer| serde_json::json!(standardizer).to_string());
    notes.extend(scaling.map(|scaling| ("scaling", scaling)));
    notes
}
