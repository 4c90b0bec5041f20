//! The board on which halves of work are offered to helpers.
//!
//! Waking a thread takes longer than many a kernel, and a step of training shares its work dozens
//! of times. So a thread of rayon's pool that has helped watches the board for a while before it
//! returns to its pool; a half that nobody has begun is taken back by the one who offered it, who
//! waits for the other halves awake at first.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// For how long a helper watches the board without finding anything.
const HELPER_PATIENCE: Duration = Duration::from_micros(500);
/// For how long a half that was begun is awaited before its owner goes to sleep.
const OWNER_PATIENCE: Duration = Duration::from_micros(50);

static BOARD: Mutex<Board> = Mutex::new(Board { offers: VecDeque::new(), helpers: 0 });
/// The number of offers, to be watched without the lock.
static OFFERED: AtomicUsize = AtomicUsize::new(0);

struct Board {
    offers: VecDeque<Offer>,
    /// How many threads watch the board or have been called to do so.
    helpers: usize,
}

impl Board {
    fn lock() -> MutexGuard<'static, Self> {
        BOARD.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        OFFERED.store(self.offers.len(), Ordering::Relaxed);
    }
}

/// A half that waits for a thread.
struct Offer {
    half: *const (),
    /// Runs the half, which must still be there.
    run: unsafe fn(*const ()),
}

// SAFETY: a half may be run by any thread, since its work and its result are `Send`; whoever takes
// an offer off the board is the only one to touch them until the half is done.
unsafe impl Send for Offer {}

/// The second half of some work, on the stack of the thread that owns it.
struct Half<F, R> {
    work: Cell<Option<F>>,
    result: Cell<Option<Result<R, Box<dyn Any + Send>>>>,
    done: AtomicBool,
    owner: Thread,
}

impl<F: FnOnce() -> R + Send, R: Send> Half<F, R> {
    fn new(work: F) -> Self {
        Self {
            work: Cell::new(Some(work)),
            result: Cell::new(None),
            done: AtomicBool::new(false),
            owner: thread::current(),
        }
    }

    fn offer(&self) {
        let mut board = Board::lock();
        board.offers.push_back(Offer { half: self.address(), run: Self::run });
        board.count();
        if board.offers.len() > board.helpers {
            board.helpers += 1;
            drop(board);
            rayon::spawn(help);
        }
    }

    /// Takes the offer off the board again. Whether it was still there.
    fn withdraw(&self) -> bool {
        let mut board = Board::lock();
        let found = board.offers.iter().position(|offer| offer.half == self.address());
        if let Some(position) = found {
            board.offers.remove(position);
            board.count();
        }
        found.is_some()
    }

    fn address(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// What a helper does that has taken the offer and is no longer counted: it runs the half, and
    /// is free again.
    ///
    /// # Safety
    ///
    /// `half` must be the address of such a half, which nobody else runs, and which stays where it
    /// is until it is done.
    unsafe fn run(half: *const ()) {
        // SAFETY: the caller vouches for the address, and for being alone.
        let half = unsafe { &*half.cast::<Self>() };
        let work = half.work.take().expect("a half is run once");
        half.result.set(Some(catch_unwind(AssertUnwindSafe(work))));
        // Before the owner can make its next offer, lest it call for another helper.
        Board::lock().helpers += 1;
        let owner = half.owner.clone();
        // From here on the half may be gone.
        half.done.store(true, Ordering::Release);
        owner.unpark();
    }

    fn wait(&self) {
        let done = || self.done.load(Ordering::Acquire);
        let start = Instant::now();
        while !done() {
            match start.elapsed() < OWNER_PATIENCE {
                true => pause(),
                false => thread::park(),
            }
        }
    }
}

/// Does both at the same time, if another thread comes to help, or one after the other.
pub(super) fn share<A, B: Send>(
    first: impl FnOnce() -> A,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    let half = Half::new(second);
    half.offer();
    // Whatever happens, the half must not be left while another thread may be at it.
    let first = catch_unwind(AssertUnwindSafe(first));
    if half.withdraw() {
        let first = first.unwrap_or_else(|panic| resume_unwind(panic));
        let work = half.work.take().expect("nobody has begun it");
        return (first, work());
    }
    half.wait();
    match (first, half.result.take().expect("the half is done")) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(panic), _) | (_, Err(panic)) => resume_unwind(panic),
    }
}

/// What a helper does: takes offers until there has been none for a while.
fn help() {
    let mut start = Instant::now();
    loop {
        if OFFERED.load(Ordering::Relaxed) > 0 {
            let mut board = Board::lock();
            if let Some(offer) = board.offers.pop_front() {
                board.count();
                board.helpers -= 1;
                drop(board);
                // SAFETY: whoever made the offer keeps the half where it is until it is withdrawn,
                // which it no longer can be, or done.
                unsafe { (offer.run)(offer.half) };
                start = Instant::now();
            }
        } else if start.elapsed() < HELPER_PATIENCE {
            pause();
        } else {
            let mut board = Board::lock();
            if board.offers.is_empty() {
                board.helpers -= 1;
                return;
            }
        }
    }
}

/// Lets a moment pass, shorter than it takes to ask for the time.
fn pause() {
    for _ in 0..4 {
        std::hint::spin_loop();
    }
}
