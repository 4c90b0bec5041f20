//! Runs that go on after whatever stopped them.

mod folder;
mod memory;
mod position;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use downhill_tensor::Element;

use crate::error::Error;
use crate::model_file::{TensorFile, WRITER, write};
use folder::Folder;
pub use memory::{Remembered, Remembers};
pub use position::Position;
pub use state::State;
use writer::{Job, Writer};

/// The notes of a checkpoint.
const RUN: &str = "run";
const METRIC: &str = "metric";

/// A directory of checkpoints of one run, from which it goes on to the same bytes as if nothing
/// had stopped it.
///
/// A loop opens it, takes back what there is, and saves when that is due:
///
/// ```
/// use downhill_nn::Linear;
/// use downhill_optim::{Optimizer, Sgd};
/// use downhill_tensor::Tensor;
/// use downhill_train::{Checkpoint, Position, state};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let mut model = Linear::new(1, 1, &mut rng);
/// let mut optimizer = Sgd::new(0.1).momentum(0.9);
/// let mut position = Position::new();
///
/// let mut checkpoint = Checkpoint::open(&directory)?;
/// if let Some(resumed) = checkpoint.restore(state!(model; optimizer; rng, position))? {
///     println!("{resumed}");
/// }
/// while position.epoch() < 10 {
///     // `train.batches(32, rng)` in place of the range, where there is a data set.
///     let batches = position.begin_epoch(&mut rng, |_rng| 0..4).skip(position.batch());
///     for x in batches.map(|batch| Tensor::from([[batch as f32]])) {
///         let loss = (model.forward(&x) - 2.0 * &x).square().mean();
///         optimizer.step(&mut model, &loss.backward())?;
///         position.next_batch();
///         checkpoint.save_when_due(state!(model; optimizer; rng, position))?;
///     }
///     position.next_epoch();
///     checkpoint.save(state!(model; optimizer; rng, position))?;
/// }
/// checkpoint.finish()?;
/// # Ok(())
/// # }
/// ```
///
/// Everything that the next step depends on belongs to the [`State`]: the model, what has been
/// [remembered](Remembers) of it, the random generator, the [`Position`] in the data, and whatever
/// a loop counts or sums up. What is made again from the same options, such as a schedule, does
/// not.
///
/// A checkpoint is a safetensors file with a checksum, written whole or not at all by a thread of
/// its own, while the run goes on. Another run, or another thread, that opens the directory at the
/// same time is refused.
pub struct Checkpoint {
    folder: Arc<Folder>,
    /// What the run has been asked for.
    options: BTreeMap<String, String>,
    keep: usize,
    maximize: bool,
    interval: Duration,
    share: f64,
    last: Instant,
    /// The nanoseconds that the last save took, or more than any as long as it is not done.
    cost: Arc<AtomicU64>,
    /// The number of the next checkpoint.
    next: u64,
    best: Option<f64>,
    kept: Arc<Mutex<Vec<Kept>>>,
    writer: Writer,
}

/// A checkpoint that is in the directory, and its metric.
struct Kept {
    number: u64,
    metric: Option<f64>,
}

/// What a run goes on from; displays as a line for each fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumed {
    /// The checkpoint.
    pub path: PathBuf,
    /// What is wrong with the newer ones, which were passed over.
    pub passed_over: Vec<Error>,
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.passed_over {
            writeln!(f, "passed over: {error}")?;
        }
        write!(f, "resumed from {}", self.path.display())
    }
}

