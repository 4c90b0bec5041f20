//! Chunks of slices, one after the other in every thread.

use super::halves::{Halves, split_in_halves};

/// A slice in chunks of `len` values; the last may have fewer. Chunks of length 0 never end.
struct Chunks<'a, T> {
    values: &'a mut [T],
    len: usize,
}

impl<'a, T> Chunks<'a, T> {
    fn count(&self) -> usize {
        self.values.len().div_ceil(self.len.max(1))
    }

    fn next(&mut self) -> &'a mut [T] {
        let values = std::mem::take(&mut self.values);
        let (chunk, rest) = values.split_at_mut(self.len.min(values.len()));
        self.values = rest;
        chunk
    }
}

impl<T: Send> Halves for Chunks<'_, T> {
    fn halves(self, middle: usize) -> (Self, Self) {
        let Self { values, len } = self;
        let (first, second) = values.split_at_mut((middle * len).min(values.len()));
        (Self { values: first, len }, Self { values: second, len })
    }
}

/// Calls `f(workspace, index, chunk)` with every chunk of `len` values of `out`: on all threads, if
/// they are `worth_threads`. Every thread makes one workspace, for all of its chunks.
///
/// ```
/// use downhill_kernels::each_chunk;
///
/// let mut rows = [3.0, 1.0, 2.0, 6.0, 5.0, 4.0];
/// each_chunk(&mut rows, 3, false, || (), |(), _row, row| row.sort_by(f64::total_cmp));
/// assert_eq!(rows, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// ```
pub fn each_chunk<T: Send, W>(
    out: &mut [T],
    len: usize,
    worth_threads: bool,
    workspace: impl Fn() -> W + Sync,
    f: impl Fn(&mut W, usize, &mut [T]) + Sync,
) {
    let f = |workspace: &mut W, index: usize, chunk: &mut [T], _: &mut [()]| {
        f(workspace, index, chunk);
    };
    each_pair_of_chunks((out, len), (&mut [], 0), worth_threads, workspace, f);
}

/// [`each_chunk`] of two slices, both given with the length of their chunks:
/// `f(workspace, index, left chunk, right chunk)`. If one length is 0, its chunks are as many as the
/// other's.
pub fn each_pair_of_chunks<T: Send, U: Send, W>(
    (left, left_len): (&mut [T], usize),
    (right, right_len): (&mut [U], usize),
    worth_threads: bool,
    workspace: impl Fn() -> W + Sync,
    f: impl Fn(&mut W, usize, &mut [T], &mut [U]) + Sync,
) {
    let left = Chunks { values: left, len: left_len };
    let right = Chunks { values: right, len: right_len };
    let count = left.count().max(right.count());
    let worth = if worth_threads { 2 } else { usize::MAX };
    split_in_halves(count, worth, (0..count, (left, right)), |(indices, (mut left, mut right))| {
        let mut workspace = workspace();
        for index in indices {
            f(&mut workspace, index, left.next(), right.next());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_given_once_with_its_index() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        for worth_threads in [false, true] {
            for len in [0, 1, 6, 7, 8, 50] {
                let (mut left, mut right) = (vec![0; len], vec![0; 2 * len.div_ceil(7)]);
                let f = |count: &mut usize, index: usize, left: &mut [_], right: &mut [_]| {
                    *count += 1;
                    left.fill(index + 1);
                    assert_eq!(right.len(), 2);
                    right[1] = *count;
                };
                pool.install(|| {
                    each_pair_of_chunks((&mut left, 7), (&mut right, 2), worth_threads, || 0, f);
                });
                let expected: Vec<_> = (0..len).map(|place| place / 7 + 1).collect();
                assert_eq!(left, expected);
                // The workspace counts the chunks of its thread.
                assert!(right.chunks(2).all(|pair| pair[0] == 0 && pair[1] > 0));
                assert!(
                    worth_threads || right.chunks(2).map(|pair| pair[1]).eq(1..=right.len() / 2)
                );
                each_chunk(
                    &mut left,
                    7,
                    worth_threads,
                    || (),
                    |(), index, chunk| {
                        chunk.iter_mut().for_each(|value| *value -= index + 1);
                    },
                );
                assert!(left.iter().all(|&value| value == 0));
            }
        }
    }
}
