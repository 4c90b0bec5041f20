//! The processes that train together.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use downhill_tensor::Element;
use mpi::datatype::Equivalence;
use mpi::topology::{Communicator, SimpleCommunicator};

use crate::cut::cut;
use crate::error::Error;
use crate::exchange::Common;

/// The numbers that can be sent: `f32` and `f64`.
pub trait Number: Element + Equivalence + bytemuck::Pod {}

impl Number for f32 {}
impl Number for f64 {}

/// How many parts a batch is cut into unless that is changed.
const PARTS: usize = 8;

/// How long a process waits for another unless that is changed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The environment variable that changes it, in seconds.
const TIMEOUT_VARIABLE: &str = "DOWNHILL_TIMEOUT";

/// The processes that train together, as one of them sees it; [`run`](crate::run) makes it.
/// Displays as a line on processes, threads and cores.
#[derive(Debug, Clone)]
pub struct Group {
    rank: usize,
    ranks: usize,
    machine: Machine,
    pub(crate) parts: usize,
    pub(crate) is_fast: bool,
    pub(crate) timeout: Duration,
    /// The number of calls of [`gradients`](Self::gradients) so far.
    pub(crate) steps: Cell<u64>,
    /// Memory that all processes can read, once it is known whether there is any.
    pub(crate) common: Rc<RefCell<Option<Option<Common>>>>,
}

/// The machine that a process runs on.
#[derive(Debug, Clone)]
struct Machine {
    ranks: usize,
    cores: usize,
    threads: usize,
    are_threads_set: bool,
}

impl Group {
    /// The group of all processes, and threads for this one: as many as cores and processes of this
    /// machine leave it, unless `RAYON_NUM_THREADS` says how many.
    pub(crate) fn of_world() -> Self {
        let world = SimpleCommunicator::world();
        let local = world.split_shared(0);
        let cores = online().or_else(available).unwrap_or(1);
        let ranks = local.size() as usize;
        let are_threads_set = std::env::var_os("RAYON_NUM_THREADS").is_some();
        if !are_threads_set {
            let share = (cores / ranks).max(1).min(available().unwrap_or(1));
            // It fails if threads have been started already, which are then kept.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(share).build_global();
        }
        let threads = rayon::current_num_threads();
        Self {
            rank: world.rank() as usize,
            ranks: world.size() as usize,
            machine: Machine { ranks, cores, threads, are_threads_set },
            parts: PARTS,
            is_fast: false,
            timeout: timeout(),
            steps: Cell::new(0),
            common: Rc::default(),
        }
    }

    pub(crate) fn world() -> SimpleCommunicator {
        SimpleCommunicator::world()
    }

    /// The number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of processes.
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// Whether this is the process of rank 0, which prints, reports and writes checkpoints.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// With batches that are cut into another number of parts than 8. Runs with the same number of
    /// parts train the same bytes, whatever the number of processes. Many parts are small ones,
    /// which take longer than few large ones.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewParts`] if there are fewer parts than processes.
    pub fn parts(self, parts: usize) -> Result<Self, Error> {
        let group = Self { parts, ..self };
        group.check_parts()?;
        Ok(group)
    }

    pub(crate) fn check_parts(&self) -> Result<(), Error> {
        match self.parts >= self.ranks {
            true => Ok(()),
            false => Err(Error::TooFewParts { ranks: self.ranks, parts: self.parts }),
        }
    }

    /// With one part for each process and, between machines, sums by MPI's own all-reduce, in whatever
    /// order that is fastest. Results then depend, in their last digits and from there on, on the number of
    /// processes, on the machines and on the MPI library.
    pub fn fast(self) -> Self {
        Self { is_fast: true, parts: self.ranks, ..self }
    }

    /// With another time after which a process that does not answer ends the run: 30 seconds, or
    /// the seconds in the environment variable `DOWNHILL_TIMEOUT`, unless it is set here. It must
    /// be longer than anything that one process does while the others wait.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The parts of a process.
    pub(crate) fn parts_of(&self, rank: usize) -> Range<usize> {
        cut(self.parts, self.ranks, rank)
    }

    /// The most parts that a process has.
    pub(crate) fn most_parts(&self) -> usize {
        self.parts.div_ceil(self.ranks)
    }

    /// Whether all processes are on this machine.
    pub(crate) fn is_on_one_machine(&self) -> bool {
        self.machine.ranks == self.ranks
    }

    /// Whether processes share cores, so that one that waits should let others run.
    pub(crate) fn is_crowded(&self) -> bool {
        self.machine.ranks * self.machine.threads > self.machine.cores
    }
}

/// How long a process waits for another unless the program says so.
pub(crate) fn timeout() -> Duration {
    let seconds = std::env::var(TIMEOUT_VARIABLE).ok().and_then(|text| text.parse().ok());
    let seconds = seconds.filter(|seconds: &f64| *seconds > 0.0 && *seconds < 1e9);
    seconds.map_or(TIMEOUT, Duration::from_secs_f64)
}

/// The cores that this process may use.
fn available() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

/// The cores of this machine, where Linux lists them: `0-3,8`.
fn online() -> Option<usize> {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<usize>().ok()? - first.parse::<usize>().ok()? + 1)
    };
    list.trim().split(',').map(count).sum()
}

/// `1 process`, `2 processes`.
fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { ranks, cores, threads, are_threads_set } = self.machine;
        write!(f, "{}", counted(self.ranks, "process", "processes"))?;
        if ranks < self.ranks {
            write!(f, ", {ranks} of them on this machine,")?;
        }
        write!(
            f,
            " with {} each on {}",
            counted(threads, "thread", "threads"),
            counted(cores, "core", "cores")
        )?;
        if are_threads_set {
            write!(f, " (RAYON_NUM_THREADS)")?;
        }
        if self.is_crowded() {
            write!(f, ": more than there are cores, so that they take turns")?;
        }
        if self.is_fast {
            write!(f, "; fast: results depend on the number of processes")
        } else {
            write!(f, "; batches in {}", counted(self.parts, "part", "parts"))
        }
    }
}
