//! Whether operations are recorded, for each thread.

use std::cell::Cell;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread are being recorded for differentiation.
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `compute` without recording: its results are constants and hold no graph. For
/// evaluation, where no gradient is wanted.
///
/// ```
/// use downhill_tensor::{Tensor, without_recording};
///
/// let weight = Tensor::parameter([1.0, 2.0]);
/// let doubled = without_recording(|| &weight * 2.0);
/// assert!(!doubled.requires_gradient());
/// ```
pub fn without_recording<R>(compute: impl FnOnce() -> R) -> R {
    with_recording(false, compute)
}

/// Runs `compute` with recording switched on or off, and restores the former state afterwards,
/// also when `compute` panics.
#[doc(hidden)]
pub fn with_recording<R>(recording: bool, compute: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(recording));
    compute()
}
