//! Layer normalisation, and its relative without a mean.

mod operation;

use downhill_tensor::{Element, Tensor, parameters};

use self::operation::normalize;
use crate::description::Description;
use crate::module::same_in_training;

/// Normalises each vector along the last axis to mean 0 and variance 1, and then scales and
/// shifts it: (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros & Hinton, "Layer
/// normalization", 2016). Input and output `[…, width]`.
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `weight` | `[width]`, 1 at the start | the same |
/// | `bias` | `[width]`, 0 at the start | the same |
///
/// ```
/// use downhill_nn::LayerNorm;
/// use downhill_tensor::Tensor;
///
/// let norm = LayerNorm::new(2).epsilon(0.0);
/// assert_eq!(norm.forward(&Tensor::from([[3.0, 7.0]])).to_vec(), [-1.0, 1.0]);
/// ```
#[derive(Debug, Clone)]
pub struct LayerNorm<E: Element = f32> {
    /// What the normalised vectors are multiplied by, `[width]`.
    pub weight: Tensor<E>,
    /// What is added to them then, `[width]`.
    pub bias: Tensor<E>,
    epsilon: f64,
}
parameters!(LayerNorm<E> { weight, bias });

impl<E: Element> LayerNorm<E> {
    /// A layer for vectors of length `width`, with ε = 10⁻⁵.
    pub fn new(width: usize) -> Self {
        let weight = Tensor::parameter(Tensor::ones(&[width]));
        Self { weight, bias: Tensor::parameter(Tensor::zeros(&[width])), epsilon: 1e-5 }
    }

    /// With another ε, which is added to the variance.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The normalised vectors.
    ///
    /// # Panics
    ///
    /// If the last axis of x does not have the length `width`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        normalize("LayerNorm", x, &self.weight, Some(&self.bias), self.epsilon)
    }
}

same_in_training!(LayerNorm<E>, |norm: &LayerNorm<E>| {
    Description::new(format!("LayerNorm({})", norm.weight.len())).tensors(norm)
});

/// Divides each vector along the last axis by its root mean square, and then scales it:
/// x / √(mean of x² + ε) · weight (Zhang & Sennrich, "Root mean square layer normalization",
/// 2019). Input and output `[…, width]`.
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `weight` | `[width]`, 1 at the start | the same |
///
/// ```
/// use downhill_nn::RmsNorm;
/// use downhill_tensor::Tensor;
///
/// let norm = RmsNorm::new(4).epsilon(0.0);
/// assert_eq!(norm.forward(&Tensor::from([2.0, 2.0, -2.0, 2.0])).to_vec(), [1.0, 1.0, -1.0, 1.0]);
/// ```
#[derive(Debug, Clone)]
pub struct RmsNorm<E: Element = f32> {
    /// What the normalised vectors are multiplied by, `[width]`.
    pub weight: Tensor<E>,
    epsilon: f64,
}
parameters!(RmsNorm<E> { weight });

impl<E: Element> RmsNorm<E> {
    /// A layer for vectors of length `width`, with ε = 10⁻⁵.
    pub fn new(width: usize) -> Self {
        Self { weight: Tensor::parameter(Tensor::ones(&[width])), epsilon: 1e-5 }
    }

    /// With another ε, which is added to the mean square.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The normalised vectors.
    ///
    /// # Panics
    ///
    /// If the last axis of x does not have the length `width`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        normalize("RmsNorm", x, &self.weight, None, self.epsilon)
    }
}

same_in_training!(RmsNorm<E>, |norm: &RmsNorm<E>| {
    Description::new(format!("RmsNorm({})", norm.weight.len())).tensors(norm)
});

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    /// Weights and biases that are not those of the start.
    fn layers(width: usize) -> (LayerNorm<f64>, RmsNorm<f64>) {
        let weight = Tensor::parameter(random(&[width], &mut rng()));
        let bias = Tensor::parameter(random(&[width], &mut rng()).exp());
        let norm = LayerNorm { weight: weight.clone(), bias, epsilon: 1e-5 };
        (norm, RmsNorm { weight, epsilon: 1e-5 })
    }

    #[test]
    fn rows_have_mean_zero_and_variance_one_at_the_start() {
        for width in [1, 2, 15, 16, 17, 100] {
            let x = random(&[3, width], &mut rng()) * 5.0 + 2.0;
            let y = LayerNorm::new(width).epsilon(1e-12).forward(&x);
            for mean in y.mean_axes(-1).to_vec() {
                assert_relative_eq!(mean, 0.0, epsilon = 1e-13);
            }
            let expected = if width == 1 { 0.0 } else { 1.0 };
            for variance in y.variance_axes(-1, 0).to_vec() {
                assert_relative_eq!(variance, expected, epsilon = 1e-9);
            }
            let y = RmsNorm::new(width).epsilon(1e-12).forward(&x);
            for mean_square in y.square().mean_axes(-1).to_vec() {
                assert_relative_eq!(mean_square, 1.0, epsilon = 1e-9);
            }
        }
    }

    #[test]
    fn a_common_offset_far_larger_than_the_spread_does_no_harm() {
        let x = Tensor::from([[10_000.0_f32, 10_001.0, 10_002.0, 10_003.0]]);
        let y = LayerNorm::new(4).forward(&x).to_vec();
        let expected = [-1.341_635_4, -0.447_211_8, 0.447_211_8, 1.341_635_4];
        for (y, expected) in y.into_iter().zip(expected) {
            assert_relative_eq!(y, expected, max_relative = 1e-6);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        for shape in [&[3, 5][..], &[2, 2, 3], &[4]] {
            let x = random(shape, &mut rng());
            let (layer_norm, rms_norm) = layers(shape[shape.len() - 1]);
            check_gradients(&layer_norm, &x, |norm, x| norm.forward(x));
            check_gradients(&rms_norm, &x, |norm, x| norm.forward(x));
        }
    }

    #[test]
    fn an_empty_batch_stays_empty() {
        let (layer_norm, rms_norm) = layers(3);
        let x = Tensor::zeros(&[0, 3]);
        assert_eq!(layer_norm.forward(&x).shape(), [0, 3]);
        assert_eq!(rms_norm.forward(&x).shape(), [0, 3]);
    }

    #[test]
    fn nan_stays_in_its_row() {
        let x = Tensor::from([[1.0, f64::NAN, 3.0], [1.0, 2.0, 3.0]]);
        let (layer_norm, rms_norm) = layers(3);
        for y in [layer_norm.forward(&x), rms_norm.forward(&x)] {
            let nan: Vec<bool> = y.to_vec().into_iter().map(f64::is_nan).collect();
            assert_eq!(nan, [true, true, true, false, false, false]);
        }
    }

    #[test]
    #[should_panic(expected = "LayerNorm: the input has shape [2, 4]; […, 3] is needed")]
    fn vectors_of_another_length_are_refused() {
        layers(3).0.forward(&Tensor::zeros(&[2, 4]));
    }
}
