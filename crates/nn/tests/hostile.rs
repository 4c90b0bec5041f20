//! What must hold of every layer for every number in its input and in its weights: zeros of both
//! signs, subnormal and huge ones, infinities and NaN.

use downhill_nn::{
    Activation, AdaptiveAvgPool2d, AvgPool2d, BatchNorm, Bidirectional, Conv2d, Dropout, Embedding,
    Flatten, Gru, LayerNorm, Linear, Lstm, MaxPool2d, Mlp, Module, RmsNorm, SelfAttention,
    Sequential, TransformerBlock,
};
use downhill_tensor::{Element, Parameters, Path, Tensor, grad_with};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

type Fill<'a, E> = &'a mut dyn FnMut(&mut dyn Parameters<E>);
type Forward<E> = fn(Fill<'_, E>, &Tensor<E>) -> Tensor<E>;

/// A layer with the shape of its input; `forward` makes one, has it filled, and applies it.
struct Case<E: Element> {
    name: &'static str,
    shape: &'static [usize],
    forward: Forward<E>,
}

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

macro_rules! cases {
    ($($name:literal $shape:expr, $make:expr, |$layer:ident, $x:ident| $apply:expr;)*) => {
        vec![$(Case {
            name: $name,
            shape: &$shape,
            forward: |fill, $x| {
                let mut $layer = $make;
                fill(&mut $layer);
                $apply
            },
        }),*]
    };
}

fn cases<E: Element>() -> Vec<Case<E>> {
    cases! {
        "linear" [2, 3], Linear::<E>::new(3, 2, &mut rng()), |layer, x| layer.forward(x);
        "linear without bias" [2, 3], Linear::<E>::new(3, 2, &mut rng()).without_bias(),
            |layer, x| layer.forward(x);
        "relu" [2, 3], Activation::Relu, |layer, x| layer.forward(x);
        "leaky_relu" [2, 3], Activation::LeakyRelu(0.1), |layer, x| layer.forward(x);
        "tanh" [2, 3], Activation::Tanh, |layer, x| layer.forward(x);
        "sigmoid" [2, 3], Activation::Sigmoid, |layer, x| layer.forward(x);
        "softplus" [2, 3], Activation::Softplus, |layer, x| layer.forward(x);
        "gelu" [2, 3], Activation::Gelu, |layer, x| layer.forward(x);
        "gelu_tanh" [2, 3], Activation::GeluTanh, |layer, x| layer.forward(x);
        "silu" [2, 3], Activation::Silu, |layer, x| layer.forward(x);
        "mlp" [2, 3], Mlp::<E>::new(&[3, 2, 2], &mut rng()), |layer, x| layer.forward(x);
        "sequential" [2, 3],
            Sequential::new().then(Linear::<E>::new(3, 2, &mut rng())).then(LayerNorm::<E>::new(2)),
            |layer, x| layer.evaluate(x);
        "conv2d" [2, 2, 3, 3], Conv2d::<E>::new(2, 2, 2, &mut rng()), |layer, x| layer.forward(x);
        "conv2d, padded strides" [1, 2, 3, 3],
            Conv2d::<E>::grouped(2, 2, 2, 2, &mut rng()).padding(1).stride(2),
            |layer, x| layer.forward(x);
        "max_pool2d" [1, 2, 3, 3], MaxPool2d::new(2).stride(1), |layer, x| layer.forward(x);
        "max_pool2d, padded" [1, 2, 3, 3], MaxPool2d::new(2).padding(1),
            |layer, x| layer.forward(x);
        "avg_pool2d" [1, 2, 3, 3], AvgPool2d::new(2).stride(1), |layer, x| layer.forward(x);
        "avg_pool2d, padded" [1, 2, 3, 3], AvgPool2d::new(2).padding(1).exclude_padding(),
            |layer, x| layer.forward(x);
        "adaptive_avg_pool2d" [1, 2, 3, 3], AdaptiveAvgPool2d::new(2),
            |layer, x| layer.forward(x);
        "flatten" [1, 2, 3], Flatten, |layer, x| layer.forward(x);
        "dropout" [2, 3], Dropout::new(0.5).expect("a rate in range"),
            |layer, x| layer.forward_training(x, &mut rng());
        "batch_norm" [3, 2], BatchNorm::<E>::new(2),
            |layer, x| layer.forward_training(x, &mut rng());
        "batch_norm, evaluated" [3, 2], BatchNorm::<E>::new(2), |layer, x| layer.evaluate(x);
        "layer_norm" [2, 3], LayerNorm::<E>::new(3), |layer, x| layer.forward(x);
        "rms_norm" [2, 3], RmsNorm::<E>::new(3), |layer, x| layer.forward(x);
        "embedding" [3, 2], Embedding::<E>::new(3, 2, &mut rng()),
            |layer, x| layer.forward(&[2, 0, 2]) * x;
        "gru" [1, 2, 2], Gru::<E>::new(2, 2, &mut rng()), |layer, x| layer.forward(x);
        "lstm" [1, 2, 2], Lstm::<E>::new(2, 2, &mut rng()), |layer, x| layer.forward(x);
        "bidirectional" [1, 2, 2],
            Bidirectional::new(Gru::<E>::new(2, 1, &mut rng()), Gru::new(2, 1, &mut rng())),
            |layer, x| layer.evaluate(x);
        "attention" [1, 3, 2], SelfAttention::<E>::new(2, 1, &mut rng()),
            |layer, x| layer.forward(x);
        "attention of heads" [1, 2, 4], SelfAttention::<E>::new(4, 2, &mut rng()),
            |layer, x| layer.forward(x);
        "causal attention" [1, 3, 2], SelfAttention::<E>::causal(2, 1, &mut rng()),
            |layer, x| layer.forward(x);
        "padded attention" [1, 3, 2], SelfAttention::<E>::new(2, 1, &mut rng()),
            |layer, x| layer.forward_padded(x, &ndarray::arr2(&[[false, true, false]]));
        "transformer" [1, 2, 2], TransformerBlock::<E>::new(2, 1, 2, &mut rng()),
            |layer, x| layer.evaluate(x);
    }
}

/// How many numbers are drawn; where a layer takes more, they are taken again.
const COUNT: usize = 31;

/// Numbers of all sizes, among them those at which formulas fail, and perhaps one that is not finite.
fn numbers() -> impl Strategy<Value = Vec<f64>> {
    let sizes =
        [0.0, 1e-45, 1e-40, 1e-38, 1e-20, 1.0, 2.0, 88.0, 104.0, 1e4, 2e19, 1e20, 1e38, 3e38];
    let ends = (prop::sample::select(sizes.to_vec()), any::<bool>())
        .prop_map(|(size, negative)| if negative { -size } else { size });
    let number = prop_oneof![2 => ends, 3 => -3.0..3.0];
    let spoiled = prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    let spoiled = prop::option::weighted(0.3, (0..COUNT, spoiled));
    (prop::collection::vec(number, COUNT), spoiled).prop_map(|(mut numbers, spoiled)| {
        if let Some((place, number)) = spoiled {
            numbers[place] = number;
        }
        numbers
    })
}

/// What a layer gives, with the first derivatives by `backward` and by `grad_with`, and with these
/// the second ones.
struct Derivatives<E: Element> {
    output: Tensor<E>,
    first: [Vec<Tensor<E>>; 2],
    second: [Vec<Tensor<E>>; 2],
}

impl<E: Element> Derivatives<E> {
    fn of(case: &Case<E>, numbers: &[f64]) -> Self {
        let mut numbers = numbers.iter().copied().cycle();
        let mut draw =
            |count: usize| -> Vec<E> { numbers.by_ref().take(count).map(E::from_f64).collect() };
        let count = case.shape.iter().product();
        let x = Tensor::from_shape_vec(case.shape, draw(count)).expect("as many as are needed");
        let x = Tensor::parameter(x);
        let mut inputs = vec![x.clone()];
        let output = (case.forward)(
            &mut |layer| {
                layer.visit_mut(Path::ROOT, &mut |path, tensor| {
                    let mut drawn = draw(tensor.len());
                    if path.to_string().ends_with("variance") {
                        drawn.iter_mut().for_each(|x| *x = x.abs());
                    }
                    tensor.update(|values| values.copy_from_slice(&drawn));
                    if tensor.is_parameter() {
                        inputs.push(tensor.clone());
                    }
                });
            },
            &x,
        );
        let first = both(&output, &[1.0, -2.5, 0.0, 0.5], &inputs);
        let parts: Vec<Tensor<E>> =
            first[1].iter().map(|first| first.reshape(&[first.len()])).collect();
        let total = Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0);
        let second = both(&total, &[1.0, -0.5, 2.0], &inputs);
        Self { output, first, second }
    }
}

