//! Maxima, exponentials and their sums, in lanes.
//!
//! A [`Tile`] holds one number for each of [`LANES`] lanes, and each lane is reduced on its own. Of
//! few classes a lane is a row; of many the lanes share a row, lane l with the classes
//! l, l + LANES, …, and the caller adds up their sums.

use std::hint::black_box;

use downhill_kernels::Arithmetic;
pub(crate) use downhill_kernels::lanes::LANES;
use downhill_tensor::Element;

/// One number for each lane.
pub(crate) type Tile<E> = [E; LANES];

/// A number for each lane.
#[inline(always)]
pub(crate) fn each<E: Element>(f: impl Fn(usize) -> E) -> Tile<E> {
    let mut tile = [E::zero(); LANES];
    for (lane, value) in tile.iter_mut().enumerate() {
        *value = f(lane);
    }
    tile
}

/// The sum of exponentials in each lane: e^(`max` · scale) · (1 + `rest`).
///
/// The term of the largest logit is kept apart, so that ln(1 + `rest`) and `rest` / (1 + `rest`)
/// keep their digits where one class has nearly all the probability.
#[derive(Clone, Copy)]
pub(crate) struct Sums<E> {
    /// The largest logit: −∞ of none, and where each is −∞.
    pub(crate) max: Tile<E>,
    /// The sum of the other terms, relative to the largest. NaN if there was NaN or +∞.
    pub(crate) rest: Tile<E>,
}

impl<E: Element> Sums<E> {
    /// The sums of no terms.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { max: [E::neg_infinity(); LANES], rest: [-E::one(); LANES] }
    }

    /// The sum over both sets of classes.
    #[inline(always)]
    pub(crate) fn plus<A: Arithmetic>(&self, other: &Self, scale: E) -> Self {
        let mut sums = *self;
        for lane in 0..LANES {
            let (a, b) = (self.max[lane], other.max[lane]);
            let other_is_larger = b > a;
            let (max, min) = if other_is_larger { (b, a) } else { (a, b) };
            let (rest, lesser) = match other_is_larger {
                true => (other.rest[lane], self.rest[lane]),
                false => (self.rest[lane], other.rest[lane]),
            };
            let ratio = if min == max { E::one() } else { ((min - max) * scale).decay::<A>() };
            sums.max[lane] = max;
            sums.rest[lane] = rest + (E::one() + lesser) * ratio;
        }
        sums
    }
}

/// The largest logit in each lane, and in `first`. NaN is skipped.
#[inline(always)]
pub(crate) fn maximum<E: Element>(first: &Tile<E>, x: &[Tile<E>]) -> Tile<E> {
    // Four independent accumulators hide the latency of the comparison.
    let mut maxima = [each(|lane| larger(E::neg_infinity(), first[lane])); 4];
    let (groups, rest) = x.as_chunks::<4>();
    for group in groups {
        for (max, x) in maxima.iter_mut().zip(group) {
            *max = each(|lane| larger(max[lane], x[lane]));
        }
    }
    let [first, ..] = &mut maxima;
    for x in rest {
        *first = each(|lane| larger(first[lane], x[lane]));
    }
    let [first, second, third, fourth] = through_memory(maxima);
    each(|lane| larger(larger(first[lane], second[lane]), larger(third[lane], fourth[lane])))
}

/// Writes the exponentials of rows, one in each lane, relative to their largest, and returns their
/// sums.
#[inline(always)]
pub(crate) fn sum_lanes<A: Arithmetic, E: Element>(
    x: &[Tile<E>],
    out: &mut [Tile<E>],
    scale: E,
) -> Sums<E> {
    let max = maximum(&[E::neg_infinity(); LANES], x);
    let sum = exponentials::<A, E>(x, out, &max, scale, |_| ());
    let mut lesser = [E::zero(); LANES];
    add_lesser(&mut lesser, &out[..x.len()]);
    Sums { max, rest: without_largest(&sum, &lesser) }
}

/// A sum of exponentials without its largest term, which is 1. `lesser` is the sum of the terms
/// below 1.
#[inline(always)]
pub(crate) fn without_largest<E: Element>(sum: &Tile<E>, lesser: &Tile<E>) -> Tile<E> {
    let two = E::one() + E::one();
    let mut rest = *sum;
    for lane in 0..LANES {
        // A sum below 2 has only one term that is 1. Subtracting 1 from a larger sum costs no digits.
        rest[lane] = if sum[lane] < two { lesser[lane] } else { sum[lane] - E::one() };
    }
    rest
}

