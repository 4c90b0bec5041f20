//! What must hold of every operation for every number: zeros of both signs, subnormal and huge
//! ones, infinities and NaN.

use downhill_tensor::{Element, Norm, Tensor, grad_with, keep};
use proptest::prelude::*;

type Operation<E> = fn(&Tensor<E>, &Tensor<E>) -> Tensor<E>;

/// Operations on two tensors `[2, 3]`; those on one leave the second alone.
fn operations<E: Element>() -> Vec<(&'static str, Operation<E>)> {
    vec![
        ("add", |x, y| x + y),
        ("sub", |x, y| x - y),
        ("mul", |x, y| x * y),
        ("div", |x, y| x / y),
        ("neg", |x, _| -x),
        ("maximum", |x, y| x.maximum(y)),
        ("minimum", |x, y| x.minimum(y)),
        ("times", |x, y| x.clone().times(y)),
        ("over", |x, y| x.clone().over(y)),
        ("pow", |x, y| x.pow(y)),
        ("x_ln_y", |x, y| x.x_ln_y(y)),
        ("x_ln_x", |x, _| x.x_ln_y(x)),
        ("powi 0", |x, _| x.powi(0)),
        ("powi 1", |x, _| x.powi(1)),
        ("powi 3", |x, _| x.powi(3)),
        ("powi -2", |x, _| x.powi(-2)),
        ("powi least", |x, _| x.powi(i32::MIN)),
        ("powf 0.5", |x, _| x.powf(E::from_f64(0.5))),
        ("powf 1", |x, _| x.powf(E::one())),
        ("powf -1.5", |x, _| x.powf(E::from_f64(-1.5))),
        ("exp", |x, _| x.exp()),
        ("exp_m1", |x, _| x.exp_m1()),
        ("ln", |x, _| x.ln()),
        ("ln_1p", |x, _| x.ln_1p()),
        ("sqrt", |x, _| x.sqrt()),
        ("square", |x, _| x.square()),
        ("reciprocal", |x, _| x.reciprocal()),
        ("abs", |x, _| x.abs()),
        ("sin", |x, _| x.sin()),
        ("cos", |x, _| x.cos()),
        ("tanh", |x, _| x.tanh()),
        ("sigmoid", |x, _| x.sigmoid()),
        ("log_sigmoid", |x, _| x.log_sigmoid()),
        ("softplus", |x, _| x.softplus()),
        ("relu", |x, _| x.relu()),
        ("leaky_relu", |x, _| x.leaky_relu(E::from_f64(0.1))),
        ("clamp", |x, _| x.clamp(-E::one(), E::one())),
        ("normal_cdf", |x, _| x.normal_cdf()),
        ("gelu", |x, _| x.gelu()),
        ("gelu_tanh", |x, _| x.gelu_tanh()),
        ("silu", |x, _| x.silu()),
        ("sum", |x, _| x.sum_axes(-1)),
        ("mean", |x, _| x.mean_axes(-1)),
        ("mean of columns", |x, _| x.mean_axes(0)),
        ("center", |x, _| x.center_axes(keep(-1))),
        ("variance", |x, _| x.variance_axes(-1, 1)),
        ("std", |x, _| x.std_axes(-1, 1)),
        ("norm 1", |x, _| x.norm_axes(Norm::L1, -1)),
        ("norm 2", |x, _| x.norm_axes(Norm::L2, -1)),
        ("norm max", |x, _| x.norm_axes(Norm::Max, -1)),
        ("max", |x, _| x.max_axes(-1)),
        ("min", |x, _| x.min_axes(0)),
        ("log_sum_exp", |x, _| x.log_sum_exp_axes(-1)),
        ("softmax", |x, _| x.softmax(-1)),
        ("log_softmax", |x, _| x.log_softmax(0)),
        ("select", |x, y| Tensor::select(&x.mask(|x| x > E::zero()), &x.sqrt(), y)),
        ("masked_fill", |x, _| x.masked_fill(&x.mask(|x| x <= E::zero()), E::one()).ln()),
        ("matmul", |x, y| x.matmul(&y.transpose())),
        ("linear", |x, y| x.linear(&y.transpose(), &x.slice(1, ..2).sum_axes(0))),
        ("gather", |x, _| x.select_rows(&[1, 1]).transpose().slice(0, 1..)),
        ("stack", |x, y| Tensor::stack(&[x, y], 1)),
    ]
}

