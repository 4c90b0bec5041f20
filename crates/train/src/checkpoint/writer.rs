//! A thread that writes while the run goes on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::error::Error;

/// A checkpoint to be written.
pub(super) struct Job {
    /// Whether it is the best so far, which a newer one does not replace.
    pub(super) is_best: bool,
    pub(super) write: Box<dyn FnOnce() -> Result<(), Error> + Send>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Job>,
    writing: bool,
    closed: bool,
    error: Option<Error>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        while_: impl Fn(&mut Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        self.changed.wait_while(queue, while_).unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, until there is no more.
    fn run(&self) {
        loop {
            let mut queue =
                self.wait(self.queue(), |queue| queue.waiting.is_empty() && !queue.closed);
            if queue.waiting.is_empty() {
                return;
            }
            let job = queue.waiting.remove(0);
            queue.writing = true;
            drop(queue);
            let outcome = (job.write)();
            let mut queue = self.queue();
            queue.writing = false;
            if let Err(error) = outcome {
                queue.error.get_or_insert(error);
            }
            self.changed.notify_all();
        }
    }
}

/// The thread, and what it is to write.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        Self { shared, thread: Some(std::thread::spawn(move || own.run())) }
    }

    /// Has a checkpoint written, in place of those that still wait and are not the best. Returns
    /// what went wrong with an earlier one.
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut queue = self.shared.queue();
        queue.waiting.retain(|waiting| waiting.is_best && !job.is_best);
        queue.waiting.push(job);
        self.shared.changed.notify_all();
        queue.error.take().map_or(Ok(()), Err)
    }

    /// Waits until everything is written.
    pub(super) fn wait(&self) -> Result<(), Error> {
        let busy = |queue: &mut Queue| queue.writing || !queue.waiting.is_empty();
        let mut queue = self.shared.wait(self.shared.queue(), busy);
        queue.error.take().map_or(Ok(()), Err)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics if a writer does, and has said so.
            let _ = thread.join();
        }
    }
}