impl Checkpoint {
    /// Opens a directory, which is made if there is none, for this process alone.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another run has opened it; [`Error::Write`] or [`Error::Read`] if it
    /// cannot be made or used.
    #[inline(never)]
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = Folder::open(directory.as_ref())?;
        let numbers = folder.numbers()?;
        let next = numbers.last().map_or(1, |last| last + 1);
        let kept = numbers.into_iter().map(|number| {
            let notes = TensorFile::read(&folder.path_of(number));
            let metric = notes.ok().and_then(|file| file.notes().get(METRIC)?.parse().ok());
            Kept { number, metric }
        });
        Ok(Self {
            kept: Arc::new(Mutex::new(kept.collect())),
            folder: Arc::new(folder),
            options: BTreeMap::new(),
            keep: 3,
            maximize: false,
            interval: Duration::from_secs(5),
            share: 0.02,
            last: Instant::now(),
            cost: Arc::new(AtomicU64::new(0)),
            next,
            best: None,
            writer: Writer::start(),
        })
    }

    /// With something that the run was asked for and that its checkpoints must agree on: an
    /// option, the seed, a [fingerprint](crate::fingerprint) of the data.
    #[inline(never)]
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.options.insert(name.into(), value.to_string());
        self
    }

    /// With another number of newest checkpoints that are kept; 3 at first. The best is kept
    /// besides.
    ///
    /// # Panics
    ///
    /// If the number is 0.
    #[must_use]
    #[track_caller]
    pub fn keep(self, newest: usize) -> Self {
        assert!(newest > 0, "Checkpoint::keep: none would be left");
        Self { keep: newest, ..self }
    }

    /// With the best checkpoint that of the largest metric, such as an accuracy; that of the least
    /// at first.
    #[must_use]
    pub fn maximize(self) -> Self {
        Self { maximize: true, ..self }
    }

    /// With another time after which [`save_when_due`](Self::save_when_due) saves; 5 seconds at
    /// first.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// With another share of the time that saving may take where it is asked whether it
    /// [is affordable](Self::is_affordable); 0.02 at first.
    ///
    /// # Panics
    ///
    /// If the share is not above 0.
    #[must_use]
    #[track_caller]
    pub fn share(self, share: f64) -> Self {
        assert!(share > 0.0, "Checkpoint::share: a share of {share} is never there");
        Self { share, ..self }
    }

    /// Whether there is no checkpoint yet.
    pub fn is_empty(&self) -> bool {
        kept(&self.kept).is_empty()
    }

    /// Takes back the newest checkpoint that is whole, if there is any.
    ///
    /// # Errors
    ///
    /// If all checkpoints are damaged; if the newest that is not is of a newer format
    /// ([`Error::FormatVersion`]), of a run with other options ([`Error::OtherRun`]), or of
    /// another model, optimizer or state. Then nothing has been changed.
    #[inline(never)]
    pub fn restore<E: Element>(&self, state: State<'_, E>) -> Result<Option<Resumed>, Error> {
        let newest_first: Vec<u64> =
            kept(&self.kept).iter().rev().map(|kept| kept.number).collect();
        self.restore_first(state, &newest_first)
    }

    /// Takes back the checkpoint with the best metric, if there is one.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), for this checkpoint.
    #[inline(never)]
    pub fn restore_best<E: Element>(&self, state: State<'_, E>) -> Result<Option<Resumed>, Error> {
        self.writer.wait()?;
        let best = best(&kept(&self.kept), self.maximize).map(|kept| kept.number);
        self.restore_first(state, &best.into_iter().collect::<Vec<_>>())
    }

    /// Takes back the first of these checkpoints that is whole.
    fn restore_first<E: Element>(
        &self,
        mut state: State<'_, E>,
        numbers: &[u64],
    ) -> Result<Option<Resumed>, Error> {
        let mut passed_over = Vec::new();
        for &number in numbers {
            let path = self.folder.path_of(number);
            match TensorFile::read(&path).and_then(TensorFile::own) {
                Ok(file) => {
                    self.check_options(&file)?;
                    state.restore(&file)?;
                    return Ok(Some(Resumed { path, passed_over }));
                }
                Err(error @ Error::FormatVersion { .. }) => return Err(error),
                Err(error) => passed_over.push(error),
            }
        }
        passed_over.into_iter().next().map_or(Ok(None), Err)
    }

    /// Whether the checkpoint is of a run that was asked for the same.
    fn check_options(&self, file: &TensorFile) -> Result<(), Error> {
        let theirs = file.notes().get(RUN);
        let theirs: BTreeMap<String, String> =
            theirs.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
        let mut names = self.options.keys().chain(theirs.keys());
        let Some(name) = names.find(|name| self.options.get(*name) != theirs.get(*name)) else {
            return Ok(());
        };
        let told = |options: &BTreeMap<String, String>| {
            options.get(name).map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
        };
        Err(Error::OtherRun {
            path: file.path().to_owned(),
            option: name.clone(),
            saved: told(&theirs),
            now: told(&self.options),
        })
    }

    /// Whether so much time has passed since the last save that, with what that took, it is at most
    /// the [`share`](Self::share) of it: to be asked after an epoch, which may be short. The first
    /// save always is.
    pub fn is_affordable(&self) -> bool {
        let cost = self.cost.load(Ordering::Relaxed);
        self.last.elapsed().as_nanos() as f64 * self.share >= cost as f64
    }

    /// Saves the state if it has not been for a while, and if that [is
    /// affordable](Self::is_affordable): to be called after each step. It costs a look at the clock
    /// if it does not.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    #[inline(never)]
    pub fn save_when_due<E: Element>(&mut self, state: State<'_, E>) -> Result<(), Error> {
        let is_due = self.last.elapsed() >= self.interval && self.is_affordable();
        if is_due { self.save(state) } else { Ok(()) }
    }

    /// Saves the state as it is now: to be called after each epoch, and before a run is left. The
    /// file is written while the run goes on; if it goes on faster, only the newest is.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] if a parameter is NaN or infinite. [`Error::Remember`] if an optimizer,
    /// or what else remembers something of the model, does of another. [`Error::Write`] if an
    /// earlier checkpoint could not be written; those before it are still there, and a run may go on:
    /// this one is written if it can be.
    #[inline(never)]
    pub fn save<E: Element>(&mut self, state: State<'_, E>) -> Result<(), Error> {
        self.push(state, None)
    }

    /// [`save`](Self::save), with a metric by which the best checkpoint is kept, such as the
    /// validation loss.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    #[inline(never)]
    pub fn save_with_metric<E: Element>(
        &mut self,
        state: State<'_, E>,
        metric: f64,
    ) -> Result<(), Error> {
        self.push(state, Some(metric))
    }

    fn push<E: Element>(&mut self, state: State<'_, E>, metric: Option<f64>) -> Result<(), Error> {
        let started = Instant::now();
        let entries = state.entries()?;
        let mut notes = BTreeMap::from([
            (RUN.to_owned(), serde_json::to_string(&self.options).expect("texts are JSON")),
            (WRITER.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        notes.extend(metric.map(|metric| (METRIC.to_owned(), metric.to_string())));
        let is_best = metric.is_some_and(|metric| self.is_best(metric));
        if is_best {
            self.best = metric;
        }
        let number = self.next;
        self.next += 1;
        self.last = Instant::now();
        let (folder, all) = (Arc::clone(&self.folder), Arc::clone(&self.kept));
        let (keep, maximize) = (self.keep, self.maximize);
        let cost = Arc::clone(&self.cost);
        cost.store(u64::MAX, Ordering::Relaxed);
        let before = started.elapsed();
        let write = move || {
            let started = Instant::now();
            let written = write(&folder.path_of(number), &notes, &entries);
            let took = before + started.elapsed();
            cost.store(took.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
            written?;
            let mut all = kept(&all);
            all.push(Kept { number, metric });
            let best = best(&all, maximize).map(|kept| kept.number);
            let newest = all.len().saturating_sub(keep);
            let mut index = 0;
            all.retain(|kept| {
                index += 1;
                // One that cannot be removed is in nobody's way.
                index > newest
                    || best == Some(kept.number)
                    || std::fs::remove_file(folder.path_of(kept.number)).is_err()
            });
            Ok(())
        };
        self.writer.push(Job { is_best, write: Box::new(write) })
    }

    /// Whether the metric is better than that of every checkpoint that is written or waits.
    fn is_best(&self, metric: f64) -> bool {
        let written = best(&kept(&self.kept), self.maximize).and_then(|kept| kept.metric);
        let mut others = written.into_iter().chain(self.best);
        !metric.is_nan() && others.all(|other| is_better(metric, other, self.maximize))
    }

    /// Waits until what has been saved is on the disk. Dropping does so, too, but cannot say what
    /// went wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if a checkpoint could not be written.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.writer.wait()
    }
}

fn kept(kept: &Mutex<Vec<Kept>>) -> MutexGuard<'_, Vec<Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The checkpoint of the best metric, the later one of equals.
fn best(kept: &[Kept], maximize: bool) -> Option<&Kept> {
    let judged = |kept: &&Kept| kept.metric.is_some_and(|metric| !metric.is_nan());
    kept.iter().filter(judged).reduce(|best, next| {
        let (Some(old), Some(new)) = (best.metric, next.metric) else { return best };
        if is_better(old, new, maximize) { best } else { next }
    })
}

fn is_better(new: f64, old: f64, maximize: bool) -> bool {
    if maximize { new > old } else { new < old }
}

/// A short text that differs, but by chance, for every content that a file has had: an
/// [option](Checkpoint::option) that a run and its checkpoints must agree on.
///
/// ```
/// use downhill_train::fingerprint;
///
/// # let directory = tempfile::tempdir().unwrap();
/// let table = directory.path().join("iris.csv");
/// std::fs::write(&table, "length,species\n5.1,setosa\n").unwrap();
/// let data = fingerprint(&table)?;
/// assert_eq!(data, fingerprint(&table)?);
/// std::fs::write(&table, "length,species\n5.1,virginica\n").unwrap();
/// assert_ne!(data, fingerprint(&table)?);
/// # Ok::<(), downhill_train::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Read`] when the file cannot be read.
#[inline(never)]
pub fn fingerprint(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| Error::read(path, &error))?;
    Ok(format!("{:08x} of {} bytes", crc32fast::hash(&bytes), bytes.len()))
}