/// Any number, more often one at which formulas fail.
fn number() -> impl Strategy<Value = f64> {
    const HOSTILE: [f64; 20] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        1e-45,
        -1e-40,
        1e-38,
        1e-20,
        -1e-20,
        88.0,
        -104.0,
        1e4,
        1e20,
        -1e20,
        2e19,
        3e38,
        -1e38,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    prop_oneof![
        3 => prop::sample::select(&HOSTILE[..]),
        1 => Just(f64::NAN),
        3 => -3.0..3.0,
    ]
}

fn tensor<E: Element>(values: &[f64]) -> Tensor<E> {
    let values = values.iter().map(|&x| E::from_f64(x)).collect();
    Tensor::from_shape_vec(&[2, 3], values).expect("six values")
}

/// The gradients of the weighted output by `backward` and by `grad_with`, and with these the
/// second derivatives.
struct Derivatives<E: Element> {
    output: Tensor<E>,
    backward: Vec<Tensor<E>>,
    grad: Vec<Tensor<E>>,
    second_backward: Vec<Tensor<E>>,
    second_grad: Vec<Tensor<E>>,
}

fn differentiate<E: Element>(
    f: Operation<E>,
    x: &[f64],
    y: &[f64],
    weights: &[f64],
) -> Derivatives<E> {
    let inputs = [Tensor::parameter(tensor::<E>(x)), Tensor::parameter(tensor::<E>(y))];
    let borrowed = [&inputs[0], &inputs[1]];
    let output = f(&inputs[0], &inputs[1]);
    let seed = |output: &Tensor<E>, weights: &[f64]| {
        let values = (0..output.len()).map(|i| E::from_f64(weights[i % weights.len()])).collect();
        Tensor::from_shape_vec(output.shape(), values).expect("one for each value")
    };
    let both = |output: &Tensor<E>, weights: &[f64]| {
        let seed = seed(output, weights);
        let zero = || Tensor::zeros(&[2, 3]);
        if !output.requires_gradient() {
            return (vec![zero(), zero()], vec![zero(), zero()]);
        }
        let gradients = output.backward_with(&seed);
        let backward = borrowed.map(|x| gradients.get(x).cloned().unwrap_or_else(zero));
        (backward.to_vec(), grad_with(&[output], &[&seed], &borrowed))
    };
    let (backward, grad) = both(&output, weights);
    let total = Tensor::stack(&grad.iter().collect::<Vec<_>>(), 0);
    let (second_backward, second_grad) = both(&total, &[1.0, -0.5, 2.0]);
    Derivatives { output, backward, grad, second_backward, second_grad }
}

fn same<E: Element>(x: &[Tensor<E>], y: &[Tensor<E>]) -> Result<(), String> {
    for (x, y) in x.iter().flat_map(Tensor::to_vec).zip(y.iter().flat_map(Tensor::to_vec)) {
        let tolerance = E::epsilon() * E::from_f64(16.0) * x.abs().max(y.abs());
        let equal = x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= tolerance;
        if !equal {
            return Err(format!("{x:?} and {y:?}"));
        }
    }
    Ok(())
}

