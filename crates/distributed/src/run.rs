//! How a run on several processes begins and ends.

use std::any::Any;
use std::error::Error as StdError;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mpi::collective::CommunicatorCollectives;
use mpi::environment::Threading;
use mpi::topology::{Communicator, SimpleCommunicator};

use crate::error::Error;
use crate::group::{Group, timeout};
use crate::start;

/// How many times longer than elsewhere processes wait at the end for the one of rank 0, which may
/// still write a report.
const END: u32 = 20;

/// Runs `main` on each of the processes that `mpirun` has started, or on one without `mpirun`.
///
/// If `main` fails or panics on any of them, one line on standard error says on which and why, and
/// all end with status 1 (2 for [`Error::CommandLine`]). So they do if one is killed or does not
/// answer.
///
/// # Panics
///
/// If MPI has been initialised before.
pub fn run<E>(main: impl FnOnce(Group) -> Result<(), E>) -> ExitCode
where
    E: Into<Box<dyn StdError>>,
{
    let started = start::guard("start", timeout());
    let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)
        .expect("run: MPI has been initialised already");
    let group = Group::of_world();
    drop(started);
    let (ranks, at_end) = (group.ranks(), group.clone());
    let place = Arc::new(Mutex::new(String::new()));
    let hook_place = Arc::clone(&place);
    panic::set_hook(Box::new(move |panic| {
        let at = panic.location().map(|at| format!(" ({at})")).unwrap_or_default();
        *hook_place.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| main(group)));
    let failure: Box<dyn StdError> = match outcome {
        Ok(Ok(())) => {
            end(&at_end);
            let ended = start::guard("end", at_end.timeout);
            drop(universe);
            drop(ended);
            return ExitCode::SUCCESS;
        }
        Ok(Err(error)) => error.into(),
        Err(panic) => {
            let place = place.lock().unwrap_or_else(PoisonError::into_inner);
            format!("{}{place}", panic_message(&*panic)).into()
        }
    };
    let known = failure.downcast_ref::<Error>();
    let status = if matches!(known, Some(Error::CommandLine(_))) { 2 } else { 1 };
    let message = failure.to_string();
    let speaker = match known.is_some_and(Error::is_common) {
        true => Speaker::Any,
        false => Speaker::Itself,
    };
    if ranks == 1 {
        eprintln!("error: {message}");
        drop(universe);
        return ExitCode::from(status);
    }
    fail(speaker, &message, status.into())
}

/// Waits until all processes have come to their end.
fn end(group: &Group) {
    if group.ranks() > 1 {
        let barrier = Group::world().immediate_barrier();
        let patience = if group.is_first() { group.timeout } else { group.timeout * END };
        group.wait_for("the end of the run", barrier, patience);
    }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the program panicked").to_owned()
}

/// On whose behalf a process says why the run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speaker {
    /// Its own.
    Itself,
    /// That of all, who know the same.
    Any,
    /// It is the lowest that can speak.
    First,
    /// In case the lowest cannot.
    Deputy,
}

/// Ends all processes. One line says why: others that have something to say, too, give those of a
/// lower rank the time to say it and to end them.
pub(crate) fn fail(speaker: Speaker, message: &str, status: i32) -> ! {
    let world = SimpleCommunicator::world();
    let (rank, ranks) = (world.rank(), world.size());
    if speaker != Speaker::First && rank > 0 {
        // On several machines it takes a second or two until all are ended.
        let turn = 2500 + 250 * u64::try_from(rank.min(10)).unwrap_or(0);
        let turn = turn + if speaker == Speaker::Deputy { 3000 } else { 0 };
        thread::sleep(Duration::from_millis(turn));
    }
    match speaker {
        Speaker::Itself => eprintln!("error: rank {rank} of {ranks}: {message}"),
        _ => eprintln!("error: {message}"),
    }
    world.abort(status)
}
