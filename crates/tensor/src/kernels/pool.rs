//! Large buffers that are used again from step to step.
//!
//! A training step asks for the same large arrays as the step before. The operating system hands
//! out fresh memory page by page, each a fault and a page of zeros to write, which for a large
//! array costs more than the arithmetic done on it. So the buffers of dropped tensors are kept
//! here, as many as were ever in use at once, and handed out again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Smaller buffers are left to the allocator, which keeps them itself.
const LARGE: usize = 1 << 11;
/// The most that is kept, in bytes: what exceeds it is freed, smallest first.
const KEPT: usize = 1 << 30;

/// The large buffers of one element type that are free to be used again.
pub struct Pool<E>(Mutex<Kept<E>>);

struct Kept<E> {
    /// Some of the vectors may be empty.
    by_capacity: BTreeMap<usize, Vec<Vec<E>>>,
    bytes: usize,
    /// The bytes handed out and not given back.
    lent: usize,
}

impl<E: Copy> Pool<E> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Kept { by_capacity: BTreeMap::new(), bytes: 0, lent: 0 }))
    }

    /// A buffer for `len` values, which it need not hold yet. Those it holds are old ones.
    pub(super) fn take(&self, len: usize) -> Vec<E> {
        if len * size_of::<E>() < LARGE {
            return Vec::with_capacity(len);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, unless more than half of it would lie idle.
        let found = kept.by_capacity.range_mut(len..=2 * len).find_map(|(_, equal)| equal.pop());
        let bytes = found.as_ref().map_or(len, Vec::capacity) * size_of::<E>();
        kept.lent += bytes;
        if let Some(buffer) = found {
            kept.bytes -= bytes;
            return buffer;
        }
        drop(kept);
        Vec::with_capacity(len)
    }

    /// Keeps a buffer for the next that asks, if no more come back than went out: what was made
    /// elsewhere would pile up here.
    pub(super) fn give(&self, buffer: Vec<E>) {
        let bytes = buffer.capacity() * size_of::<E>();
        if bytes < LARGE {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes > kept.lent {
            return;
        }
        kept.lent -= bytes;
        kept.bytes += bytes;
        kept.by_capacity.entry(buffer.capacity()).or_default().push(buffer);
        while kept.bytes > KEPT {
            let smallest = kept.by_capacity.pop_first();
            let (capacity, equal) = smallest.expect("some are kept, since their bytes are");
            kept.bytes -= equal.len() * capacity * size_of::<E>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_comes_back_and_a_small_one_does_not() {
        let pool = Pool::<f64>::new();
        let mut large = pool.take(LARGE);
        large.resize(LARGE, 1.0);
        let address = large.as_ptr();
        pool.give(large);
        pool.give(vec![0.0; 10]);
        assert_eq!(pool.0.lock().unwrap().bytes, LARGE * size_of::<f64>());
        // Not for a request that would leave most of it idle, nor for one that it cannot hold.
        let others = [pool.take(LARGE / 4), pool.take(LARGE * 2)];
        assert!(others.iter().all(|other| other.as_ptr() != address));
        let again = pool.take(LARGE - 5);
        assert_eq!(again.as_ptr(), address);
        assert_eq!(pool.0.lock().unwrap().bytes, 0);
    }

    #[test]
    fn no_more_is_kept_than_was_handed_out() {
        let pool = Pool::<f64>::new();
        let taken = [pool.take(LARGE), pool.take(LARGE)];
        for _ in 0..10 {
            pool.give(vec![0.0; LARGE]);
        }
        assert_eq!(pool.0.lock().unwrap().bytes, 2 * LARGE * size_of::<f64>());
        taken.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.0.lock().unwrap().bytes, 2 * LARGE * size_of::<f64>());
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let pool = Pool::<f64>::new();
        let taken: Vec<_> =
            (1..10).map(|i| pool.take(i * (KEPT / size_of::<f64>() / 20))).collect();
        taken.into_iter().for_each(|buffer| pool.give(buffer));
        assert!(pool.0.lock().unwrap().bytes <= KEPT);
    }
}
