//! Dropping graphs of any depth on a small stack.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

type Queue = Vec<Arc<dyn Any>>;

thread_local! {
    /// What is still to be dropped, while a call of [`release`] on this thread is at work.
    static QUEUE: Cell<Option<Queue>> = const { Cell::new(None) };
}

/// Drops an operation. Operations that become unreachable by that (its inputs', and those of
/// tensors that its closures captured) are queued and dropped in turn, instead of each within
/// the drop of the one before: the stack does not grow with the depth of the graph.
pub(crate) fn release(operation: Arc<dyn Any>) {
    // The thread's storage is gone only while the thread ends; the closure is then dropped
    // unrun, and the operation with it.
    let _ = QUEUE.try_with(|shared| match shared.take() {
        Some(mut queue) => {
            queue.push(operation);
            shared.set(Some(queue));
        }
        None => {
            let mut next = Some((operation, Queue::new()));
            while let Some((operation, queue)) = next {
                shared.set(Some(queue));
                drop(operation);
                next = shared.take().and_then(|mut queue| Some((queue.pop()?, queue)));
            }
        }
    });
}
