//! What the hand-over needs of the operating system. A test that tries out every order of events
//! puts a model of the same in its place.

use std::time::{Duration, Instant};

pub(super) use std::cell::Cell;
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize};
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
pub(super) use std::thread::{Thread, current, park};

/// A wait that is spent awake for a while.
pub(super) struct Patience {
    start: Instant,
    limit: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { start: Instant::now(), limit }
    }

    /// Lets a moment pass, shorter than it takes to ask for the time. Whether the limit is not
    /// reached yet.
    pub(super) fn lasts(&self) -> bool {
        for _ in 0..4 {
            std::hint::spin_loop();
        }
        self.start.elapsed() < self.limit
    }
}

/// Waits for a notification, but not forever. Whether the time was up.
pub(super) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: Duration,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, result) =
        condvar.wait_timeout(guard, limit).unwrap_or_else(std::sync::PoisonError::into_inner);
    (guard, result.timed_out())
}
