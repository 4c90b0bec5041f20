//! Two halves of some work at the same time.
//!
//! Small work is done by the thread that asks for it, and larger work is halved: [`join`] keeps one
//! half for the caller, and cuts no finer than there are threads.

use std::cell::Cell;
use std::sync::LazyLock;
use std::thread;

use super::handover::Handover;

static HANDOVER: LazyLock<Handover> = LazyLock::new(Handover::new);

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
    let (mut first, mut second) = (Some(first), Some(second));
    let (mut a, mut b) = (None, None);
    share(&mut || a = first.take().map(|first| first()), &mut || {
        b = second.take().map(|second| second());
    });
    (a.expect("the first half is done"), b.expect("the second half is done"))
}

/// Does both at the same time. It knows neither's type, so that what it takes to share work is
/// compiled once, and not anew for each pair in each program.
pub(super) fn share(first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send)) {
    let depth = HALVED.get() + 1;
    let (first, second) = (|| at_depth(depth, first), || at_depth(depth, second));
    if rayon::current_thread_index().is_some() {
        rayon::join(first, second);
        return;
    }
    let most = rayon::current_num_threads() - 1;
    HANDOVER.share(most, start_helper, first, second);
}

fn start_helper() -> bool {
    let helper = thread::Builder::new().name("downhill-helper".to_owned());
    helper.spawn(|| HANDOVER.help()).is_ok()
}

/// Runs `work`, which has been halved `depth` times.
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

    use super::*;

    fn leaves() -> usize {
        if free_threads() < 2 {
            return 1;
        }
        let (first, second) = join(leaves, leaves);
        first + second
    }

    #[test]
    fn work_is_cut_into_as_many_pieces_as_there_are_threads() {
        for (threads, pieces) in [(1, 1), (2, 2), (3, 2), (4, 4), (8, 8)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(leaves), pieces);
        }
    }

    #[test]
    fn a_thread_outside_of_the_pool_takes_part() {
        let here = std::thread::current().id();
        let (first, _) = join(|| std::thread::current().id(), || ());
        assert_eq!(first, here);
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
