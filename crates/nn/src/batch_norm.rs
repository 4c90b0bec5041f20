//! Batch normalisation.

use std::fmt;

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::module::Module;
use crate::normalization::checked_epsilon;
use crate::normalization::operation::{Normalize, Statistics, epsilon_in};
use crate::part::{is_part, sum_over_parts};

/// Normalises each channel to mean 0 and variance 1 over a batch, and then scales and shifts it:
/// (x − mean) / √(variance + ε) · weight + bias (Ioffe & Szegedy, "Batch normalization", 2015).
/// Input and output `[N, channels]` or `[N, channels, …]`: one layer is PyTorch's `BatchNorm1d`
/// and `BatchNorm2d`.
///
/// In training, mean and variance are the batch's, and running averages of them are kept:
/// running ← (1 − momentum) · running + momentum · batch, of the unbiased variance. In evaluation
/// the running averages take their place. In a [part](crate::in_part) of a batch mean and variance
/// are those of the whole batch.
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `weight` | `[channels]`, 1 at the start | the same |
/// | `bias` | `[channels]`, 0 at the start | the same |
/// | `running_mean` | `[channels]`, 0 at the start, not trained | the same |
/// | `running_variance` | `[channels]`, 1 at the start, not trained | `running_var` |
///
/// ```
/// use downhill_nn::{BatchNorm, Module};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut norm = BatchNorm::new(1).epsilon(0.0);
/// let y = norm.forward_training(&Tensor::from([[3.0], [7.0]]), &mut Xoshiro256PlusPlus::seed_from_u64(7));
/// assert_eq!(y.to_vec(), [-1.0, 1.0]);
/// assert_eq!(norm.running_mean.to_vec(), [0.5]);
/// ```
#[derive(Debug, Clone)]
pub struct BatchNorm<E: Element = f32> {
    /// What the normalised channels are multiplied by, `[channels]`.
    pub weight: Tensor<E>,
    /// What is added to them then, `[channels]`.
    pub bias: Tensor<E>,
    /// The running average of the batches' means, `[channels]`. Not a parameter.
    pub running_mean: Tensor<E>,
    /// The running average of the batches' variances, `[channels]`. Not a parameter.
    pub running_variance: Tensor<E>,
    epsilon: f64,
    momentum: f64,
}
parameters!(BatchNorm<E> { weight, bias, running_mean, running_variance, epsilon: _, momentum: _ });

impl<E: Element> BatchNorm<E> {
    /// A layer for a number of channels, with ε = 10⁻⁵ and momentum 0.1.
    pub fn new(channels: usize) -> Self {
        let shape = &[channels];
        Self {
            weight: Tensor::parameter(Tensor::ones(shape)),
            bias: Tensor::parameter(Tensor::zeros(shape)),
            running_mean: Tensor::zeros(shape),
            running_variance: Tensor::ones(shape),
            epsilon: 1e-5,
            momentum: 0.1,
        }
    }

    /// With another ε, which is added to the variance.
    ///
    /// # Panics
    ///
    /// If ε is negative or not finite.
    #[track_caller]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon: checked_epsilon("BatchNorm", epsilon), ..self }
    }

    /// With another momentum: the share of the newest batch in the running averages.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    #[track_caller]
    pub fn momentum(self, momentum: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&momentum),
            "BatchNorm: a momentum of {momentum}; it must be from 0 to 1"
        );
        Self { momentum, ..self }
    }

    /// Checks that x is `[N, channels, …]`, and gives a tensor of all channels the shape in which
    /// it is broadcast to x.
    #[track_caller]
    fn along_channels(&self, x: &Tensor<E>) -> impl Fn(&Tensor<E>) -> Tensor<E> + use<E> {
        let channels = self.weight.len();
        assert!(
            x.ndim() >= 2 && x.shape()[1] == channels,
            "BatchNorm: the input has shape {:?}; [N, {channels}] or [N, {channels}, …] is needed",
            x.shape()
        );
        let mut shape = vec![1; x.ndim() - 1];
        shape[0] = channels;
        move |tensor| tensor.reshape(&shape)
    }

    /// Normalises `rows`, the values of each channel in a part of a batch, `[channels, values]`, by
    /// the whole batch.
    #[inline(never)]
    #[track_caller]
    fn normalize_part(&mut self, rows: &Tensor<E>) -> Tensor<E> {
        let channels = rows.shape()[0];
        let mut units = Tensor::ones(&[channels]);
        let mut moments = PartMoments::of(rows);
        let is_finite = |moments: &Tensor<E>| moments.mask(E::is_finite);
        let fits = ndarray::Zip::from(&is_finite(&moments.mean))
            .and(&is_finite(&moments.variance))
            .map_collect(|&mean, &variance| mean && variance);
        if !fits.iter().all(|&fits| fits) {
            // Sums or squares overflow in some channels, in each part alike: they get a small unit.
            let small = E::from_f64((-0.75 * E::max_value().as_f64().log2()).round().exp2());
            units = Tensor::select(&fits, &units, &Tensor::scalar(small));
            moments = PartMoments::of(&(rows * units.reshape(&[channels, 1])));
        }
        let PartMoments { deviations, mean, variance, count } = moments;
        assert_several(rows.shape(), count);
        let means = (mean / &units).to_vec();
        let variances = (variance.detach() / &units / &units).to_vec();
        self.track(&Statistics { means, variances }, count);
        let epsilon = units.square() * epsilon_in::<E>(self.epsilon);
        let deviation = (variance + epsilon).sqrt();
        deviations / deviation.reshape(&[channels, 1])
    }

    /// Moves the running averages towards the mean and the population variance of `count` values
    /// for each channel.
    fn track(&mut self, statistics: &Statistics<E>, count: usize) {
        let unbiased = E::from_usize(count) / E::from_usize(count - 1);
        let momentum = E::from_f64(self.momentum);
        for (running, batch, factor) in [
            (&mut self.running_mean, &statistics.means, E::one()),
            (&mut self.running_variance, &statistics.variances, unbiased),
        ] {
            running.update(|running| {
                for (running, &batch) in running.iter_mut().zip(batch) {
                    // The variance of finite values may be infinite, and would stay so.
                    let batch = batch * factor;
                    let batch = if batch > E::max_value() { E::max_value() } else { batch };
                    *running = (E::one() - momentum) * *running + momentum * batch;
                }
            });
        }
    }
}

