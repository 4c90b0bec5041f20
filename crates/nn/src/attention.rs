//! Self-attention.

mod blocks;
mod operation;

use downhill_kernels::all_finite;
use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, parameters};
use ndarray::{Array2, Axis, Zip};
use rand::Rng;

use self::operation::attention;
use crate::description::Description;
use crate::error::Error;
use crate::initializer::{Initializer, checked_len};
use crate::linear::Linear;
use crate::module::same_in_training;

/// Multi-head self-attention: each place of a sequence gathers from the places that it sees, all
/// of them or, if it is [causal](Self::causal), itself and those before it (Vaswani et al.,
/// "Attention is all you need", 2017). Input and output `[N, T, width]`.
///
/// Each place has a query, a key and a value, and each head takes its own part of them,
/// width / heads numbers. Place t gets the mean of the values at the places s that it sees,
/// weighted with the softmax of query(t) · key(s) / √(width / heads).
///
/// | tensor | shape | in PyTorch's `MultiheadAttention` |
/// | --- | --- | --- |
/// | `query_key_value.weight` | `[width, 3 · width]` | `in_proj_weight`, the transpose |
/// | `query_key_value.bias` | `[3 · width]` | `in_proj_bias` |
/// | `output.weight` | `[width, width]` | `out_proj.weight`, the transpose |
/// | `output.bias` | `[width]` | `out_proj.bias` |
///
/// ```
/// use downhill_nn::SelfAttention;
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let attention = SelfAttention::new(8, 2, &mut rng);
/// let x: Tensor = Tensor::ones(&[5, 3, 8]);
/// assert_eq!(attention.forward(&x).shape(), [5, 3, 8]);
/// ```
#[derive(Debug, Clone)]
pub struct SelfAttention<E: Element = f32> {
    /// Makes the queries, keys and values, in that order; in each, the heads one after another.
    pub query_key_value: Linear<E>,
    /// Mixes what the heads have found.
    pub output: Linear<E>,
    heads: usize,
    causal: bool,
}
parameters!(SelfAttention<E> { query_key_value, output, heads: _, causal: _ });

impl<E: Element> SelfAttention<E> {
    /// A layer for vectors of length `width`, split among `heads` heads, in which each place sees
    /// all. The start is PyTorch's: queries, keys and values Xavier uniform, the output uniform
    /// between ±1/√width, biases of 0.
    ///
    /// # Panics
    ///
    /// If the width is 0, or `heads` does not divide it.
    #[track_caller]
    pub fn new(width: usize, heads: usize, rng: &mut impl Rng) -> Self {
        assert!(
            width > 0 && heads > 0 && width.is_multiple_of(heads),
            "SelfAttention: {heads} heads do not divide a width of {width}"
        );
        checked_len::<E>("SelfAttention", &[width, width.saturating_mul(3)]);
        let linear = |outputs, initializer, rng: &mut _| {
            Linear::new(width, outputs, rng).initialize(initializer, rng)
        };
        Self {
            query_key_value: linear(3 * width, Initializer::xavier_uniform(1.0), rng),
            output: linear(width, Initializer::PYTORCH, rng),
            heads,
            causal: false,
        }
    }

    /// As [`new`](Self::new), but each place sees itself and those before it alone.
    ///
    /// # Panics
    ///
    /// If the width is 0, or `heads` does not divide it.
    #[track_caller]
    pub fn causal(width: usize, heads: usize, rng: &mut impl Rng) -> Self {
        Self { causal: true, ..Self::new(width, heads, rng) }
    }