/// Returns its argument, through memory: keeps LLVM from vectorising the loop before two lanes wide
/// for the sake of what is done with the lanes after it.
#[inline(always)]
pub(crate) fn through_memory<T>(lanes: T) -> T {
    black_box(lanes)
}

/// Writes e^((x − max) · scale) to `out` and returns the sum in each lane. Before each tile,
/// `prefetch` is called with its index.
#[inline(always)]
pub(crate) fn exponentials<A: Arithmetic, E: Element>(
    x: &[Tile<E>],
    out: &mut [Tile<E>],
    max: &Tile<E>,
    scale: E,
    prefetch: impl Fn(usize),
) -> Tile<E> {
    let shift = finite(max);
    // Without a temperature, as is usual, one of some twenty operations less.
    if scale == E::one() {
        let shifted = |x: &Tile<E>| each(|lane| x[lane] - shift[lane]);
        exponentials_of::<A, E>(x, out, shifted, prefetch)
    } else {
        let shifted = |x: &Tile<E>| each(|lane| (x[lane] - shift[lane]) * scale);
        exponentials_of::<A, E>(x, out, shifted, prefetch)
    }
}

/// [`exponentials`] of what `shifted` makes of each tile.
#[inline(always)]
fn exponentials_of<A: Arithmetic, E: Element>(
    x: &[Tile<E>],
    out: &mut [Tile<E>],
    shifted: impl Fn(&Tile<E>) -> Tile<E>,
    prefetch: impl Fn(usize),
) -> Tile<E> {
    let mut sum = [E::zero(); LANES];
    for (tile, (x, out)) in x.iter().zip(out).enumerate() {
        prefetch(tile);
        let shifted = shifted(x);
        // Complete before it is written, so that the compiler need not check whether `x` is `out`.
        let exponential = each(|lane| shifted[lane].decay::<A>());
        sum = each(|lane| sum[lane] + exponential[lane]);
        *out = exponential;
    }
    through_memory(sum)
}

/// The maximum, or 0 where it is −∞: −∞ − (−∞) would be NaN, but exponentials of masked classes are
/// 0.
#[inline(always)]
pub(crate) fn finite<E: Element>(max: &Tile<E>) -> Tile<E> {
    each(|lane| if max[lane] == E::neg_infinity() { E::zero() } else { max[lane] })
}

/// Adds the values below 1.
#[inline(always)]
pub(crate) fn add_lesser<E: Element>(sum: &mut Tile<E>, x: &[Tile<E>]) {
    let mut lanes = *sum;
    for x in x {
        for lane in 0..LANES {
            lanes[lane] += if x[lane] < E::one() { x[lane] } else { E::zero() };
        }
    }
    *sum = lanes;
}

/// The larger of two; `max` if `x` is NaN.
#[inline(always)]
pub(crate) fn larger<E: Element>(max: E, x: E) -> E {
    if x > max { x } else { max }
}

/// The largest of the lanes, skipping NaN, in every lane.
#[inline(always)]
pub(crate) fn largest<E: Element>(lanes: Tile<E>) -> Tile<E> {
    across(lanes, larger)
}

/// The sum over the lanes, in every lane.
#[inline(always)]
pub(crate) fn total<E: Element>(lanes: Tile<E>) -> Tile<E> {
    across(lanes, |sum, x| sum + x)
}

/// The reduction of all lanes by `f`, in every lane.
#[inline(always)]
fn across<E: Element>(mut lanes: Tile<E>, f: impl Fn(E, E) -> E) -> Tile<E> {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    [lanes[0]; LANES]
}

/// Whether [`Sums::rest`] may be off by more than a relative 1e-5, because each of `classes`
/// exponentials is 0 where it should be less than the least normal number.
#[inline(always)]
pub(crate) fn is_too_small<E: Element>(rest: E, classes: usize) -> bool {
    rest < E::min_positive_value() * E::from_f64(1e5 * classes as f64)
}

/// The sum of e^((x − max) · scale) over all but the one largest of a row's logits, in which no
/// term is too small to be counted: what [`Sums::rest`] should be where it
/// [is too small](is_too_small).
#[cold]
#[inline(never)]
pub(crate) fn sum_of_small<E: Element>(logits: impl Iterator<Item = E>, max: E, scale: E) -> E {
    // e^shift times the least number that is counted is well above the least normal number.
    let shift = -E::min_positive_value().ln() * E::from_f64(0.75);
    let lesser = logits.filter(|&x| x < max);
    let exponentials = lesser.map(|x| ((x - max) * scale + shift).exponential().as_f64());
    // In `E`, the sum of many would lose its digits.
    E::from_f64(exponentials.sum::<f64>() * (-shift.as_f64()).exp())
}
