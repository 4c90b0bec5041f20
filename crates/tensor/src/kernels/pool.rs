//! Large buffers that are used again from step to step.
//!
//! A training step asks for the same large arrays as the step before. The operating system hands
//! out fresh memory page by page, each a fault and a page of zeros to write, which for a large
//! array costs more than the arithmetic done on it. So the buffers of dropped tensors are kept
//! here, up to a bound, and handed out again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Smaller buffers are left to the allocator, which keeps them itself.
const LARGE: usize = 1 << 16;
/// The most that is kept, in bytes: what exceeds it is freed, smallest first.
const KEPT: usize = 1 << 30;

/// The large buffers of one element type that are free to be used again.
pub struct Pool<E>(Mutex<Kept<E>>);

struct Kept<E> {
    by_capacity: BTreeMap<usize, Vec<Vec<E>>>,
    bytes: usize,
}

impl<E> Kept<E> {
    /// One of the buffers of this capacity, of which there are some.
    fn remove(&mut self, capacity: usize) -> Option<Vec<E>> {
        let buffers = self.by_capacity.get_mut(&capacity)?;
        let found = buffers.pop();
        if buffers.is_empty() {
            self.by_capacity.remove(&capacity);
        }
        self.bytes -= capacity * size_of::<E>();
        found
    }
}

impl<E: Copy> Pool<E> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Kept { by_capacity: BTreeMap::new(), bytes: 0 }))
    }

    /// A buffer for `len` values, which it need not hold yet. Those it holds are old ones.
    pub(super) fn take(&self, len: usize) -> Vec<E> {
        if len * size_of::<E>() < LARGE {
            return Vec::with_capacity(len);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, unless more than half of it would lie idle.
        let capacity = kept.by_capacity.range(len..=2 * len).next().map(|(&capacity, _)| capacity);
        let found = capacity.and_then(|capacity| kept.remove(capacity));
        drop(kept);
        found.unwrap_or_else(|| Vec::with_capacity(len))
    }

    /// Keeps a buffer for the next that asks.
    pub(super) fn give(&self, buffer: Vec<E>) {
        let bytes = buffer.capacity() * size_of::<E>();
        if bytes < LARGE {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_capacity.entry(buffer.capacity()).or_default().push(buffer);
        kept.bytes += bytes;
        while kept.bytes > KEPT {
            let smallest = kept.by_capacity.keys().next().copied();
            smallest.and_then(|capacity| kept.remove(capacity));
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
        assert_eq!(pool.0.lock().unwrap().by_capacity.len(), 1);
        // Not for a request that would leave most of it idle, nor for one that it cannot hold.
        let others = [pool.take(LARGE / 4), pool.take(LARGE * 2)];
        assert!(others.iter().all(|other| other.as_ptr() != address));
        let again = pool.take(LARGE - 5);
        assert_eq!(again.as_ptr(), address);
        let kept = pool.0.lock().unwrap();
        assert!(kept.by_capacity.is_empty() && kept.bytes == 0);
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let pool = Pool::<f64>::new();
        for _ in 0..10 {
            pool.give(Vec::with_capacity(KEPT / size_of::<f64>() / 4));
        }
        assert_eq!(pool.0.lock().unwrap().bytes, KEPT);
        // The largest stay.
        pool.give(Vec::with_capacity(LARGE));
        assert_eq!(pool.0.lock().unwrap().bytes, KEPT);
        assert_eq!(pool.0.lock().unwrap().by_capacity.len(), 1);
    }
}
