//! Two-dimensional convolution.

mod operation;
mod patches;
#[cfg(test)]
mod tests;

pub(crate) use operation::convolution;

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::initializer::{Fans, Initializer, checked_len};
use crate::module::same_in_training;
use crate::window::{Pair, Window};

/// Slides a kernel over images: input `[N, inputs, H, W]`, output `[N, outputs, H′, W′]` with
/// H′ = ⌊(H + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1, and W′ alike. (As
/// everywhere in machine learning it is the cross-correlation: the kernel is not flipped.)
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `weight` | `[outputs, inputs / groups, kernel height, kernel width]` | the same |
/// | `bias` | `[outputs]` | the same |
///
/// Kernel, stride, padding and dilation are one number or two, height before width.
///
/// ```
/// use downhill_nn::Conv2d;
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let convolution = Conv2d::new(1, 16, 3, &mut rng).padding(1).stride([1, 2]);
/// let images: Tensor = Tensor::zeros(&[5, 1, 8, 8]);
/// assert_eq!(convolution.forward(&images).shape(), [5, 16, 8, 4]);
/// ```
#[derive(Debug, Clone)]
pub struct Conv2d<E: Element = f32> {
    /// The kernels, `[outputs, inputs / groups, kernel height, kernel width]`.
    pub weight: Tensor<E>,
    /// What is added to each output channel, `[outputs]`, if anything is.
    pub bias: Option<Tensor<E>>,
    window: Window,
    groups: usize,
    /// Whether images keep their size.
    same: bool,
}
parameters!(Conv2d<E> { weight, bias, window: _, groups: _, same: _ });

impl<E: Element> Conv2d<E> {
    /// A convolution with stride 1 and no padding. The start is PyTorch's: weights and biases
    /// uniform between ±1/√(inputs · kernel size).
    ///
    /// # Panics
    ///
    /// If a size is 0.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Pair>, rng: &mut impl Rng) -> Self {
        Self::grouped(inputs, outputs, kernel, 1, rng)
    }

    /// A convolution in which the channels are split into groups, in order, that do not mix: each
    /// output channel sees the inputs / groups channels of its own group. With as many groups as
    /// inputs it is called depthwise.
    ///
    /// # Panics
    ///
    /// If a size is 0, or `groups` does not divide both numbers of channels.
    #[track_caller]
    pub fn grouped(
        inputs: usize,
        outputs: usize,
        kernel: impl Into<Pair>,
        groups: usize,
        rng: &mut impl Rng,
    ) -> Self {
        assert!(
            inputs > 0 && outputs > 0,
            "Conv2d: {inputs} input and {outputs} output channels; there must be at least one of \
             each"
        );
        assert!(
            groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups),
            "Conv2d: {groups} groups do not divide {inputs} input and {outputs} output channels"
        );
        let window = Window::new("Conv2d", kernel.into(), 1.into());
        let Pair(height, width) = window.kernel();
        let shape = [outputs, inputs / groups, height, width];
        checked_len::<E>("Conv2d", &shape);
        let fans = fans(&shape, groups);
        let weight = Initializer::PYTORCH.draw(&shape, fans, rng);
        let bias = Some(Initializer::PYTORCH.draw(&[outputs], fans, rng));
        Self { weight, bias, window, groups, same: false }
    }

    /// Moves the kernel by `stride` from one output to the next.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { window: self.window.stride("Conv2d", stride.into()), ..self }
    }

    /// Surrounds the images with `padding` zeros on every side.
    pub fn padding(self, padding: impl Into<Pair>) -> Self {
        Self { window: self.window.padding(padding.into()), same: false, ..self }
    }

    /// Surrounds the images with as many zeros as keep their size at stride 1, PyTorch's
    /// `padding="same"`: half of dilation · (kernel − 1) on either side, and one more below and on
    /// the right if that is odd.
    ///
    /// ```
    /// use downhill_nn::Conv2d;
    /// use downhill_tensor::Tensor;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// let convolution = Conv2d::new(1, 2, [4, 3], &mut rng).padding_same();
    /// let images: Tensor = Tensor::zeros(&[5, 1, 8, 6]);
    /// assert_eq!(convolution.forward(&images).shape(), [5, 2, 8, 6]);
    /// ```
    pub fn padding_same(self) -> Self {
        Self { same: true, ..self }
    }

    /// Spreads the kernel, with `dilation` − 1 points left out between each two of it.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { window: self.window.dilation("Conv2d", dilation.into()), ..self }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        Self { bias: None, ..self }
    }

    /// With weights drawn anew, and biases of 0.
    pub fn initialize(self, initializer: Initializer, rng: &mut impl Rng) -> Self {
        let shape = self.weight.shape();
        let weight = initializer.draw(shape, fans(shape, self.groups), rng);
        let zeros = |bias: Tensor<E>| Tensor::parameter(Tensor::zeros(bias.shape()));
        Self { weight, bias: self.bias.map(zeros), ..self }
    }

    /// The output channels of each image.
    ///
    /// # Panics
    ///
    /// If x is not `[N, inputs, H, W]`, or its images are smaller than the kernel. If they are to
    /// keep their size and the stride is not 1.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        if !self.same || x.ndim() != 4 {
            return convolution(x, &self.weight, self.bias.as_ref(), self.window, self.groups);
        }
        let spans = self.window.0;
        assert!(
            spans.iter().all(|span| span.stride == 1),
            "Conv2d: images keep their size at stride 1 alone, but it is {}",
            Pair(spans[0].stride, spans[1].stride)
        );
        let [down, along] = spans.map(|span| span.dilation.saturating_mul(span.kernel - 1));
        let window = self.window.padding(Pair(down / 2, along / 2));
        let mut x = x.clone();
        for (axis, padding) in [(2, down), (3, along)] {
            if padding % 2 == 1 {
                x = x.pad(axis, 0, 1, E::zero());
            }
        }
        convolution(&x, &self.weight, self.bias.as_ref(), window, self.groups)
    }
}

fn fans(weight: &[usize], groups: usize) -> Fans {
    let kernel = weight[2] * weight[3];
    Fans { inputs: weight[1] * kernel, outputs: weight[0] / groups * kernel }
}

impl<E: Element> Conv2d<E> {
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let weight = export.tensor("weight", &self.weight);
        let bias = self.bias.as_ref().map(|bias| export.tensor("bias", bias));
        let mut attributes = self.window.convolution_attributes(self.groups);
        if self.same {
            let all = self.window.0.map(|span| (span.dilation * (span.kernel - 1)) as i64);
            let pads = [all.map(|all| all / 2), all.map(|all| all - all / 2)].concat();
            attributes.retain(|(name, _)| *name != "pads");
            attributes.push(("pads", Attribute::Integers(pads)));
        }
        let inputs: Vec<&str> = [Some(&x), Some(&weight), bias.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        Ok(export.node("Conv", &inputs, attributes))
    }
}

same_in_training!(Conv2d<E>, |convolution: &Conv2d<E>| {
    let Conv2d { weight, window, groups, same, .. } = convolution;
    let (inputs, outputs) = (weight.shape()[1] * groups, weight.shape()[0]);
    let groups = if *groups == 1 { String::new() } else { format!(", {groups} groups") };
    let same = if *same { ", same size" } else { "" };
    Description::new(format!("Conv2d({inputs} → {outputs}, {window}{same}{groups})"))
        .tensors(convolution)
});
