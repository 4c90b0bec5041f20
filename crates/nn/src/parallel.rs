//! Sharing work among threads, with results that do not depend on their number.

use downhill_kernels::{free_threads, join};

/// Calls `f(workspace, index, chunk)` with each `len` values of `out`: on all threads, if
/// `worth_threads`, each of which makes a workspace of its own, for all of its chunks.
pub(crate) fn each_chunk<T: Send, W>(
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

/// Calls `f(workspace, index, left chunk, right chunk)` with chunks of two slices, each given with
/// the length of its chunks: on all threads, if `worth_threads`, each of which makes a workspace of
/// its own. Of chunks of length 0 there are as many as of the others.
pub(crate) fn each_pair_of_chunks<T: Send, U: Send, W>(
    (left, left_len): (&mut [T], usize),
    (right, right_len): (&mut [U], usize),
    worth_threads: bool,
    workspace: impl Fn() -> W + Sync,
    f: impl Fn(&mut W, usize, &mut [T], &mut [U]) + Sync,
) {
    let of_left = left.len().div_ceil(left_len.max(1));
    let of_right = right.len().div_ceil(right_len.max(1));
    let chunks =
        Chunks { left, left_len, right, right_len, first: 0, count: of_left.max(of_right) };
    chunks.run(worth_threads, &workspace, &f);
}

/// Chunks of two slices.
struct Chunks<'a, T, U> {
    left: &'a mut [T],
    left_len: usize,
    right: &'a mut [U],
    right_len: usize,
    /// The number of the first.
    first: usize,
    count: usize,
}

impl<T: Send, U: Send> Chunks<'_, T, U> {
    fn run<W>(
        self,
        worth_threads: bool,
        workspace: &(impl Fn() -> W + Sync),
        f: &(impl Fn(&mut W, usize, &mut [T], &mut [U]) + Sync),
    ) {
        let Self { mut left, left_len, mut right, right_len, first, count } = self;
        if !worth_threads || count < 2 || free_threads() < 2 {
            let mut workspace = workspace();
            for index in first..first + count {
                let (a, more_left) = left.split_at_mut(left_len.min(left.len()));
                let (b, more_right) = right.split_at_mut(right_len.min(right.len()));
                f(&mut workspace, index, a, b);
                (left, right) = (more_left, more_right);
            }
            return;
        }
        let middle = count / 2;
        let (left, more_left) = left.split_at_mut((middle * left_len).min(left.len()));
        let (right, more_right) = right.split_at_mut((middle * right_len).min(right.len()));
        let chunks = Self { left, left_len, right, right_len, first, count: middle };
        let more = Self {
            left: more_left,
            left_len,
            right: more_right,
            right_len,
            first: first + middle,
            count: count - middle,
        };
        join(|| chunks.run(true, workspace, f), || more.run(true, workspace, f));
    }
}
