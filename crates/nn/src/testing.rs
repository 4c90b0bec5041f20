//! What the tests of several layers use.

use downhill_tensor::{Parameters, Path, Tensor, gradcheck, gradcheck_second_order};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A generator with a fixed seed.
pub(crate) fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

/// A constant of values between −1 and 1.
pub(crate) fn random(shape: &[usize], rng: &mut Xoshiro256PlusPlus) -> Tensor<f64> {
    let values = (0..shape.iter().product()).map(|_| rng.random::<f64>() * 2.0 - 1.0).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

/// Checks the first and second derivatives of a layer's output with respect to its input and all
/// its parameters against central differences.
#[track_caller]
pub(crate) fn check_gradients<M: Parameters<f64> + Clone>(
    model: &M,
    x: &Tensor<f64>,
    forward: impl Fn(&mut M, &Tensor<f64>) -> Tensor<f64>,
) {
    let mut inputs = vec![x.clone()];
    model.visit(Path::ROOT, &mut |_, tensor| {
        if tensor.is_parameter() {
            inputs.push(tensor.clone());
        }
    });
    let f = |inputs: &[Tensor<f64>]| {
        let mut model = model.clone();
        let mut values = inputs[1..].iter();
        model.visit_mut(Path::ROOT, &mut |_, tensor| {
            if tensor.is_parameter() {
                *tensor = values.next().expect("one input for each parameter").clone();
            }
        });
        forward(&mut model, &inputs[0])
    };
    gradcheck(f, &inputs).unwrap_or_else(|error| panic!("first order: {error}"));
    gradcheck_second_order(f, &inputs).unwrap_or_else(|error| panic!("second order: {error}"));
}

/// Numbers near the ends of `f32`, and ordinary ones.
pub(crate) fn hostile() -> impl Strategy<Value = f32> {
    let sizes = [0.0, 1e-45, 1e-38, 1e-20, 1e-3, 1.0, 1.5, 30.0, 100.0, 1e20, 1e38, f32::MAX];
    let finite = (prop::sample::select(sizes.to_vec()), any::<bool>())
        .prop_map(|(size, negative)| if negative { -size } else { size });
    prop_oneof![
        12 => finite,
        6 => -3.0..3.0_f32,
        1 => prop::sample::select(vec![f32::INFINITY, f32::NEG_INFINITY, f32::NAN]),
    ]
}
