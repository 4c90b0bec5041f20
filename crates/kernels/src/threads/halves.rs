//! One way to cut work in two: slices of one length, halved again and again.

use std::ops::Range;

use super::join::{free_threads, join, share};

/// Slices of one length, which are cut at the same place.
pub trait Halves: Send + Sized {
    /// What comes before `middle`, and the rest.
    fn halves(self, middle: usize) -> (Self, Self);
}

impl<T: Sync> Halves for &[T] {
    fn halves(self, middle: usize) -> (Self, Self) {
        self.split_at(middle)
    }
}

impl<T: Send> Halves for &mut [T] {
    fn halves(self, middle: usize) -> (Self, Self) {
        self.split_at_mut(middle)
    }
}

/// The indices of what is cut with them.
impl Halves for Range<usize> {
    fn halves(self, middle: usize) -> (Self, Self) {
        let middle = self.start + middle;
        (self.start..middle, middle..self.end)
    }
}

impl<S: Halves> Halves for Option<S> {
    fn halves(self, middle: usize) -> (Self, Self) {
        self.map(|slice| slice.halves(middle)).unzip()
    }
}

impl<A: Halves, B: Halves> Halves for (A, B) {
    fn halves(self, middle: usize) -> (Self, Self) {
        let ((a, more_a), (b, more_b)) = (self.0.halves(middle), self.1.halves(middle));
        ((a, b), (more_a, more_b))
    }
}

impl<S: Halves, const N: usize> Halves for [S; N] {
    fn halves(self, middle: usize) -> (Self, Self) {
        let mut rests = [const { None }; N];
        let mut places = rests.iter_mut();
        let firsts = self.map(|slice| {
            let (first, rest) = slice.halves(middle);
            *places.next().expect("a place for each slice") = Some(rest);
            first
        });
        (firsts, rests.map(|rest| rest.expect("a rest of each slice")))
    }
}

/// Runs `f` on slices of `len` values, or on halves of them in several threads: a slice of at least
/// `worth` values is halved as long as there are free threads.
///
/// ```
/// use downhill_kernels::split_in_halves;
///
/// let (x, mut doubled) = (vec![1.5; 100_000], vec![0.0; 100_000]);
/// split_in_halves(x.len(), 1 << 14, (&mut doubled[..], &x[..]), |(doubled, x)| {
///     doubled.iter_mut().zip(x).for_each(|(doubled, x)| *doubled = 2.0 * x);
/// });
/// assert_eq!(doubled[99_999], 3.0);
/// ```
#[inline]
pub fn split_in_halves<S: Halves>(len: usize, worth: usize, slices: S, f: impl Fn(S) + Sync) {
    // Inlined for the many slices that are never cut: passed on, they would be copied.
    if len < worth {
        return f(slices);
    }
    split(len, worth, slices, &f);
}

#[inline(never)]
fn split<S: Halves>(len: usize, worth: usize, slices: S, f: &(impl Fn(S) + Sync)) {
    if len < worth.max(2) || free_threads() < 2 {
        return f(slices);
    }
    let middle = len / 2;
    let (first, second) = slices.halves(middle);
    let (mut first, mut second) = (Some(first), Some(second));
    // Straight to what is compiled once: most loops over slices end here.
    share(
        &mut || {
            if let Some(first) = first.take() {
                split(middle, worth, first, f);
            }
        },
        &mut || {
            if let Some(second) = second.take() {
                split(len - middle, worth, second, f);
            }
        },
    );
}

/// Reduces slices of `len` values by `f`, and from `worth` values on the results of their halves by
/// `merge`. Where the slices are cut does not depend on the number of threads, nor does the result.
///
/// ```
/// use downhill_kernels::reduce_in_halves;
///
/// let x = vec![0.5_f64; 100_000];
/// let sum = |x: &[f64]| x.iter().sum::<f64>();
/// assert_eq!(reduce_in_halves(x.len(), 1 << 14, &x[..], sum, |a, b| a + b), 50_000.0);
/// ```
#[inline]
pub fn reduce_in_halves<S: Halves, R: Send>(
    len: usize,
    worth: usize,
    slices: S,
    f: impl Fn(S) -> R + Sync,
    merge: impl Fn(R, R) -> R + Sync,
) -> R {
    if len < worth {
        return f(slices);
    }
    reduce(len, worth, slices, &f, &merge)
}

#[inline(never)]
fn reduce<S: Halves, R: Send>(
    len: usize,
    worth: usize,
    slices: S,
    f: &(impl Fn(S) -> R + Sync),
    merge: &(impl Fn(R, R) -> R + Sync),
) -> R {
    if len < worth.max(2) {
        return f(slices);
    }
    let middle = len / 2;
    let (first, second) = slices.halves(middle);
    let (first, second) = join(
        || reduce(middle, worth, first, f, merge),
        || reduce(len - middle, worth, second, f, merge),
    );
    merge(first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_one_half_whatever_the_slices() {
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for len in [0, 1, 2, 3, 64, 1001] {
                let x: Vec<usize> = (0..len).collect();
                let (mut once, mut twice, mut thrice) = (x.clone(), x.clone(), x.clone());
                let outs = [&mut twice[..], &mut thrice[..]];
                pool.install(|| {
                    let slices = (0..len, (&x[..], (Some(&mut once[..]), outs)));
                    split_in_halves(len, 3, slices, |(range, (x, (once, [twice, thrice])))| {
                        for (place, index) in range.enumerate() {
                            assert_eq!(x[place], index);
                            twice[place] += index;
                            thrice[place] += 2 * index;
                        }
                        once.expect("a slice").iter_mut().for_each(|once| *once += 1);
                    });
                });
                for index in 0..len {
                    assert_eq!(
                        [once[index], twice[index], thrice[index]],
                        [index + 1, 2 * index, 3 * index],
                        "{index} of {len}, {threads} threads"
                    );
                }
            }
        }
    }

    #[test]
    fn a_reduction_is_cut_alike_whatever_the_number_of_threads() {
        let cuts = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let leaf = |range: Range<usize>| format!("{range:?}");
            let merge = |a: String, b: String| format!("({a} {b})");
            pool.install(|| reduce_in_halves(11, 4, 0..11, leaf, merge))
        };
        assert_eq!(cuts(1), "((0..2 2..5) (5..8 8..11))");
        assert_eq!(cuts(1), cuts(4));
        assert_eq!(reduce_in_halves(1, 0, 0..1, |range| range, |a, _| a), 0..1);
    }
}