    /// What each place of each sequence finds.
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, width]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        self.apply(x, None)
    }

    /// [`forward`](Self::forward) of sequences that are filled up to one length: `padding`
    /// `[N, T]` is true at the places that nobody sees, as PyTorch's `key_padding_mask`; they may
    /// hold anything. A place that sees none gathers 0.
    ///
    /// ```
    /// use downhill_nn::SelfAttention;
    /// use downhill_tensor::Tensor;
    /// use ndarray::arr2;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let attention = SelfAttention::new(4, 2, &mut Xoshiro256PlusPlus::seed_from_u64(7));
    /// let x: Tensor = Tensor::ones(&[1, 3, 4]);
    /// let y = attention.forward_padded(&x, &arr2(&[[false, false, true]]));
    /// assert_eq!(y.slice(1, ..2).to_vec(), attention.forward(&x.slice(1, ..2)).to_vec());
    /// ```
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, width]`, or the padding not `[N, T]`.
    #[track_caller]
    pub fn forward_padded(&self, x: &Tensor<E>, padding: &Array2<bool>) -> Tensor<E> {
        assert!(
            x.shape().starts_with(padding.shape()),
            "SelfAttention: the input has shape {:?}, but the padding {:?}; [N, T] is needed",
            x.shape(),
            padding.shape()
        );
        self.apply(x, Some(padding))
    }

    #[track_caller]
    fn apply(&self, x: &Tensor<E>, padding: Option<&Array2<bool>>) -> Tensor<E> {
        let width = self.query_key_value.inputs();
        assert!(
            x.ndim() == 3 && x.shape()[2] == width,
            "SelfAttention: the input has shape {:?}; [N, T, {width}] is needed",
            x.shape()
        );
        let x = &without_padding(x, padding);
        let projected = self.query_key_value.forward(x);
        self.output.forward(&attention(&projected, self.heads, self.causal, padding))
    }
}

/// x with 0 for what padding holds that is not finite: even the gradients of the weights, sums over
/// all places, would otherwise not be.
fn without_padding<E: Element>(x: &Tensor<E>, padding: Option<&Array2<bool>>) -> Tensor<E> {
    match padding {
        Some(padding) if !all_finite(&x.values()) => {
            let mask = padding.clone().insert_axis(Axis(2)).into_dyn();
            let finite = x.mask(E::is_finite);
            let shown = Zip::from(&finite).and_broadcast(&mask).map_collect(|&f, &p| p && !f);
            x.masked_fill(&shown, E::zero())
        }
        _ => x.clone(),
    }
}

impl<E: Element> SelfAttention<E> {
    pub(crate) fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        self.write(x, None, export)
    }

    /// Writes down what [`forward_padded`](Self::forward_padded) computes of the value `x` and of
    /// `padding`, a value of booleans `[N, T]`, and returns the name of the result.
    ///
    /// # Errors
    ///
    /// Those of [`Module::export`](crate::Module::export).
    pub fn export_padded(
        &self,
        x: String,
        padding: &str,
        export: &mut Export,
    ) -> Result<String, Error> {
        self.write(x, Some(padding), export)
    }

    fn write(
        &self,
        x: String,
        padding: Option<&str>,
        export: &mut Export,
    ) -> Result<String, Error> {
        let (width, heads) = (self.output.outputs(), self.heads);
        let all =
            export.scope("query_key_value", |export| self.query_key_value.write_to(x, export))?;
        let split = vec![("axis", Attribute::Integer(-1)), ("num_outputs", Attribute::Integer(3))];
        let parts = export.node_with_outputs("Split", &[&all], 3, split);
        // 0 keeps an axis as it is.
        let by_head = export.integers("shape", &[0, 0, heads as i64, (width / heads) as i64]);
        let permute = |axes: [i64; 4]| vec![("perm", Attribute::Integers(axes.to_vec()))];
        let mut heads_of = |part: &str, axes| {
            let part = export.node("Reshape", &[part, &by_head], vec![]);
            export.node("Transpose", &[&part], permute(axes))
        };
        let query = heads_of(&parts[0], [0, 2, 1, 3]);
        let key = heads_of(&parts[1], [0, 2, 3, 1]);
        let value = heads_of(&parts[2], [0, 2, 1, 3]);
        let scale = export.number("scale", E::from_f64((width / heads) as f64).sqrt().recip());
        let query = export.node("Mul", &[&query, &scale], vec![]);
        let scores = export.node("MatMul", &[&query, &key], vec![]);
        let hides = self.causal || padding.is_some();
        let never = hides.then(|| export.number("never", E::neg_infinity()));
        let scores = match &never {
            Some(never) if self.causal => without_later(&scores, never, export),
            _ => scores,
        };
        let softmax = || vec![("axis", Attribute::Integer(-1))];
        let weights = match padding.zip(never) {
            None => export.node("Softmax", &[&scores], softmax()),
            Some((padding, never)) => {
                let heads_and_places = export.integers("axes", &[1, 2]);
                let padding = export.node("Unsqueeze", &[padding, &heads_and_places], vec![]);
                let scores = export.node("Where", &[&padding, &never, &scores], vec![]);
                let weights = export.node("Softmax", &[&scores], softmax());
                // The softmax of a place that sees none is not defined.
                let unseen = export.node("Equal", &[&scores, &never], vec![]);
                let zero = export.number("zero", E::zero());
                export.node("Where", &[&unseen, &zero, &weights], vec![])
            }
        };
        let found = export.node("MatMul", &[&weights, &value], vec![]);
        let found = export.node("Transpose", &[&found], permute([0, 2, 1, 3]));
        let joined = export.integers("shape", &[0, 0, width as i64]);
        let found = export.node("Reshape", &[&found, &joined], vec![]);
        export.scope("output", |export| self.output.write_to(found, export))
    }
}

/// Scores with −∞ above the diagonal: what comes later has no weight.
fn without_later(scores: &str, never: &str, export: &mut Export) -> String {
    let shape = export.node("Shape", &[scores], vec![]);
    let never = export.node("Expand", &[never, &shape], vec![]);
    let diagonal = export.integer("diagonal", 1);
    let upper = vec![("upper", Attribute::Integer(1))];
    let later = export.node("Trilu", &[&never, &diagonal], upper);
    export.node("Add", &[scores, &later], vec![])
}

same_in_training!(SelfAttention<E>, |attention: &SelfAttention<E>| {
    let (width, heads) = (attention.output.outputs(), attention.heads);
    let causal = if attention.causal { ", causal" } else { "" };
    Description::new(format!("SelfAttention({width}, {heads} heads{causal})"))
        .part("query_key_value", attention.query_key_value.describe())
        .part("output", attention.output.describe())
});

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use downhill_tensor::{Parameters, grad};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    fn layer(width: usize, heads: usize) -> SelfAttention<f64> {
        let mut layer = SelfAttention::causal(width, heads, &mut rng());
        // Biases that are not the zeros of the start.
        layer.query_key_value.bias = Some(Tensor::parameter(random(&[3 * width], &mut rng())));
        layer
    }

    #[test]
    fn gradients_agree_with_differences() {
        for (sequences, places, width, heads) in [(2, 3, 4, 2), (1, 1, 2, 1), (1, 4, 3, 3)] {
            let x = random(&[sequences, places, width], &mut rng());
            check_gradients(&layer(width, heads), &x, |layer, x| layer.forward(x));
        }
    }

    /// Of each sequence another part, and of the second all.
    fn padding(sequences: usize, places: usize) -> Array2<bool> {
        Array2::from_shape_fn((sequences, places), |(sequence, place)| {
            sequence == 1 || (place + sequence) % 3 == 1
        })
    }

    #[test]
    fn gradients_agree_with_differences_whatever_is_seen() {
        let x = random(&[3, 4, 4], &mut rng());
        for causal in [false, true] {
            let layer = SelfAttention { causal, ..layer(4, 2) };
            check_gradients(&layer, &x, |layer, x| layer.forward(x));
            check_gradients(&layer, &x, |layer, x| layer.forward_padded(x, &padding(3, 4)));
        }
    }

    /// The weighted means as their definition has them, one place at a time.
    #[test]
    fn values_are_those_of_the_definition() {
        for (sequences, places, width, heads, causal, padded) in [
            (2, 5, 6, 2, true, false),
            (1, 20, 4, 1, true, false),
            (3, 17, 8, 4, true, true),
            (1, 70, 16, 1, true, false),
            (2, 5, 6, 2, false, false),
            (1, 33, 4, 1, false, true),
            (3, 17, 8, 4, false, true),
        ] {
            let layer = SelfAttention { causal, ..layer(width, heads) };
            let padding = padding(sequences, places);
            let seen_from = |sequence: usize, place: usize| {
                let padding = padding.row(sequence).to_vec();
                let end = if causal { place + 1 } else { places };
                (0..end).filter(move |&seen| !padded || !padding[seen])
            };
            let x = random(&[sequences, places, width], &mut rng());
            let all = layer.query_key_value.forward(&x);
            let all = all.array();
            let size = width / heads;
            let mut found = Vec::new();
            for (sequence, place, column) in ndarray::indices((sequences, places, width)) {
                let first = column / size * size;
                let score = |seen: usize| {
                    let product = |i: usize| {
                        all[[sequence, place, first + i]] * all[[sequence, seen, width + first + i]]
                    };
                    ((0..size).map(product).sum::<f64>() / (size as f64).sqrt()).exp()
                };
                let total: f64 = seen_from(sequence, place).map(score).sum();
                let value = |seen: usize| all[[sequence, seen, 2 * width + column]];
                let sum: f64 =
                    seen_from(sequence, place).map(|seen| score(seen) * value(seen)).sum();
                found.push(if total == 0.0 { 0.0 } else { sum / total });
            }
            let found = Tensor::from_shape_vec(&[sequences, places, width], found).unwrap();
            let expected = layer.output.forward(&found).to_vec();
            let y = if padded { layer.forward_padded(&x, &padding) } else { layer.forward(&x) };
            for (y, expected) in y.to_vec().into_iter().zip(expected) {
                assert_relative_eq!(y, expected, epsilon = 1e-13);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Both ways of differentiating see the same mathematics.
        #[test]
        fn grad_and_backward_agree_on_hostile_values(
            values in prop::collection::vec(crate::testing::hostile(), 18),
            causal in any::<bool>(),
            padded in any::<bool>(),
        ) {
            let x = Tensor::parameter(Tensor::from_shape_vec(&[1, 3, 6], values.clone()).unwrap());
            let padding = padded.then(|| ndarray::arr2(&[[true, false, false]]));
            let loss = attention(&x, 1, causal, padding.as_ref()).sum();
            let backward = loss.backward().get(&x).unwrap().to_vec();
            let recorded = grad(&loss, &[&x])[0].to_vec();
            // The terms of a gradient are a value times a query or a key; and weights are as exact
            // as the exponents that they come from, the scores.
            let square = values.iter().fold(1.0, |size: f64, &x| size.max(f64::from(x).powi(2)));
            for (a, b) in backward.iter().zip(&recorded) {
                let difference = f64::from((a - b).abs());
                let agree = a == b
                    || a.is_nan() && b.is_nan()
                    || difference <= 1e-5 * square * square;
                prop_assert!(agree, "{:?}: {:?} and {:?}", values, backward, recorded);
            }
        }
    }

    #[test]
    fn what_padding_holds_reaches_no_other_place() {
        let layer = layer(4, 2);
        let clean = random(&[1, 3, 4], &mut rng());
        let padding = ndarray::arr2(&[[false, true, false]]);
        let expected = layer.forward_padded(&clean, &padding);
        for spoil in [f64::NAN, f64::INFINITY, 1e300] {
            let spoilt = ndarray::arr3(&[[[0.0], [spoil], [0.0]]]).into_dyn();
            let x = Tensor::parameter(&clean + Tensor::from(spoilt));
            let y = layer.forward_padded(&x, &padding);
            let others = Tensor::concat(&[&y.slice(1, ..1), &y.slice(1, 2..)], 1);
            let expected =
                Tensor::concat(&[&expected.slice(1, ..1), &expected.slice(1, 2..)], 1).to_vec();
            for (y, expected) in others.to_vec().into_iter().zip(expected) {
                assert_relative_eq!(y, expected, epsilon = 1e-13);
            }
        }
    }

    #[test]
    fn what_padding_holds_spoils_no_gradient() {
        let layer = layer(4, 2);
        let clean = random(&[2, 3, 4], &mut rng());
        let padding = ndarray::arr2(&[[false, true, false], [false, false, true]]);
        // The loss looks at no padding either.
        let kept = padding.mapv(|padding| !padding).insert_axis(ndarray::Axis(2)).into_dyn();
        for spoil in [f64::NAN, f64::NEG_INFINITY] {
            let x = Tensor::parameter(Tensor::select(&kept, &clean, &Tensor::scalar(spoil)));
            let y = layer.forward_padded(&x, &padding);
            let loss = Tensor::select(&kept, &y.square(), &Tensor::scalar(0.0)).sum();
            let gradients = loss.backward();
            let names = layer.named();
            let all = names.iter().map(|(_, tensor)| tensor).chain([&x]);
            for (tensor, recorded) in all.clone().zip(grad(&loss, &all.collect::<Vec<_>>())) {
                let backward = gradients.get(tensor).unwrap().to_vec();
                for (backward, recorded) in backward.into_iter().zip(recorded.to_vec()) {
                    assert_relative_eq!(backward, recorded, epsilon = 1e-12);
                }
            }
        }
    }

    #[test]
    fn what_comes_later_or_is_left_out_by_the_loss_spoils_no_earlier_place() {
        let attention = |x: &Tensor<f64>| attention(x, 2, true, None);
        let clean = random(&[2, 5, 12], &mut rng());
        for (spoil, place) in [(f64::NAN, 2), (f64::INFINITY, 4), (f64::NEG_INFINITY, 1)] {
            let late = |(_, t, _)| t >= place && (t - place) % 2 == 0;
            let mask = ndarray::Array3::from_shape_fn((2, 5, 12), late).into_dyn();
            let x = Tensor::parameter(clean.masked_fill(&mask, spoil));
            let y = attention(&x);
            let start = |x: &Tensor<f64>| x.slice(1, ..place);
            let expected = Tensor::parameter(start(&clean));
            let of_start = attention(&expected);
            for (y, expected) in start(&y).to_vec().into_iter().zip(of_start.to_vec()) {
                assert_relative_eq!(y, expected, epsilon = 1e-13);
            }
            assert!(y.slice(1, place..place + 1).to_vec().iter().all(|y| !y.is_finite()));
            let expected_loss = of_start.square().sum();
            let expected_gradient = grad(&expected_loss, &[&expected]).remove(0);
            let expected_second = grad(&expected_gradient.square().sum(), &[&expected]).remove(0);
            let loss = start(&y).square().sum();
            let recorded = grad(&loss, &[&x]).remove(0);
            let second = grad(&recorded.square().sum(), &[&x]).remove(0);
            let backward = loss.backward().get(&x).unwrap().clone();
            for (found, expected) in [
                (&backward, &expected_gradient),
                (&recorded, &expected_gradient),
                (&second, &expected_second),
            ] {
                for (found, expected) in start(found).to_vec().iter().zip(expected.to_vec()) {
                    assert_relative_eq!(*found, expected, epsilon = 1e-12);
                }
                assert!(found.slice(1, place..).to_vec().iter().all(|&found| found == 0.0));
            }
        }
    }

    #[test]
    fn a_place_depends_on_none_after_it() {
        let layer = layer(4, 2);
        let x = random(&[1, 6, 4], &mut rng());
        let whole = layer.forward(&x);
        for places in 1..6 {
            let start = layer.forward(&x.slice(1, ..places));
            assert_eq!(start.to_vec(), whole.slice(1, ..places).to_vec());
        }
    }

    #[test]
    fn scores_too_large_for_their_exponentials_do_no_harm() {
        let mut layer = layer(2, 1);
        layer.query_key_value.weight.update(|weights| weights.iter_mut().for_each(|w| *w *= 1e4));
        let y = layer.forward(&random(&[1, 5, 2], &mut rng()));
        assert!(y.to_vec().iter().all(|y| y.is_finite()), "{y}");
    }

    #[test]
    fn a_batch_that_is_worth_threads_gives_what_its_sequences_give() {
        let layer = layer(32, 4);
        let x = Tensor::parameter(random(&[40, 9, 32], &mut rng()));
        let y = layer.forward(&x);
        let gradient = y.square().sum().backward().get(&x).unwrap().clone();
        for sequence in [0, 17, 39] {
            let alone = Tensor::parameter(x.slice(0, sequence..sequence + 1));
            let y_alone = layer.forward(&alone);
            let gradient_alone = y_alone.square().sum().backward().get(&alone).unwrap().clone();
            for (whole, alone) in [(&y, &y_alone), (&gradient, &gradient_alone)] {
                let whole = whole.slice(0, sequence..sequence + 1).to_vec();
                for (whole, alone) in whole.into_iter().zip(alone.to_vec()) {
                    assert_relative_eq!(whole, alone, epsilon = 1e-12);
                }
            }
        }
    }

    #[test]
    fn empty_batches_and_sequences_stay_empty() {
        assert_eq!(layer(4, 2).forward(&Tensor::zeros(&[0, 3, 4])).shape(), [0, 3, 4]);
        assert_eq!(layer(4, 2).forward(&Tensor::zeros(&[2, 0, 4])).shape(), [2, 0, 4]);
    }

    #[test]
    fn the_start_is_pytorchs() {
        let layer: SelfAttention<f64> = SelfAttention::causal(16, 2, &mut rng());
        let bounds = [(6.0_f64 / 64.0).sqrt(), 0.0, 0.25, 0.0];
        for ((name, tensor), bound) in layer.named().into_iter().zip(bounds) {
            let largest = tensor.abs().max().item();
            assert!(0.97 * bound <= largest && largest <= bound, "{name}: {largest}");
        }
    }

    #[test]
    #[should_panic(expected = "SelfAttention: 3 heads do not divide a width of 4")]
    fn heads_that_do_not_divide_the_width_are_refused() {
        layer(4, 3);
    }
}
