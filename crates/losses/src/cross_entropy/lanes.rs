//! The loops of cross-entropy over exponentials.
//!
//! A [`Tile`] holds one number for each of [`LANES`] lanes, and a lane is reduced on its own: the
//! loops never mix them. What a lane is, is up to the caller. With few classes each lane is a
//! row; with many, the lanes share one row, lane l having the classes l, l + LANES, …, and their
//! sums are added up.

use std::hint::black_box;

use downhill_kernels::Arithmetic;
use downhill_tensor::Element;

pub(super) const LANES: usize = 16;

/// One number for each lane.
pub(super) type Tile<E> = [E; LANES];

/// A number for each lane.
#[inline(always)]
pub(super) fn each<E: Element>(f: impl Fn(usize) -> E) -> Tile<E> {
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
pub(super) struct Sums<E> {
    /// The largest logit: −∞ of none, and where each is −∞.
    pub(super) max: Tile<E>,
    /// The sum of the other terms, relative to the largest. NaN if there was NaN or +∞.
    pub(super) rest: Tile<E>,
}

impl<E: Element> Sums<E> {
    /// The sums of no terms.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { max: [E::neg_infinity(); LANES], rest: [-E::one(); LANES] }
    }

    /// The sum of two parts of each lane.
    #[inline(always)]
    pub(super) fn plus<A: Arithmetic>(&self, other: &Self, scale: E) -> Self {
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

/// The largest logit in each lane, and in `first`. NaN is passed over.
#[inline(always)]
pub(super) fn maximum<E: Element>(first: &Tile<E>, x: &[Tile<E>]) -> Tile<E> {
    // Four parts, none of which waits for the others.
    let mut parts = [each(|lane| larger(E::neg_infinity(), first[lane])); 4];
    let (groups, rest) = x.as_chunks::<4>();
    for group in groups {
        for (part, x) in parts.iter_mut().zip(group) {
            *part = each(|lane| larger(part[lane], x[lane]));
        }
    }
    let [first, ..] = &mut parts;
    for x in rest {
        *first = each(|lane| larger(first[lane], x[lane]));
    }
    let [first, second, third, fourth] = settled(parts);
    each(|lane| larger(larger(first[lane], second[lane]), larger(third[lane], fourth[lane])))
}

/// The same. What is done with lanes after a loop could make the compiler hold them two by two in
/// the loop; so they take a detour through memory.
#[inline(always)]
pub(super) fn settled<T>(lanes: T) -> T {
    black_box(lanes)
}

/// Writes e^((x − max) · scale) to `out`. The sum in each lane. Before each tile, `prefetch` is
/// called with its index.
#[inline(always)]
pub(super) fn exponentials<A: Arithmetic, E: Element>(
    x: &[Tile<E>],
    out: &mut [Tile<E>],
    max: &Tile<E>,
    scale: E,
    prefetch: impl Fn(usize),
) -> Tile<E> {
    let shift = finite(max);
    // Mostly there is no temperature, and one operation of some twenty less to do.
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
        // Complete before it is written, so that the compiler need not ask whether `x` is `out`.
        let exponential = each(|lane| shifted[lane].decay::<A>());
        sum = each(|lane| sum[lane] + exponential[lane]);
        *out = exponential;
    }
    settled(sum)
}

/// What is subtracted for this maximum: −∞ − (−∞) would be NaN, but where everything is masked the
/// exponentials are 0.
#[inline(always)]
pub(super) fn finite<E: Element>(max: &Tile<E>) -> Tile<E> {
    each(|lane| if max[lane] == E::neg_infinity() { E::zero() } else { max[lane] })
}

/// Adds what is less than 1.
#[inline(always)]
pub(super) fn add_lesser<E: Element>(sum: &mut Tile<E>, x: &[Tile<E>]) {
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
pub(super) fn larger<E: Element>(max: E, x: E) -> E {
    if x > max { x } else { max }
}

/// The largest of the lanes, passing over NaN, in every lane.
#[inline(always)]
pub(super) fn largest<E: Element>(lanes: Tile<E>) -> Tile<E> {
    across(lanes, larger)
}

/// The sum over the lanes, in every lane.
#[inline(always)]
pub(super) fn total<E: Element>(lanes: Tile<E>) -> Tile<E> {
    across(lanes, |sum, x| sum + x)
}

/// All lanes put together by `f`, in every lane.
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
