//! Activations: what makes a network more than one matrix.

use std::fmt;

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Tensor, with_recording};

use crate::description::Description;
use crate::error::Error;
use crate::module::same_in_training;

/// A function applied to every value between layers. Input and output have the same shape.
///
/// ```
/// use downhill_nn::Activation;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::from([-2.0, 3.0]);
/// assert_eq!(Activation::Relu.forward(&x).to_vec(), [0.0, 3.0]);
/// assert_eq!(Activation::LeakyRelu(0.1).forward(&x).to_vec(), [-0.2, 3.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x where positive, this slope times x elsewhere.
    LeakyRelu(f64),
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// ln(1 + eˣ).
    Softplus,
    /// x · Φ(x), with the exact normal distribution function.
    Gelu,
    /// x · Φ(x), with GPT-2's approximation of Φ by a hyperbolic tangent.
    GeluTanh,
    /// x / (1 + e⁻ˣ), also called swish.
    Silu,
}

impl Activation {
    /// The function of each value.
    #[inline(never)]
    pub fn forward<E: Element>(&self, x: &Tensor<E>) -> Tensor<E> {
        match *self {
            Self::Relu => x.relu(),
            Self::LeakyRelu(slope) => x.leaky_relu(E::from_f64(slope)),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Softplus => x.softplus(),
            Self::Gelu => x.gelu(),
            Self::GeluTanh => x.gelu_tanh(),
            Self::Silu => x.silu(),
        }
    }

    /// The factor by which weights before this activation are drawn larger than for a linear
    /// network, so that signals keep their size ([`Initializer`](crate::Initializer)).
    ///
    /// It is 1 / √E\[f(z)²\] for a standard normal z, which for the rectifiers is
    /// √(2 / (1 + slope²)) (He et al., 2015); but for [`Tanh`](Self::Tanh) and
    /// [`Sigmoid`](Self::Sigmoid) PyTorch's customary 5/3 and 1.
    pub fn gain(&self) -> f64 {
        match self {
            Self::Relu => std::f64::consts::SQRT_2,
            Self::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Self::Tanh => 5.0 / 3.0,
            Self::Sigmoid => 1.0,
            Self::Softplus => 1.041_866_835_535_301_6,
            Self::Gelu => 1.533_530_441_195_535_3,
            Self::GeluTanh => 1.533_580_521_666_147,
            Self::Silu => 1.676_532_470_331_090_1,
        }
    }
}
impl Activation {
    pub(crate) fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        // Each is one operation, which says how it is written.
        let output = with_recording(true, || self.forward(&Tensor::<f32>::parameter(0.0)));
        let operation = output.operation();
        let written = operation.and_then(|operation| operation.export(&[&x], &output, export));
        Ok(written.expect("every activation is an operation with a counterpart"))
    }
}

same_in_training!(Activation, |activation: &Activation| Description::new(activation.to_string()));

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn each_activation_is_the_function_it_names() {
        let x = Tensor::from([-1.5, 0.0, 2.0]);
        for (activation, expected) in [
            (Activation::Relu, [0.0, 0.0, 2.0]),
            (Activation::LeakyRelu(0.5), [-0.75, 0.0, 2.0]),
            (Activation::Tanh, [-0.905_148_253_644_866_4, 0.0, 0.964_027_580_075_816_9]),
            (Activation::Sigmoid, [0.182_425_523_806_356_35, 0.5, 0.880_797_077_977_882_3]),
            (
                Activation::Softplus,
                [0.201_413_277_982_752_46, 2.0_f64.ln(), 2.126_928_011_042_972_7],
            ),
            (Activation::Gelu, [-0.100_210_801_903_287_16, 0.0, 1.954_499_736_103_642]),
            (Activation::GeluTanh, [-0.100_428_423_019_767_07, 0.0, 1.954_597_694_087_775]),
            (Activation::Silu, [-0.273_638_285_709_534_5, 0.0, 1.761_594_155_955_764_7]),
        ] {
            for (value, expected) in activation.forward(&x).to_vec().into_iter().zip(expected) {
                assert_relative_eq!(value, expected, max_relative = 1e-14);
            }
        }
    }

    /// The mean of f(z)² over the standard normal distribution, by the trapezoidal rule, which
    /// converges fast for smooth functions that vanish at the ends.
    fn second_moment(activation: Activation) -> f64 {
        let grid: Vec<f64> = (-12_000..=12_000).map(|step| f64::from(step) * 1e-3).collect();
        let values = activation.forward(&Tensor::from(grid.clone())).to_vec();
        let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
        grid.iter().zip(values).map(|(&z, value)| value * value * density(z) * 1e-3).sum()
    }

    #[test]
    fn a_gain_makes_up_for_the_second_moment_that_the_activation_takes() {
        for activation in [
            Activation::Relu,
            Activation::LeakyRelu(0.2),
            Activation::Softplus,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Silu,
        ] {
            let gain = activation.gain();
            assert_relative_eq!(gain * gain * second_moment(activation), 1.0, max_relative = 1e-9);
        }
    }
}
