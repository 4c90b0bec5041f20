//! Layer normalisation, and its relative without a mean.

pub(crate) mod operation;

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, parameters};

use self::operation::Normalize;
use crate::description::Description;
use crate::error::Error;
use crate::module::same_in_training;

/// Normalises each vector along the last axis to mean 0 and variance 1, and then scales and
/// shifts it: (x − mean) / √(variance + ε) · weight + bias (Ba, Kiros & Hinton, "Layer
/// normalization", 2016). Input and output `[…, width]`. Several last axes can be normalised
/// together ([`over`](Self::over)).
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `weight` | `[width]`, 1 at the start | the same |
/// | `bias` | `[width]`, 0 at the start | the same |
///
/// A vector of any finite values is normalised to within a few roundings of its largest deviation,
/// however far it is from 0, and however large or small.
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
    /// What is added to them then, `[width]`, if there is one.
    pub bias: Option<Tensor<E>>,
    /// The lengths of the last axes, whose product is the width.
    shape: Vec<usize>,
    epsilon: f64,
}
parameters!(LayerNorm<E> { weight, bias, shape: _, epsilon: _ });

impl<E: Element> LayerNorm<E> {
    /// A layer for vectors of length `width`, with ε = 10⁻⁵.
    pub fn new(width: usize) -> Self {
        Self::over(&[width])
    }

    /// A layer that normalises the last axes, which have this shape, together: PyTorch's
    /// `normalized_shape`. The width is their product.
    ///
    /// ```
    /// use downhill_nn::LayerNorm;
    /// use downhill_tensor::Tensor;
    ///
    /// let norm = LayerNorm::over(&[2, 2]).epsilon(0.0).without_bias();
    /// let images: Tensor = Tensor::from([[3.0, 7.0], [7.0, 3.0]]).reshape(&[1, 2, 2]);
    /// assert_eq!(norm.forward(&images).to_vec(), [-1.0, 1.0, 1.0, -1.0]);
    /// ```
    pub fn over(shape: &[usize]) -> Self {
        let width = shape.iter().product();
        let weight = Tensor::parameter(Tensor::ones(&[width]));
        let bias = Some(Tensor::parameter(Tensor::zeros(&[width])));
        Self { weight, bias, shape: shape.to_vec(), epsilon: 1e-5 }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// With another ε, which is added to the variance.
    ///
    /// # Panics
    ///
    /// If ε is negative or not finite.
    #[track_caller]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon: checked_epsilon("LayerNorm", epsilon), ..self }
    }

    /// The normalised vectors.
    ///
    /// # Panics
    ///
    /// If the last axes of x are not those that the layer was made for.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        check_last_axes("LayerNorm", x, &self.shape);
        let (weight, bias) = (Some(&self.weight), self.bias.as_ref());
        let normalize = Normalize { centred: true, epsilon: self.epsilon, weight, bias };
        if self.shape.len() == 1 {
            return normalize.apply(x).0;
        }
        let others = &x.shape()[..x.ndim() - self.shape.len()];
        let rows = x.reshape(&[others, &[self.weight.len()]].concat());
        normalize.apply(&rows).0.reshape(x.shape())
    }
}

#[track_caller]
pub(crate) fn checked_epsilon(layer: &str, epsilon: f64) -> f64 {
    assert!(
        epsilon >= 0.0 && epsilon.is_finite(),
        "{layer}: ε is {epsilon}; it must be 0 or more and finite"
    );
    epsilon
}

#[track_caller]
fn check_last_axes<E: Element>(layer: &str, x: &Tensor<E>, last: &[usize]) {
    assert!(
        x.shape().ends_with(last),
        "{layer}: the input has shape {:?}; […, {}] is needed",
        x.shape(),
        list(last)
    );
}

fn list(lengths: &[usize]) -> String {
    lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

impl<E: Element> LayerNorm<E> {
    pub(crate) fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let weight = export.tensor("weight", &self.weight.reshape(&self.shape));
        let bias = self.bias.as_ref();
        let bias = bias.map(|bias| export.tensor("bias", &bias.reshape(&self.shape)));
        let inputs: Vec<&str> = [Some(&x), Some(&weight), bias.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let attributes = vec![
            ("axis", Attribute::Integer(-(self.shape.len() as i64))),
            ("epsilon", Attribute::Number(self.epsilon as f32)),
        ];
        Ok(export.node("LayerNormalization", &inputs, attributes))
    }
}

same_in_training!(LayerNorm<E>, |norm: &LayerNorm<E>| {
    Description::new(format!("LayerNorm({})", list(&norm.shape))).tensors(norm)
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
parameters!(RmsNorm<E> { weight, epsilon: _ });

impl<E: Element> RmsNorm<E> {
    /// A layer for vectors of length `width`, with ε = 10⁻⁵.
    pub fn new(width: usize) -> Self {
        Self { weight: Tensor::parameter(Tensor::ones(&[width])), epsilon: 1e-5 }
    }

    /// With another ε, which is added to the mean square.
    ///
    /// # Panics
    ///
    /// If ε is negative or not finite.
    #[track_caller]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon: checked_epsilon("RmsNorm", epsilon), ..self }
    }

    /// The normalised vectors.
    ///
    /// # Panics
    ///
    /// If the last axis of x does not have the length `width`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        check_last_axes("RmsNorm", x, self.weight.shape());
        let (epsilon, weight) = (self.epsilon, Some(&self.weight));
        Normalize { centred: false, epsilon, weight, bias: None }.apply(x).0
    }
}

impl<E: Element> RmsNorm<E> {
    /// ONNX has an operator for it, but only in its newest versions.
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let weight = export.tensor("weight", &self.weight);
        let axes: Vec<i64> = (1..=self.weight.ndim() as i64).map(|axis| -axis).collect();
        let axes = export.integers("axes", &axes);
        let epsilon = export.number("epsilon", E::from_f64(self.epsilon));
        let square = export.node("Mul", &[&x, &x], vec![]);
        let mean = export.node("ReduceMean", &[&square, &axes], vec![]);
        let sum = export.node("Add", &[&mean, &epsilon], vec![]);
        let root = export.node("Sqrt", &[&sum], vec![]);
        let normal = export.node("Div", &[&x, &root], vec![]);
        Ok(export.node("Mul", &[&normal, &weight], vec![]))
    }
}

same_in_training!(RmsNorm<E>, |norm: &RmsNorm<E>| {
    Description::new(format!("RmsNorm({})", norm.weight.len())).tensors(norm)
});

#[cfg(test)]
mod tests;