/// The derivatives of a weighted sum, by both ways.
fn both<E: Element>(
    output: &Tensor<E>,
    weights: &[f64],
    inputs: &[Tensor<E>],
) -> [Vec<Tensor<E>>; 2] {
    let zero = |input: &Tensor<E>| Tensor::zeros(input.shape());
    let zeros = || inputs.iter().map(zero).collect();
    if !output.requires_gradient() {
        return [zeros(), zeros()];
    }
    let weights = (0..output.len()).map(|i| E::from_f64(weights[i % weights.len()])).collect();
    let seed = Tensor::from_shape_vec(output.shape(), weights).expect("one for each value");
    let gradients = output.backward_with(&seed);
    let backward = inputs.iter().map(|x| gradients.get(x).cloned().unwrap_or_else(|| zero(x)));
    let grad = grad_with(&[output], &[&seed], &inputs.iter().collect::<Vec<_>>());
    [backward.collect(), grad]
}

/// Numbers as `f32` holds them, limited to ±`largest`; infinities too if they are not `kept`.
fn limited(numbers: &[f64], largest: f64, infinities: Infinities) -> Vec<f64> {
    let limit = |&x: &f64| match x.is_finite() || matches!(infinities, Infinities::Limited) {
        true => f64::from(x.clamp(-largest, largest) as f32),
        false => x,
    };
    numbers.iter().map(limit).collect()
}