/// What a whole batch says of each channel, and how far the values of a part are from the mean.
struct PartMoments<E: Element> {
    /// `[channels, values]`.
    deviations: Tensor<E>,
    /// `[channels]`, a constant.
    mean: Tensor<E>,
    variance: Tensor<E>,
    /// How many values a channel has in all parts.
    count: usize,
}

impl<E: Element> PartMoments<E> {
    /// The moments of `rows`, the values of each channel in a part, `[channels, values]`.
    fn of(rows: &Tensor<E>) -> Self {
        let channels = rows.shape()[0];
        let one = |value| Tensor::from([E::from_usize(value)]);
        let sums = rows.detach().sum_axes(1);
        let sums = sum_over_parts(&Tensor::concat(&[&sums, &one(rows.shape()[1])], 0));
        let count = sums.values()[channels];
        // The mean, rounded; what it is shifted by has no influence on the result.
        let near = sums.slice(0, ..channels) / count;
        let deviations = rows - near.reshape(&[channels, 1]);
        let moments = [deviations.sum_axes(1), deviations.square().sum_axes(1)];
        let moments = sum_over_parts(&Tensor::concat(&[&moments[0], &moments[1]], 0)) / count;
        let rest = moments.slice(0, ..channels);
        let variance = moments.slice(0, channels..) - rest.square();
        Self {
            mean: near + rest.detach(),
            deviations: deviations - rest.reshape(&[channels, 1]),
            variance,
            count: count.as_f64() as usize,
        }
    }
}

#[track_caller]
fn assert_several(shape: &[usize], count: usize) {
    assert!(
        count > 1,
        "BatchNorm: a batch of shape {shape:?} holds {count} values a channel; the variance takes \
         at least 2"
    );
}

impl<E: Element> Module<E> for BatchNorm<E> {
    /// Normalises by the batch, and moves the running averages.
    ///
    /// # Panics
    ///
    /// If x is not `[N, channels, …]`, or holds fewer than two values for each channel: one value
    /// has no variance.
    #[inline(never)]
    #[track_caller]
    fn forward_training(&mut self, x: &Tensor<E>, _rng: &mut dyn Rng) -> Tensor<E> {
        let along_channels = self.along_channels(x);
        let count = x.len() / self.weight.len().max(1);
        let mut swapped: Vec<usize> = (0..x.ndim()).collect();
        swapped.swap(0, 1);
        let channels_first = x.permute(&swapped);
        let rows = channels_first.reshape(&[self.weight.len(), count]);
        let normalized = if is_part() {
            self.normalize_part(&rows)
        } else {
            assert_several(x.shape(), count);
            let normalize =
                Normalize { centred: true, epsilon: self.epsilon, weight: None, bias: None };
            let (normalized, statistics) = normalize.apply(&rows);
            self.track(&statistics, count);
            normalized
        };
        normalized.reshape(channels_first.shape()).permute(&swapped) * along_channels(&self.weight)
            + along_channels(&self.bias)
    }

