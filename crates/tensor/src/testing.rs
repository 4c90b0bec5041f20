//! What the operations' tests share: random inputs, and checks of both orders of derivatives.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::gradcheck::{gradcheck, gradcheck_second_order};
use crate::operations::{Axes, keep};
use crate::tensor::Tensor;

pub(crate) type Rng = Xoshiro256PlusPlus;

pub(crate) fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// A tensor of numbers from `low` to `high`, none within 0.01 of 0, where functions have kinks.
pub(crate) fn random(shape: &[usize], low: f64, high: f64, rng: &mut Rng) -> Tensor<f64> {
    let mut draw = || loop {
        let x = rng.random_range(low..high);
        if x.abs() > 0.01 {
            return x;
        }
    };
    let values = (0..shape.iter().product()).map(|_| draw()).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

/// Shapes of up to three axes, each 0 to 4 long: the scalar, the empty, and ones among them.
pub(crate) fn shapes(count: usize, rng: &mut Rng) -> Vec<Vec<usize>> {
    let mut shapes = vec![vec![], vec![0], vec![1], vec![2, 0, 3], vec![17]];
    for _ in 0..count {
        let rank = rng.random_range(1..4);
        shapes.push((0..rank).map(|_| rng.random_range(1..5)).collect());
    }
    shapes
}

/// A shape that broadcasts to `shape`: some axes at length 1, some leading axes missing.
pub(crate) fn broadcastable(shape: &[usize], rng: &mut Rng) -> Vec<usize> {
    let skipped = rng.random_range(0..=shape.len());
    let shrink = |&length: &usize| if rng.random_bool(0.4) { 1 } else { length };
    shape[skipped..].iter().map(shrink).collect()
}

/// Checks the first and second derivatives of `f` at `inputs`.
#[track_caller]
pub(crate) fn check(f: &dyn Fn(&[Tensor<f64>]) -> Tensor<f64>, inputs: &[Tensor<f64>]) {
    let shapes: Vec<_> = inputs.iter().map(Tensor::shape).collect();
    if let Err(error) = gradcheck(f, inputs) {
        panic!("shapes {shapes:?}: {error}");
    }
    if let Err(error) = gradcheck_second_order(f, inputs) {
        panic!("second order, shapes {shapes:?}: {error}");
    }
}

/// Checks a function of one tensor at random shapes and values from `low` to `high`.
#[track_caller]
pub(crate) fn check_unary(f: &dyn Fn(&Tensor<f64>) -> Tensor<f64>, low: f64, high: f64) {
    let rng = &mut rng(1);
    for shape in shapes(6, rng) {
        check(&|x| f(&x[0]), &[random(&shape, low, high, rng)]);
        // A layout that is not row-major must make no difference.
        if shape.len() == 3 {
            check(&|x| f(&x[0].permute(&[2, 0, 1])), &[random(&shape, low, high, rng)]);
        }
    }
}

/// A function of two tensors.
type Binary<'a> = &'a dyn Fn(&Tensor<f64>, &Tensor<f64>) -> Tensor<f64>;

/// Checks a function of two tensors at random shapes that broadcast, either way round.
#[track_caller]
pub(crate) fn check_binary(f: Binary<'_>, low: f64, high: f64) {
    let rng = &mut rng(2);
    for shape in shapes(6, rng) {
        for _ in 0..3 {
            let other = broadcastable(&shape, rng);
            let x = random(&shape, low, high, rng);
            let y = random(&other, low, high, rng);
            check(&|x| f(&x[0], &x[1]), &[x.clone(), y.clone()]);
            check(&|x| f(&x[0], &x[1]), &[y, x]);
        }
    }
}

/// Every choice of axes for a shape of up to three axes.
fn choices(rank: usize) -> Vec<Vec<isize>> {
    let chosen = |bits: usize| (0..rank as isize).filter(move |axis| bits >> axis & 1 == 1);
    (0..1 << rank).map(|bits| chosen(bits).collect()).collect()
}

/// Checks a reduction over every choice of axes of random shapes.
pub(crate) fn check_axes(f: &dyn Fn(&Tensor<f64>, Axes) -> Tensor<f64>, with_empty: bool) {
    let rng = &mut rng(5);
    for shape in shapes(4, rng) {
        if !with_empty && shape.contains(&0) {
            continue;
        }
        for axes in choices(shape.len()) {
            let x = random(&shape, -2.0, 2.0, rng);
            check(&|x| f(&x[0], Axes::from(&axes[..])), &[x.clone()]);
            check(&|x| f(&x[0], keep(&axes[..])), &[x]);
        }
    }
}
