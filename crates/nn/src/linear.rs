//! The affine map.

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::initializer::{Fans, Initializer, checked_len};
use crate::module::same_in_training;

/// The affine map x · W + b: input `[…, inputs]`, output `[…, outputs]`.
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `weight` | `[inputs, outputs]` | `weight` `[outputs, inputs]`, the transpose |
/// | `bias` | `[outputs]` | `bias` |
///
/// ```
/// use downhill_nn::Linear;
/// use downhill_tensor::Tensor;
///
/// let weight = Tensor::parameter([[1.0], [2.0]]);
/// let linear = Linear { weight, bias: Some(Tensor::parameter([0.5])) };
/// assert_eq!(linear.forward(&Tensor::from([[3.0, 4.0]])).to_vec(), [11.5]);
/// ```
#[derive(Debug, Clone)]
pub struct Linear<E: Element = f32> {
    /// W, `[inputs, outputs]`.
    pub weight: Tensor<E>,
    /// b, `[outputs]`, if there is one.
    pub bias: Option<Tensor<E>>,
}
parameters!(Linear<E> { weight, bias });

impl<E: Element> Linear<E> {
    /// A layer with PyTorch's start: weights and biases uniform between ±1/√inputs.
    ///
    /// # Panics
    ///
    /// If either size is 0.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, rng: &mut impl Rng) -> Self {
        assert!(
            inputs > 0 && outputs > 0,
            "Linear: {inputs} inputs and {outputs} outputs; there must be at least one of each"
        );
        checked_len::<E>("Linear", &[inputs, outputs]);
        let mut draw =
            |shape: &[usize]| Initializer::PYTORCH.draw(shape, Fans { inputs, outputs }, rng);
        Self { weight: draw(&[inputs, outputs]), bias: Some(draw(&[outputs])) }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// With weights drawn anew, and biases of 0.
    pub fn initialize(self, initializer: Initializer, rng: &mut impl Rng) -> Self {
        let fans = Fans { inputs: self.inputs(), outputs: self.outputs() };
        let zeros = |bias: Tensor<E>| Tensor::parameter(Tensor::zeros(bias.shape()));
        Self {
            weight: initializer.draw(self.weight.shape(), fans, rng),
            bias: self.bias.map(zeros),
        }
    }

    /// x · W + b for each vector along the last axis of x.
    ///
    /// # Panics
    ///
    /// If the last axis of x does not have the length `inputs`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        match &self.bias {
            Some(bias) => x.linear(&self.weight, bias),
            None => x.matmul(&self.weight),
        }
    }

    /// The length of the vectors that go in.
    pub fn inputs(&self) -> usize {
        self.weight.shape()[0]
    }

    /// The length of the vectors that come out.
    pub fn outputs(&self) -> usize {
        self.weight.shape()[1]
    }
}

impl<E: Element> Linear<E> {
    pub(crate) fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let weight = export.tensor("weight", &self.weight);
        let product = export.node("MatMul", &[&x, &weight], vec![]);
        let Some(bias) = &self.bias else { return Ok(product) };
        let bias = export.tensor("bias", bias);
        Ok(export.node("Add", &[&product, &bias], vec![]))
    }
}

same_in_training!(Linear<E>, |linear: &Linear<E>| {
    Description::new(format!("Linear({} → {})", linear.inputs(), linear.outputs())).tensors(linear)
});

#[cfg(test)]
mod tests {
    use downhill_tensor::Parameters;

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    #[test]
    fn gradients_agree_with_differences_with_and_without_bias() {
        let linear = Linear::new(3, 2, &mut rng());
        let x = random(&[4, 3], &mut rng());
        check_gradients(&linear, &x, |linear, x| linear.forward(x));
        check_gradients(&linear.without_bias(), &x, |linear, x| linear.forward(x));
    }

    #[test]
    fn vectors_along_the_last_axis_are_mapped_one_by_one() {
        let linear = Linear::new(3, 2, &mut rng());
        let x = random(&[2, 5, 3], &mut rng());
        let y = linear.forward(&x);
        assert_eq!(y.shape(), [2, 5, 2]);
        assert_eq!(y.to_vec(), linear.forward(&x.reshape(&[10, 3])).to_vec());
    }

    #[test]
    fn the_start_is_within_one_over_the_root_of_the_inputs() {
        let linear: Linear<f64> = Linear::new(16, 50, &mut rng());
        let tensors = linear.named();
        assert_eq!(tensors[0].0, "weight");
        assert_eq!(tensors[1].0, "bias");
        for (name, tensor) in tensors {
            let largest = tensor.abs().max().item();
            assert!((0.24..=0.25).contains(&largest), "{name}: {largest}");
        }
    }

    #[test]
    fn an_initializer_draws_the_weights_and_clears_the_bias() {
        let linear: Linear<f64> = Linear::new(300, 100, &mut rng());
        let linear = linear.initialize(Initializer::xavier_normal(1.0), &mut rng());
        let variance = linear.weight.variance(0).item();
        approx::assert_relative_eq!(variance, 2.0 / 400.0, max_relative = 0.05);
        let bias = linear.bias.expect("a layer has a bias unless told otherwise");
        assert!(bias.is_parameter() && bias.to_vec() == vec![0.0; 100]);
    }

    #[test]
    #[should_panic(expected = "Linear: 0 inputs and 2 outputs")]
    fn a_size_of_zero_is_refused() {
        let _: Linear = Linear::new(0, 2, &mut rng());
    }
}
