//! The loops of cross-entropy over exponentials.
//!
//! A [`Tile`] holds one number for each of [`LANES`] lanes, and a lane is reduced on its own: the
//! loops never mix them. What a lane is, is up to the caller. With few classes each lane is a
//! row; with many, the lanes share one row, lane l having the classes l, l + LANES, …, and their
//! sums are added up.

use downhill_tensor::Element;
use downhill_tensor::kernels::{Arithmetic, prefetch};

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

/// Raises `max` to the largest logit in each lane. NaN is passed over.
#[inline(always)]
pub(super) fn raise<E: Element>(max: &mut Tile<E>, x: &[Tile<E>]) {
    let mut lanes = *max;
    for x in x {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], x[lane]);
        }
    }
    *max = lanes;
}

/// Writes e^((x − max) · scale) to `out`.
#[inline(always)]
pub(super) fn exponentials<A: Arithmetic, E: Element>(
    x: &[Tile<E>],
    out: &mut [Tile<E>],
    max: &Tile<E>,
    scale: E,
) {
    let shift = finite(max);
    // What lies as far ahead as this goes is read next: the next panel, or the next row.
    let length = x.len();
    for (tile, out) in out[..length].iter_mut().enumerate() {
        prefetch(x, length + tile);
        let x = &x[tile];
        for lane in 0..LANES {
            out[lane] = ((x[lane] - shift[lane]) * scale).decay::<A>();
        }
    }
}

/// What is subtracted for this maximum: −∞ − (−∞) would be NaN, but where everything is masked the
/// exponentials are 0.
#[inline(always)]
pub(super) fn finite<E: Element>(max: &Tile<E>) -> Tile<E> {
    each(|lane| if max[lane] == E::neg_infinity() { E::zero() } else { max[lane] })
}

/// The sum in each lane.
#[inline(always)]
pub(super) fn sum<E: Element>(x: &[Tile<E>]) -> Tile<E> {
    // Several sums, none of which waits for the others.
    let mut sums = [[E::zero(); LANES]; 4];
    let (groups, rest) = x.as_chunks::<4>();
    for group in groups {
        for (sum, x) in sums.iter_mut().zip(group) {
            for lane in 0..LANES {
                sum[lane] += x[lane];
            }
        }
    }
    let [mut sum, second, third, fourth] = sums;
    for x in [&second, &third, &fourth].into_iter().chain(rest) {
        for lane in 0..LANES {
            sum[lane] += x[lane];
        }
    }
    sum
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

/// Multiplies by one factor.
#[inline(always)]
pub(super) fn multiply<E: Element>(x: &mut [Tile<E>], factor: E) {
    for x in x.as_flattened_mut() {
        *x *= factor;
    }
}

/// The larger of two; `max` if `x` is NaN.
#[inline(always)]
fn larger<E: Element>(max: E, x: E) -> E {
    if x > max { x } else { max }
}

/// The largest of the lanes, passing over NaN, in every lane.
#[inline(always)]
pub(super) fn maximum<E: Element>(lanes: Tile<E>) -> Tile<E> {
    [lanes.into_iter().fold(E::neg_infinity(), larger); LANES]
}

/// The sum over the lanes, in every lane.
#[inline(always)]
pub(super) fn total<E: Element>(mut lanes: Tile<E>) -> Tile<E> {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
        width /= 2;
    }
    [lanes[0]; LANES]
}
