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
