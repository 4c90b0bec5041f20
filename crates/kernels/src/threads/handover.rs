//! Halves of work that are handed over to helpers.
//!
//! A step of training shares its work dozens of times, each time for some ten microseconds, which
//! is about what it takes to wake a thread. So a helper that has done its half stays awake for a
//! while and watches for the next; a half that nobody has begun is withdrawn by its owner, who does
//! it; and an owner whose half was begun waits for it awake at first. An offer that nobody takes costs
//! 0.05 µs. `rayon::join`, called from a thread that is not rayon's, has the caller sleep until
//! both halves are done in the pool, and takes 5 to 11 µs longer than the halves in turn
//! (`cargo bench --bench overhead -- halves`).
//!
//! Helpers are threads of their own. On threads of rayon's pool they would be jobs, and a thread
//! that waits in `rayon::join` runs any job it finds: it would help others for as long as they have
//! work, while its own owner waits. Here a thread that waits does nothing else, so that all halves
//! on a thread's stack belong to one piece of work.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::sync::{
    AtomicBool, AtomicUsize, Cell, Condvar, Mutex, MutexGuard, Patience, Thread, current, park,
    wait,
};

/// How long a helper watches without finding an offer before it goes to sleep.
const HELPER_PATIENCE: Duration = Duration::from_micros(500);
/// How long an owner waits awake for a half that was begun before it goes to sleep.
const OWNER_PATIENCE: Duration = Duration::from_micros(50);
/// How long a helper sleeps before it ends.
const HELPER_SLEEP: Duration = Duration::from_secs(10);

/// Where owners and helpers meet.
pub(super) struct Handover {
    board: Mutex<Board>,
    /// The number of offers, to be watched without the lock.
    offered: AtomicUsize,
    call: Condvar,
}

struct Board {
    offers: VecDeque<Offer>,
    /// The helpers that watch, or have been started or called to do so.
    watching: usize,
    /// The helpers that sleep and have not been called.
    sleeping: usize,
    /// The calls that no helper has followed yet.
    calls: usize,
    /// All helpers.
    helpers: usize,
}

impl Handover {
    pub(super) fn new() -> Self {
        let (watching, sleeping, calls, helpers) = (0, 0, 0, 0);
        let board = Board { offers: VecDeque::new(), watching, sleeping, calls, helpers };
        Self { board: Mutex::new(board), offered: AtomicUsize::new(0), call: Condvar::new() }
    }

    /// Does both at the same time, if a helper comes, or one after the other. Where fewer helpers
    /// than `most` are there, more are started by `start`, which has them [`help`](Self::help); it
    /// returns whether it could.
    pub(super) fn share<A, B: Send>(
        &self,
        most: usize,
        start: impl FnOnce() -> bool,
        first: impl FnOnce() -> A,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let half = Half::new(self, second);
        half.offer(most, start);
        // Whatever happens, the half must not be left while a helper may be at it.
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

    /// What a helper does: takes offers, sleeps when there has been none for a while, and returns
    /// when it was not called for much longer.
    pub(super) fn help(&self) {
        loop {
            self.watch();
            if !self.sleep() {
                return;
            }
        }
    }

    /// Takes offers until there has been none for a while.
    fn watch(&self) {
        let mut patience = Patience::new(HELPER_PATIENCE);
        loop {
            if self.offered.load(Ordering::Relaxed) > 0 {
                let mut board = self.lock();
                if let Some(offer) = board.offers.pop_front() {
                    self.offered.store(board.offers.len(), Ordering::Relaxed);
                    board.watching -= 1;
                    drop(board);
                    // SAFETY: whoever made the offer keeps the half where it is until it is
                    // withdrawn, which it no longer can be, or done.
                    unsafe { (offer.run)(offer.half) };
                    patience = Patience::new(HELPER_PATIENCE);
                }
            } else if !patience.lasts() {
                return;
            }
        }
    }

    /// Sleeps until there is a call. Whether there was one.
    fn sleep(&self) -> bool {
        let mut board = self.lock();
        if !board.offers.is_empty() {
            // One that has just come, whose owner took this helper to be watching.
            return true;
        }
        board.watching -= 1;
        board.sleeping += 1;
        while board.calls == 0 {
            let (guard, is_late) = wait(&self.call, board, HELPER_SLEEP);
            board = guard;
            if is_late && board.calls == 0 {
                board.sleeping -= 1;
                board.helpers -= 1;
                return false;
            }
        }
        board.calls -= 1;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A half that waits for a helper.
struct Offer {
    half: *const (),
    /// Runs the half, which must still be there.
    run: unsafe fn(*const ()),
}

// SAFETY: a half may be run by any thread, since its work and its result are `Send`; whoever takes
// an offer off the board is the only one to touch them until the half is done.
unsafe impl Send for Offer {}

/// The second half of some work, on the stack of the thread that owns it.
struct Half<'a, F, R> {
    handover: &'a Handover,
    work: Cell<Option<F>>,
    result: Cell<Option<Result<R, Box<dyn Any + Send>>>>,
    done: AtomicBool,
    owner: Thread,
}

impl<'a, F: FnOnce() -> R + Send, R: Send> Half<'a, F, R> {
    fn new(handover: &'a Handover, work: F) -> Self {
        Self {
            handover,
            work: Cell::new(Some(work)),
            result: Cell::new(None),
            done: AtomicBool::new(false),
            owner: current(),
        }
    }

    /// Offers the half to a helper that watches. Where there are more offers than those, one is
    /// woken or started.
    fn offer(&self, most: usize, start: impl FnOnce() -> bool) {
        let mut board = self.handover.lock();
        board.offers.push_back(Offer { half: self.address(), run: Self::run });
        self.handover.offered.store(board.offers.len(), Ordering::Relaxed);
        if board.offers.len() <= board.watching {
            return;
        }
        if board.sleeping > 0 {
            board.sleeping -= 1;
            board.watching += 1;
            board.calls += 1;
            drop(board);
            self.handover.call.notify_one();
        } else if board.helpers < most {
            board.watching += 1;
            board.helpers += 1;
            drop(board);
            if !start() {
                let mut board = self.handover.lock();
                board.watching -= 1;
                board.helpers -= 1;
            }
        }
    }

    /// Takes the offer back. Whether no helper had taken it.
    fn withdraw(&self) -> bool {
        let mut board = self.handover.lock();
        let found = board.offers.iter().position(|offer| offer.half == self.address());
        if let Some(position) = found {
            board.offers.remove(position);
            self.handover.offered.store(board.offers.len(), Ordering::Relaxed);
        }
        found.is_some()
    }

    fn address(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// Runs the half in a helper that has taken the offer, and from then on watches again.
    ///
    /// # Safety
    ///
    /// `half` must be the address of a half of this type that nobody else runs, and that stays
    /// where it is until it is done.
    unsafe fn run(half: *const ()) {
        // SAFETY: the caller vouches for the address, and for being alone.
        let half = unsafe { &*half.cast::<Self>() };
        let work = half.work.take().expect("a half is run once");
        half.result.set(Some(catch_unwind(AssertUnwindSafe(work))));
        // Before the owner can make its next offer, so that it does not wake a second helper.
        half.handover.lock().watching += 1;
        let owner = half.owner.clone();
        // From here on the half may be gone.
        half.done.store(true, Ordering::Release);
        owner.unpark();
    }

    fn wait(&self) {
        let patience = Patience::new(OWNER_PATIENCE);
        while !self.done.load(Ordering::Acquire) {
            if !patience.lasts() {
                park();
            }
        }
    }
}