#[derive(Clone, Copy)]
enum Infinities {
    Kept,
    Limited,
}

/// Layers with a kernel, whose gradient is rounded in other places than that of its definition: where
/// terms cancel, or scores are too large for their differences to be known, nothing of it is left. So
/// with numbers of any size up to this, by which no term comes near the end of `f32`, both ways must
/// but agree on what is finite: a norm divides some terms by ε, 1e-5, in each order. With [`ORDINARY`]
/// ones they agree in their values.
const FUSED: [(&str, f64); 4] =
    [("norm", 1e25), ("sequential", 1e5), ("attention", 1e5), ("transformer", 1e5)];

/// The largest of the numbers with which the values of layers with a kernel are compared. A norm of a row
/// that hardly varies multiplies roundings by 1 / √ε, 316, in each order.
const ORDINARY: f64 = 3.0;

/// Layers that multiply matrices: sums of products may overflow on the way, whatever they come to.
const MIXING: [&str; 9] = [
    "linear",
    "mlp",
    "sequential",
    "conv2d",
    "gru",
    "lstm",
    "bidirectional",
    "attention",
    "transformer",
];

/// That derivatives by both ways are the same, within `units` in the last place of the largest of them.
fn agree<E: Element>(
    name: &str,
    [backward, grad]: &[Vec<Tensor<E>>; 2],
    units: f64,
) -> Result<(), String> {
    let sizes = backward.iter().chain(grad).flat_map(Tensor::to_vec).map(|x| x.as_f64().abs());
    let largest = sizes.filter(|size| size.is_finite()).fold(1.0, f64::max);
    let tolerance = (units * E::epsilon().as_f64() * largest).min(f64::MAX);
    for (input, (backward, grad)) in backward.iter().zip(grad).enumerate() {
        for (x, y) in backward.to_vec().into_iter().zip(grad.to_vec()) {
            let equal = x == y || x.is_nan() && y.is_nan();
            let near = (x - y).as_f64().abs() <= tolerance;
            if !equal && !near {
                let (backward, grad) = (backward.to_vec(), grad.to_vec());
                return Err(format!("{name}, input {input}: backward {backward:?}, grad {grad:?}"));
            }
        }
    }
    Ok(())
}

fn both_orders_agree<E: Element>(case: &Case<E>, numbers: &[f64], units: f64) -> TestCaseResult {
    let found = Derivatives::of(case, numbers);
    let first = agree(case.name, &found.first, units);
    prop_assert!(first.is_ok(), "{first:?} at {numbers:?}");
    let second = agree(&format!("{}, second order", case.name), &found.second, units);
    prop_assert!(second.is_ok(), "{second:?} at {numbers:?}");
    Ok(())
}

fn backward_is_grad<E: Element>(numbers: &[f64]) -> TestCaseResult {
    for case in cases::<E>() {
        let Some((_, largest)) = FUSED.iter().find(|(fused, _)| case.name.contains(fused)) else {
            both_orders_agree(&case, numbers, 64.0)?;
            continue;
        };
        both_orders_agree(&case, &limited(numbers, *largest, Infinities::Kept), f64::MAX)?;
        both_orders_agree(&case, &limited(numbers, ORDINARY, Infinities::Kept), 65_536.0)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn backward_and_grad_agree_in_both_orders(numbers in numbers()) {
        backward_is_grad::<f32>(&numbers)?;
        backward_is_grad::<f64>(&numbers)?;
    }

    /// In `f64` the same numbers are far from its ends: what is finite there, and not beyond the
    /// range of `f32`, is finite in `f32`.
    #[test]
    fn what_is_finite_in_mathematics_is_finite_in_f32(numbers in numbers()) {
        for (narrow, wide) in cases::<f32>().into_iter().zip(cases::<f64>()) {
            let name = narrow.name;
            let numbers = match MIXING.iter().any(|mixing| name.contains(mixing)) {
                true => limited(&numbers, 1e5, Infinities::Limited),
                false => limited(&numbers, 1e36, Infinities::Kept),
            };
            let narrow = Derivatives::of(&narrow, &numbers);
            let wide = Derivatives::of(&wide, &numbers);
            let pairs = [(&narrow.output, &wide.output)]
                .into_iter()
                .chain(narrow.first[0].iter().zip(&wide.first[0]));
            for (narrow, wide) in pairs {
                for (narrow, wide) in narrow.to_vec().into_iter().zip(wide.to_vec()) {
                    let representable = wide.abs() < 1e37;
                    prop_assert!(
                        !representable || narrow.is_finite(),
                        "{name}: {narrow} for {wide} at {numbers:?}"
                    );
                }
            }
        }
    }
}
