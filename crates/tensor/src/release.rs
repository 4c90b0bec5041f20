//! Dropping graphs of any depth on a small stack.

use std::any::Any;
use std::cell::Cell;
use std::mem::{ManuallyDrop, forget};
use std::sync::Arc;

/// What is still to be dropped.
type Queue = Vec<Arc<dyn Any>>;

thread_local! {
    /// The queue, while a call of [`release`] on this thread is working it off. It is empty
    /// whenever there is none, so that it needs no destructor, and is there until the very end of
    /// its thread.
    static QUEUE: Cell<Option<ManuallyDrop<Queue>>> = const { Cell::new(None) };
}

/// Drops an operation. Operations that become unreachable by that (its inputs', and those of
/// tensors that its closures captured) are queued and dropped in turn, instead of each within
/// the drop of the one before: the stack does not grow with the depth of the graph.
pub(crate) fn release(operation: Arc<dyn Any>) {
    match QUEUE.take() {
        Some(mut queue) => {
            queue.push(operation);
            QUEUE.set(Some(queue));
        }
        None => {
            QUEUE.set(Some(ManuallyDrop::new(Queue::new())));
            drop_one(operation);
            work_off();
        }
    }
}

/// Drops what is in the queue until nothing is, and takes the queue away.
fn work_off() {
    while let Some(mut queue) = QUEUE.take() {
        let Some(operation) = queue.pop() else {
            return drop(ManuallyDrop::into_inner(queue));
        };
        QUEUE.set(Some(queue));
        drop_one(operation);
    }
}

/// Drops an operation. If something that it captured panics at that, the rest of the queue is
/// worked off all the same: otherwise it, and every later graph of the thread, would be kept.
fn drop_one(operation: Arc<dyn Any>) {
    struct Rest;
    impl Drop for Rest {
        fn drop(&mut self) {
            work_off();
        }
    }
    let rest = Rest;
    drop(operation);
    forget(rest);
}
