//! Large buffers that are used again from step to step.
//!
//! A training step asks for the same large arrays as the step before. The operating system hands
//! out fresh memory page by page, each a fault and a page of zeros to write, which for a large
//! array costs more than the arithmetic done on it. So the buffers of dropped tensors are kept
//! here, up to a bound, and handed out again.

use std::sync::{Mutex, PoisonError};

/// Smaller buffers are left to the allocator, which keeps them itself.
const LARGE: usize = 1 << 16;
/// The most that is kept, in bytes: what exceeds it is freed, longest kept first.
const KEPT: usize = 1 << 30;

/// The large buffers of one element type that are free to be used again.
pub struct Pool<E>(Mutex<Vec<Vec<E>>>);

impl<E: Copy> Pool<E> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A buffer for `len` values, which it need not hold yet. Those it holds are old ones.
    pub(super) fn take(&self, len: usize) -> Vec<E> {
        if len * size_of::<E>() < LARGE {
            return Vec::with_capacity(len);
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, unless more than half of it would lie idle.
        let fits = |buffer: &Vec<E>| (len..=2 * len).contains(&buffer.capacity());
        let candidates = (0..kept.len()).filter(|&i| fits(&kept[i]));
        match candidates.min_by_key(|&i| kept[i].capacity()) {
            Some(found) => kept.remove(found),
            None => Vec::with_capacity(len),
        }
    }

    /// Keeps a buffer for the next that asks.
    pub(super) fn give(&self, buffer: Vec<E>) {
        let bytes = |buffer: &Vec<E>| buffer.capacity() * size_of::<E>();
        if bytes(&buffer) < LARGE {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(buffer);
        let mut total: usize = kept.iter().map(bytes).sum();
        while total > KEPT {
            total -= bytes(&kept.remove(0));
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
        assert_eq!(pool.0.lock().unwrap().len(), 1);
        // Not for a request that would leave most of it idle, nor for one that it cannot hold.
        let others = [pool.take(LARGE / 4), pool.take(LARGE * 2)];
        assert!(others.iter().all(|other| other.as_ptr() != address));
        let again = pool.take(LARGE - 5);
        assert_eq!(again.as_ptr(), address);
        assert!(pool.0.lock().unwrap().is_empty());
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let pool = Pool::<f64>::new();
        for _ in 0..10 {
            pool.give(Vec::with_capacity(KEPT / size_of::<f64>() / 4));
        }
        assert_eq!(pool.0.lock().unwrap().len(), 4);
    }
}
