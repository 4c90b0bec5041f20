//! How weights are drawn before training.

use downhill_tensor::{Element, Tensor};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// The number of inputs that add up to one output, and of outputs that one input adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fans {
    /// Inputs per output.
    pub inputs: usize,
    /// Outputs per input.
    pub outputs: usize,
}

/// A distribution to draw weights from, with mean 0 and variance gain² / fan.
///
/// Layers keep the size of what flows through them if the variance of their weights is the
/// inverse of the number of terms in their sums, times the square of a gain that makes up for
/// what the activation takes away ([`Activation::gain`](crate::Activation::gain)).
///
/// Values are drawn in `f64` and then rounded, so that models in `f32` and `f64` from the same
/// seed agree.
///
/// ```
/// use downhill_nn::{Activation, Fans, Initializer};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let he = Initializer::kaiming_normal(Activation::Relu.gain());
/// let fans = Fans { inputs: 800, outputs: 100 };
/// let weight: Tensor<f64> = he.draw(&[800, 100], fans, &mut rng);
/// assert!((weight.variance(0).item() - 2.0 / 800.0).abs() < 1e-4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Initializer {
    family: Family,
    fan: Fan,
    gain: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Family {
    Uniform,
    Normal,
}

/// What the variance is divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fan {
    Inputs,
    Mean,
    One,
}

impl Initializer {
    /// Uniform with variance gain² / inputs, which keeps the variance of the activations from
    /// layer to layer (He et al., "Delving deep into rectifiers", 2015).
    pub fn kaiming_uniform(gain: f64) -> Self {
        Self { family: Family::Uniform, fan: Fan::Inputs, gain }
    }

    /// Normal with variance gain² / inputs (He et al., 2015).
    pub fn kaiming_normal(gain: f64) -> Self {
        Self { family: Family::Normal, fan: Fan::Inputs, gain }
    }

    /// Uniform with variance gain² · 2 / (inputs + outputs), a compromise between keeping the
    /// variance of the activations and that of the gradients (Glorot & Bengio, "Understanding the
    /// difficulty of training deep feedforward neural networks", 2010).
    pub fn xavier_uniform(gain: f64) -> Self {
        Self { family: Family::Uniform, fan: Fan::Mean, gain }
    }

    /// Normal with variance gain² · 2 / (inputs + outputs) (Glorot & Bengio, 2010).
    pub fn xavier_normal(gain: f64) -> Self {
        Self { family: Family::Normal, fan: Fan::Mean, gain }
    }

    /// Uniform between −`bound` and `bound`, whatever the layer's size.
    pub fn uniform(bound: f64) -> Self {
        Self { family: Family::Uniform, fan: Fan::One, gain: bound / 3.0_f64.sqrt() }
    }

    /// Normal with the given standard deviation, whatever the layer's size.
    pub fn normal(standard_deviation: f64) -> Self {
        Self { family: Family::Normal, fan: Fan::One, gain: standard_deviation }
    }

    /// What PyTorch's layers start from: uniform between ±1/√inputs, weights and biases alike.
    pub(crate) const PYTORCH: Self =
        Self { family: Family::Uniform, fan: Fan::Inputs, gain: 0.577_350_269_189_625_8 };

    /// A parameter of `shape` with values drawn from this distribution.
    ///
    /// # Panics
    ///
    /// If the shape is beyond what memory has addresses for.
    #[track_caller]
    pub fn draw<E: Element>(&self, shape: &[usize], fans: Fans, rng: &mut impl Rng) -> Tensor<E> {
        let fan = match self.fan {
            Fan::Inputs => fans.inputs as f64,
            Fan::Mean => (fans.inputs as f64 + fans.outputs as f64) / 2.0,
            Fan::One => 1.0,
        };
        let deviation = self.gain / fan.sqrt();
        let len = checked_len::<E>("Initializer::draw", shape);
        let mut sample = || match self.family {
            Family::Normal => rng.sample::<f64, _>(StandardNormal) * deviation,
            // The variance of a uniform distribution is a third of its squared bound.
            Family::Uniform => (rng.random::<f64>() * 2.0 - 1.0) * (3.0_f64.sqrt() * deviation),
        };
        let values = (0..len).map(|_| E::from_f64(sample())).collect();
        Tensor::parameter(Tensor::from_shape_vec(shape, values).expect("drawn to fill the shape"))
    }
}

/// The number of values of a layer's tensor of this shape.
#[track_caller]
pub(crate) fn checked_len<E>(layer: &str, shape: &[usize]) -> usize {
    let Some(len) = downhill_kernels::checked_len::<E>(shape) else {
        panic!("{layer}: a shape of {shape:?} is beyond what memory has addresses for")
    };
    len
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    const FANS: Fans = Fans { inputs: 300, outputs: 100 };

    fn draw<E: Element>(initializer: Initializer) -> Tensor<E> {
        initializer.draw(&[300, 100], FANS, &mut Xoshiro256PlusPlus::seed_from_u64(1))
    }

    #[test]
    fn each_distribution_has_its_mean_and_variance() {
        for (initializer, variance) in [
            (Initializer::kaiming_uniform(1.5), 2.25 / 300.0),
            (Initializer::kaiming_normal(1.5), 2.25 / 300.0),
            (Initializer::xavier_uniform(1.5), 2.25 / 200.0),
            (Initializer::xavier_normal(1.5), 2.25 / 200.0),
            (Initializer::uniform(0.3), 0.03),
            (Initializer::normal(0.3), 0.09),
            (Initializer::PYTORCH, 1.0 / 900.0),
        ] {
            let sample: Tensor<f64> = draw(initializer);
            // 30,000 draws: five standard errors of the mean, and of the variance of a normal.
            let error = 5.0 * (variance / 30_000.0_f64).sqrt();
            assert!(sample.mean().item().abs() < error, "{initializer:?}");
            assert_relative_eq!(sample.variance(1).item(), variance, max_relative = 0.041);
        }
    }

    #[test]
    fn uniform_draws_fill_their_bounds_and_no_more() {
        for (initializer, bound) in [
            (Initializer::uniform(0.3), 0.3),
            (Initializer::PYTORCH, 300.0_f64.sqrt().recip()),
            (Initializer::xavier_uniform(1.0), (6.0 / 400.0_f64).sqrt()),
        ] {
            let sample: Tensor<f64> = draw(initializer);
            let (min, max) = (sample.min().item(), sample.max().item());
            assert!(-bound <= min && min < -0.999 * bound, "{initializer:?}: {min}");
            assert!(0.999 * bound < max && max <= bound, "{initializer:?}: {max}");
        }
    }

    #[test]
    fn normal_draws_have_the_fourth_moment_of_a_normal_distribution() {
        let sample: Tensor<f64> = draw(Initializer::normal(1.0));
        assert_relative_eq!(sample.powi(4).mean().item(), 3.0, max_relative = 0.06);
    }

    #[test]
    fn f32_and_f64_draws_of_one_seed_agree() {
        let initializer = Initializer::kaiming_normal(1.0);
        let (single, double) = (draw::<f32>(initializer), draw::<f64>(initializer));
        let rounded: Vec<f32> = double.to_vec().into_iter().map(|x| x as f32).collect();
        assert_eq!(single.to_vec(), rounded);
        assert!(single.is_parameter());
    }
}