fn backward_is_grad<E: Element>(
    x: &[f64],
    y: &[f64],
    weights: &[f64],
) -> Result<(), TestCaseError> {
    for (name, f) in operations::<E>() {
        let found = differentiate(f, x, y, weights);
        let first = same(&found.backward, &found.grad);
        prop_assert!(first.is_ok(), "{name}: {first:?}");
        let second = same(&found.second_backward, &found.second_grad);
        prop_assert!(second.is_ok(), "{name}, second order: {second:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn backward_and_grad_agree_in_both_orders(
        x in prop::collection::vec(number(), 6),
        y in prop::collection::vec(number(), 6),
        weights in prop::collection::vec(prop::sample::select(&[0.0, 1.0, -2.5, 1e20][..]), 6),
    ) {
        backward_is_grad::<f32>(&x, &y, &weights)?;
        backward_is_grad::<f64>(&x, &y, &weights)?;
    }

    /// In `f64` the same numbers are far from its ends: what is finite there, and not beyond the
    /// range of `f32`, is finite in `f32`.
    #[test]
    fn what_is_finite_in_mathematics_is_finite_in_f32(
        x in prop::collection::vec(number(), 6),
        y in prop::collection::vec(number(), 6),
    ) {
        // Subnormal numbers have no reciprocal in their own range, and twice the sum of a row must
        // be in it.
        let inside = |x: f64| match x.abs() {
            size if size > 0.0 && size < 1e-38 => 1e-38_f64.copysign(x),
            size if size > 1e37 && size < f64::INFINITY => 1e37_f64.copysign(x),
            _ => x,
        };
        let exact = |x: f64| f64::from(inside(x) as f32);
        let [x, y] = [x, y].map(|x| x.into_iter().map(exact).collect::<Vec<_>>());
        let weights = [1.0, -2.5];
        for ((name, narrow), (_, wide)) in operations::<f32>().into_iter().zip(operations::<f64>()) {
            // A sum of products may overflow on the way, whatever it comes to.
            if ["matmul", "linear"].contains(&name) {
                continue;
            }
            let narrow = differentiate(narrow, &x, &y, &weights);
            let wide = differentiate(wide, &x, &y, &weights);
            let pairs = [(&narrow.output, &wide.output)].into_iter().chain(
                narrow.backward.iter().zip(&wide.backward),
            );
            for (narrow, wide) in pairs {
                for (narrow, wide) in narrow.to_vec().into_iter().zip(wide.to_vec()) {
                    let representable = wide.abs() < 1e37;
                    prop_assert!(!representable || narrow.is_finite(), "{name}: {narrow} for {wide}");
                }
            }
        }
    }

    /// Nothing of an operation comes through a mask, in either order, whatever it holds.
    #[test]
    fn what_a_mask_leaves_out_has_derivatives_of_exactly_zero(
        x in prop::collection::vec(number(), 6),
        y in prop::collection::vec(number(), 6),
        chosen in prop::collection::vec(any::<bool>(), 2),
    ) {
        for (name, f) in operations::<f64>() {
            // Operations that mix the rows.
            if ["mean of columns", "min", "log_softmax", "matmul", "linear", "gather", "stack"].contains(&name) {
                continue;
            }
            let inputs = [Tensor::parameter(tensor::<f64>(&x)), Tensor::parameter(tensor::<f64>(&y))];
            let borrowed = [&inputs[0], &inputs[1]];
            let output = f(&inputs[0], &inputs[1]);
            let output = output.reshape(&[2, output.len() / 2]);
            let mask = ndarray::arr2(&[[chosen[0]], [chosen[1]]]).into_dyn();
            let loss = Tensor::select(&mask, &output, &Tensor::scalar(0.0)).sum();
            let first = downhill_tensor::grad(&loss, &borrowed);
            let total = Tensor::stack(&first.iter().collect::<Vec<_>>(), 0).sum();
            let second = downhill_tensor::grad(&total, &borrowed);
            for derivative in first.iter().chain(&second) {
                for (row, values) in derivative.to_vec().chunks(3).enumerate() {
                    prop_assert!(
                        chosen[row] || values.iter().all(|&value| value == 0.0),
                        "{name}, row {row}: {values:?}"
                    );
                }
            }
        }
    }
}
