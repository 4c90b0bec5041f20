//! Sharing work among threads, with results that do not depend on their number.

use rayon::prelude::*;

/// Calls `f(index, chunk)` with each `len` values of `out`: on all threads, if `worth_threads`.
pub(crate) fn each_chunk<T: Send>(
    out: &mut [T],
    len: usize,
    worth_threads: bool,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let len = len.max(1);
    match worth_threads {
        true => out.par_chunks_mut(len).enumerate().for_each(|(index, chunk)| f(index, chunk)),
        false => out.chunks_mut(len).enumerate().for_each(|(index, chunk)| f(index, chunk)),
    }
}

/// Calls `f(index, left chunk, right chunk)` with chunks of two slices, each given with the length
/// of its chunks: on all threads, if `worth_threads`.
pub(crate) fn each_pair_of_chunks<T: Send, U: Send>(
    (left, left_len): (&mut [T], usize),
    (right, right_len): (&mut [U], usize),
    worth_threads: bool,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    let (left_len, right_len) = (left_len.max(1), right_len.max(1));
    match worth_threads {
        true => (left.par_chunks_mut(left_len).zip(right.par_chunks_mut(right_len)))
            .enumerate()
            .for_each(|(index, (left, right))| f(index, left, right)),
        false => (left.chunks_mut(left_len).zip(right.chunks_mut(right_len)))
            .enumerate()
            .for_each(|(index, (left, right))| f(index, left, right)),
    }
}
