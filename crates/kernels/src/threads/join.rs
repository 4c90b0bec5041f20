//! Two halves of some work at the same time.
//!
//! Small work is done by the thread that asks for it, and larger work is halved: [`join`] keeps one
//! half for the caller, and cuts no finer than there are threads.

use std::cell::Cell;

use super::handover;

thread_local! {
    /// How often the work that this thread does has been halved.
    static HALVED: Cell<u32> = const { Cell::new(0) };
}

/// Among how many threads the caller's work can still be shared.
pub fn free_threads() -> usize {
    let threads = rayon::current_num_threads();
    threads.checked_shr(HALVED.get()).unwrap_or(0).max(1)
}

/// Does both at the same time, if a thread is free for the second, or one after the other.
///
/// Work that is halved again and again should end when [`free_threads`] is 1 or the halves are too
/// small to be worth waking a thread.
///
/// ```
/// use downhill_kernels::{free_threads, join};
///
/// fn sum(x: &[u64]) -> u64 {
///     if free_threads() < 2 || x.len() < 1000 {
///         return x.iter().sum();
///     }
///     let (first, second) = x.split_at(x.len() / 2);
///     let (first, second) = join(|| sum(first), || sum(second));
///     first + second
/// }
/// assert_eq!(sum(&Vec::from_iter(0..10_000)), 49_995_000);
/// ```
pub fn join<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    if free_threads() < 2 {
        return (first(), second());
    }
    let depth = HALVED.get() + 1;
    let (first, second) = (|| at_depth(depth, first), || at_depth(depth, second));
    if rayon::current_thread_index().is_some() {
        return rayon::join(first, second);
    }
    handover::share(first, second)
}

/// Runs `work`, which is what is left after so many halvings.
fn at_depth<R>(depth: u32, work: impl FnOnce() -> R) -> R {
    /// Also after a panic.
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            HALVED.set(self.0);
        }
    }
    let _restore = Restore(HALVED.replace(depth));
    work()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    fn leaves() -> usize {
        if free_threads() < 2 {
            return 1;
        }
        let (first, second) = join(leaves, leaves);
        first + second
    }

    #[test]
    fn work_is_cut_into_as_many_parts_as_there_are_threads() {
        for (threads, parts) in [(1, 1), (2, 2), (3, 2), (4, 4), (8, 8)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(leaves), parts);
        }
    }

    #[test]
    fn a_thread_outside_of_the_pool_takes_part() {
        let here = std::thread::current().id();
        let (first, _) = join(|| std::thread::current().id(), || ());
        assert_eq!(first, here);
    }

    #[test]
    fn a_half_that_nobody_comes_for_is_done_by_its_owner() {
        let busy = rayon::current_num_threads();
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        for _ in 0..busy {
            let (started, released) = (started.clone(), Arc::clone(&released));
            rayon::spawn(move || {
                started.send(()).unwrap();
                // Until the sender is dropped.
                let _ = released.lock().unwrap().recv();
            });
        }
        (0..busy).for_each(|_| starts.recv().unwrap());
        let here = std::thread::current().id();
        let (_, second) = join(|| (), || std::thread::current().id());
        assert_eq!(second, here);
        drop(release);
    }

    #[test]
    fn many_threads_share_their_work_at_the_same_time() {
        fn sum(numbers: &[u64]) -> u64 {
            match numbers {
                &[number] => number,
                _ => {
                    let (first, second) = numbers.split_at(numbers.len() / 2);
                    let (first, second) = join(|| sum(first), || sum(second));
                    first + second
                }
            }
        }
        let numbers: Vec<u64> = (0..64).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| assert_eq!(sum(&numbers), 2016)));
            }
        });
    }

    #[test]
    fn a_panic_in_either_half_arrives_and_leaves_the_threads_free() {
        let before = free_threads();
        for half in [0, 1] {
            let work = |number: usize| move || assert!(number != half, "half {number}");
            let result = catch_unwind(AssertUnwindSafe(|| join(work(0), work(1))));
            assert!(result.is_err());
            assert_eq!(free_threads(), before);
        }
    }
}