    /// Normalises by the running averages.
    ///
    /// # Panics
    ///
    /// If x is not `[N, channels, …]`.
    #[inline(never)]
    #[track_caller]
    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        let along_channels = self.along_channels(x);
        let deviation = (&self.running_variance + epsilon_in::<E>(self.epsilon)).sqrt();
        let centred = x - along_channels(&self.running_mean);
        let factor = &self.weight / &deviation;
        let scaled = match factor.array().iter().all(|factor| factor.is_finite()) {
            true => centred * along_channels(&factor),
            false => centred / along_channels(&deviation) * along_channels(&self.weight),
        };
        scaled + along_channels(&self.bias)
    }

    fn export(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let weight = export.tensor("weight", &self.weight);
        let bias = export.tensor("bias", &self.bias);
        let mean = export.tensor("running_mean", &self.running_mean);
        let variance = export.tensor("running_variance", &self.running_variance);
        let epsilon = vec![("epsilon", Attribute::Number(self.epsilon as f32))];
        Ok(export.node("BatchNormalization", &[&x, &weight, &bias, &mean, &variance], epsilon))
    }

    fn describe(&self) -> Description {
        Description::new(format!("BatchNorm({})", self.weight.len())).tensors(self)
    }
}

impl<E: Element> fmt::Display for BatchNorm<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use downhill_tensor::Parameters;

    use super::*;
    use crate::part::tests::in_two_parts;
    use crate::testing::{check_gradients, random, rng};

    fn layer() -> BatchNorm<f64> {
        let vector = |shift: f64| random(&[3], &mut rng()) + shift;
        BatchNorm {
            weight: Tensor::parameter(vector(0.0)),
            bias: Tensor::parameter(vector(0.5)),
            running_mean: vector(-1.0),
            running_variance: vector(2.0),
            ..BatchNorm::new(3)
        }
    }

    #[test]
    fn channels_have_mean_zero_and_variance_one_at_the_start() {
        for shape in [&[6, 3][..], &[4, 3, 5], &[2, 3, 4, 5]] {
            let x = random(shape, &mut rng()) * 5.0 + 2.0;
            let y = BatchNorm::new(3).epsilon(1e-12).forward_training(&x, &mut rng());
            assert_eq!(y.shape(), shape);
            let rows = y.reshape(&[shape[0], 3, shape[2..].iter().product()]);
            for mean in rows.mean_axes([0, 2]).to_vec() {
                assert_relative_eq!(mean, 0.0, epsilon = 1e-14);
            }
            for variance in rows.variance_axes([0, 2], 0).to_vec() {
                assert_relative_eq!(variance, 1.0, epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn gradients_agree_with_differences_in_training_and_evaluation() {
        for shape in [&[4, 3][..], &[2, 3, 2, 2]] {
            let x = random(shape, &mut rng());
            check_gradients(&layer(), &x, |norm, x| norm.forward_training(x, &mut rng()));
            check_gradients(&layer(), &x, |norm, x| norm.evaluate(x));
        }
    }

    #[test]
    fn channels_far_from_0_or_large_are_normalised_in_f32_as_in_f64() {
        let noise = random(&[100], &mut rng()).to_vec();
        for (offset, spread) in [(33_333.3, 0.0), (1e6, 1.0), (1e4, 0.01), (0.0, 1e20), (0.0, 3e38)]
        {
            let values: Vec<f32> = noise.iter().map(|x| (offset + spread * x) as f32).collect();
            let doubles: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
            let y = BatchNorm::new(1)
                .forward_training(&Tensor::from(values).reshape(&[100, 1]), &mut rng());
            let expected = BatchNorm::new(1)
                .forward_training(&Tensor::from(doubles).reshape(&[100, 1]), &mut rng());
            for (y, expected) in y.to_vec().into_iter().zip(expected.to_vec()) {
                assert_relative_eq!(f64::from(y), expected, epsilon = 2e-5);
            }
        }
    }

    #[test]
    fn running_averages_stay_finite_when_a_batch_is_too_large() {
        let mut norm = BatchNorm::<f32>::new(1);
        norm.forward_training(&Tensor::from([[3e38_f32], [-3e38]]), &mut rng());
        assert!(norm.running_mean.item().is_finite());
        assert!(norm.running_variance.item().is_finite());
    }

    #[test]
    fn running_averages_move_in_training_alone() {
        let mut norm = BatchNorm::<f64>::new(1).momentum(0.25);
        norm.forward_training(&Tensor::from([[1.0], [3.0]]), &mut rng());
        // The mean is 2 and the unbiased variance 2.
        assert_eq!(norm.running_mean.to_vec(), [0.5]);
        assert_eq!(norm.running_variance.to_vec(), [1.25]);
        let before = norm.clone();
        norm.evaluate(&Tensor::from([[1.0], [3.0]]));
        assert_eq!(norm.running_mean.to_vec(), before.running_mean.to_vec());
        assert_eq!(norm.running_variance.to_vec(), before.running_variance.to_vec());
    }

    #[test]
    fn two_parts_give_what_the_batch_gives() {
        for shape in [&[6, 3][..], &[4, 3, 2, 2]] {
            let x = random(shape, &mut rng()) * 5.0 + 1e3;
            let seed = random(shape, &mut rng());
            let run = |rows: std::ops::Range<usize>| {
                let (mut norm, x) = (layer(), Tensor::parameter(x.slice(0, rows.clone())));
                let y = norm.forward_training(&x, &mut rng());
                let gradients = (&y * seed.slice(0, rows)).sum().backward();
                let of = |tensor: &Tensor<f64>| gradients.get(tensor).unwrap().to_vec();
                let parameters = [of(&norm.weight), of(&norm.bias)];
                let running = [norm.running_mean.to_vec(), norm.running_variance.to_vec()];
                (y.to_vec(), of(&x), parameters, running)
            };
            let whole = run(0..shape[0]);
            let parts = in_two_parts([1, shape[0] - 1], |part| match part {
                0 => run(0..1),
                _ => run(1..shape[0]),
            });
            let equal = |found: &[f64], expected: &[f64]| {
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    assert_relative_eq!(found, expected, epsilon = 1e-11, max_relative = 1e-11);
                }
            };
            equal(&[&parts[0].0[..], &parts[1].0].concat(), &whole.0);
            equal(&[&parts[0].1[..], &parts[1].1].concat(), &whole.1);
            for index in 0..2 {
                let added = parts[0].2[index].iter().zip(&parts[1].2[index]).map(|(a, b)| a + b);
                equal(&added.collect::<Vec<_>>(), &whole.2[index]);
                equal(&parts[0].3[index], &whole.3[index]);
                assert_eq!(parts[0].3[index], parts[1].3[index]);
            }
        }
    }

    #[test]
    fn two_parts_of_huge_values_give_what_the_batch_gives() {
        for huge in [1e20_f32, 1e37, 2e38] {
            let x = Tensor::from([[huge, 1.0], [-huge, 3.0], [huge, 2.0], [huge / 2.0, 6.0]]);
            let run = |rows: std::ops::Range<usize>| {
                let mut norm = BatchNorm::<f32>::new(2);
                let y = norm.forward_training(&x.slice(0, rows), &mut rng());
                (y.to_vec(), norm.running_mean.to_vec())
            };
            let whole = run(0..4);
            let parts = in_two_parts([2, 2], |part| run(2 * part..2 * part + 2));
            for (found, expected) in [&parts[0].0[..], &parts[1].0].concat().iter().zip(&whole.0) {
                assert_relative_eq!(found, expected, max_relative = 1e-5);
            }
            for (found, expected) in parts[0].1.iter().zip(&whole.1) {
                assert_relative_eq!(found, expected, max_relative = 1e-5);
            }
        }
    }

    #[test]
    fn evaluation_uses_the_running_averages_for_each_example_alone() {
        let norm = BatchNorm::<f64> {
            running_mean: Tensor::from([10.0]),
            running_variance: Tensor::from([4.0]),
            ..BatchNorm::new(1).epsilon(0.0)
        };
        assert_eq!(norm.evaluate(&Tensor::from([[14.0]])).to_vec(), [2.0]);
    }

    #[test]
    fn running_averages_are_visited_but_not_trained() {
        let norm = layer();
        let trained: Vec<(String, bool)> =
            norm.named().into_iter().map(|(name, tensor)| (name, tensor.is_parameter())).collect();
        let expected = [
            ("weight", true),
            ("bias", true),
            ("running_mean", false),
            ("running_variance", false),
        ];
        assert_eq!(trained, expected.map(|(name, trained)| (name.to_string(), trained)));
        assert_eq!(norm.parameter_count(), 6);
        assert!(norm.to_string().ends_with("running_variance [3] (not trained)"), "{norm}");
    }

    #[test]
    #[should_panic(expected = "a batch of shape [1, 3] holds 1 values a channel")]
    fn a_batch_without_a_variance_is_refused() {
        layer().forward_training(&Tensor::zeros(&[1, 3]), &mut rng());
    }

    #[test]
    #[should_panic(expected = "BatchNorm: the input has shape [2, 4]; [N, 3]")]
    fn other_channels_are_refused() {
        layer().evaluate(&Tensor::zeros(&[2, 4]));
    }
}
