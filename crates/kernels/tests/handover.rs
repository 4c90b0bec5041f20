//! Every order of events in the hand-over of work between threads, tried out by loom. A thread is
//! interrupted up to three times, or as often as `LOOM_MAX_PREEMPTIONS` says: with three, a store to
//! `done` that is relaxed is found.
//!
//! ```text
//! RUSTFLAGS='--cfg loom' cargo test -p downhill-kernels --test handover --target-dir target/loom
//! ```
#![cfg(loom)]
#![allow(unsafe_code, reason = "the module under test has some")]

#[path = "../src/threads/handover.rs"]
mod handover;

/// The model of what `src/threads/sync.rs` has of the operating system: no patience lasts, and a
/// helper that was not called ends.
mod sync {
    use std::ops::{Deref, DerefMut};
    use std::sync::LockResult;
    use std::time::Duration;

    pub(super) use loom::cell::Cell;
    use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize};

    /// A thread that can be parked. loom's own would be woken from a lock that it waits for.
    #[derive(Clone)]
    pub(super) struct Thread(Arc<(loom::sync::Mutex<bool>, loom::sync::Condvar)>);

    loom::thread_local! {
        static CURRENT: Thread =
            Thread(Arc::new((loom::sync::Mutex::new(false), loom::sync::Condvar::new())));
    }

    pub(super) fn current() -> Thread {
        CURRENT.with(Clone::clone)
    }

    impl Thread {
        pub(super) fn unpark(&self) {
            let (is_called, call) = &*self.0;
            *is_called.lock().unwrap() = true;
            call.notify_one();
        }
    }

    pub(super) fn park() {
        let Thread(thread) = current();
        let mut is_called = thread.0.lock().unwrap();
        while !*is_called {
            is_called = thread.1.wait(is_called).unwrap();
        }
        *is_called = false;
    }

    pub(super) struct Patience;

    impl Patience {
        pub(super) fn new(_limit: Duration) -> Self {
            Self
        }

        pub(super) fn lasts(&self) -> bool {
            false
        }
    }

    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    pub(super) struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        guard: loom::sync::MutexGuard<'a, T>,
    }

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            Ok(MutexGuard { mutex: self, guard: self.0.lock().unwrap() })
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.guard
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.guard
        }
    }

    pub(super) struct Condvar;

    impl Condvar {
        pub(super) fn new() -> Self {
            Self
        }

        pub(super) fn notify_one(&self) {}
    }

    /// The time is up at once, but others may come in between.
    pub(super) fn wait<'a, T>(
        _condvar: &Condvar,
        MutexGuard { mutex, guard }: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        drop(guard);
        (mutex.lock().unwrap(), true)
    }
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use handover::Handover;

/// Runs `model` with a hand-over and what starts its helpers: at most `helpers` in all, because a
/// model has no more than five threads.
fn explore(helpers: usize, model: impl Fn(&Owner) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(move || {
        let owner = Owner {
            handover: Arc::new(Handover::new()),
            to_start: Arc::new(AtomicUsize::new(helpers)),
            most: helpers,
        };
        model(&owner);
    });
}

#[derive(Clone)]
struct Owner {
    handover: Arc<Handover>,
    to_start: Arc<AtomicUsize>,
    most: usize,
}

impl Owner {
    fn share<A, B: Send>(
        &self,
        first: impl FnOnce() -> A,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let start = || {
            let left = |count: usize| count.checked_sub(1);
            if self.to_start.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_err() {
                return false;
            }
            let handover = Arc::clone(&self.handover);
            thread::spawn(move || handover.help());
            true
        };
        self.handover.share(self.most, start, first, second)
    }
}

#[test]
fn two_halves_after_each_other_are_done_once_each() {
    explore(2, |owner| {
        for round in 0..2 {
            let mut count = round;
            let second = || {
                count += 1;
                count
            };
            assert_eq!(owner.share(|| round, second), (round, round + 1));
            assert_eq!(count, round + 1);
        }
    });
}

#[test]
fn halves_of_halves_are_done_by_whoever_is_free() {
    explore(2, |owner| {
        let inner = owner.clone();
        let second = move || inner.share(|| 1, || 2);
        assert_eq!(owner.share(|| 0, second), (0, (1, 2)));
    });
}

#[test]
fn two_owners_do_not_get_each_others_results() {
    explore(2, |owner| {
        let other = owner.clone();
        let thread = thread::spawn(move || assert_eq!(other.share(|| 3, || 4), (3, 4)));
        assert_eq!(owner.share(|| 1, || 2), (1, 2));
        thread.join().unwrap();
    });
}

#[test]
fn an_owner_whose_first_half_panics_waits_for_the_second() {
    explore(1, |owner| {
        let mut is_done = false;
        let first = || -> () { std::panic::resume_unwind(Box::new("first")) };
        let result = catch_unwind(AssertUnwindSafe(|| owner.share(first, || is_done = true)));
        assert_eq!(result.unwrap_err().downcast_ref(), Some(&"first"));
        // Begun and done, or never begun: nobody is at it any more.
        let before = is_done;
        assert_eq!(owner.share(|| 1, || 2), (1, 2));
        assert_eq!(is_done, before);
    });
}
