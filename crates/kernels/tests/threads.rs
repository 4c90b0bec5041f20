//! Many threads that share their work at the same time, and panic now and then.

use std::cell::RefCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

use downhill_kernels::{free_threads, join};

const THREADS: usize = 4;
const OWNERS: usize = 9;
const ROUNDS: usize = 100;
/// The leaves of each piece of work: one for each thread.
const LEAVES: usize = THREADS;

/// Lets work be shared as on a machine with four cores, whatever this one has.
fn with_threads() {
    static POOL: Once = Once::new();
    POOL.call_once(|| {
        rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().unwrap();
    });
}

thread_local! {
    /// Whose work stands on this thread's stack.
    static WORK: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Runs a half of an owner's work.
fn half<R>(owner: usize, work: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            WORK.with_borrow_mut(Vec::pop);
        }
    }
    WORK.with_borrow_mut(|owners| owners.push(owner));
    let _leave = Leave;
    let owners = WORK.with_borrow(Clone::clone);
    assert!(owners.iter().all(|&other| other == owner), "{owner} among {owners:?}");
    work()
}

/// Numbers the leaves and adds them up; `leaf` may panic.
fn sum(owner: usize, first: usize, count: usize, leaf: &(impl Fn(usize) -> usize + Sync)) -> usize {
    if count == 1 {
        return leaf(first);
    }
    let middle = count / 2;
    let (a, b) = join(
        || half(owner, || sum(owner, first, middle, leaf)),
        || half(owner, || sum(owner, first + middle, count - middle, leaf)),
    );
    a + b
}

/// Takes longer with every leaf, so that halves are waited for.
fn work(leaf: usize) -> usize {
    (0..10_000 * (leaf + 1)).for_each(|_| spin_loop());
    leaf
}

#[test]
fn a_thread_that_waits_for_a_half_does_no_work_of_others() {
    with_threads();
    std::thread::scope(|scope| {
        for owner in 0..OWNERS {
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    assert_eq!(sum(owner, 0, LEAVES, &work), LEAVES * (LEAVES - 1) / 2);
                }
            });
        }
    });
}

#[test]
fn panics_arrive_at_their_owners_and_at_nobody_else() {
    with_threads();
    std::thread::scope(|scope| {
        for owner in 0..OWNERS {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    // A leaf does in two rounds of seven: in most rounds one, in some two, in one
                    // none.
                    let panics = |leaf: usize| matches!((round + 3 * leaf) % 7, 1 | 2);
                    let leaf = |leaf: usize| match panics(leaf) {
                        true => resume_unwind(Box::new([owner, leaf])),
                        false => work(leaf),
                    };
                    match catch_unwind(AssertUnwindSafe(|| sum(owner, 0, LEAVES, &leaf))) {
                        Ok(sum) => {
                            assert!(!(0..LEAVES).any(panics));
                            assert_eq!(sum, LEAVES * (LEAVES - 1) / 2);
                        }
                        Err(panic) => {
                            let &[of, leaf] = panic.downcast_ref::<[usize; 2]>().unwrap();
                            assert_eq!(of, owner);
                            assert!(panics(leaf));
                        }
                    }
                    assert_eq!(free_threads(), THREADS);
                }
            });
        }
    });
}
