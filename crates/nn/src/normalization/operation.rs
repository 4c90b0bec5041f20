//! The normalisation of rows as one operation.

use downhill_kernels::{buffer, lanes, vectorize};
use downhill_tensor::operation::{self, Fused};
use downhill_tensor::{Element, Tensor, keep};
use ndarray::ArrayD;

/// The rows of x, normalised and scaled. With a bias they are centred first and the bias is added
/// last: layer normalisation; without one it is root mean square normalisation.
#[track_caller]
pub(super) fn normalize<E: Element>(
    layer: &str,
    x: &Tensor<E>,
    weight: &Tensor<E>,
    bias: Option<&Tensor<E>>,
    epsilon: f64,
) -> Tensor<E> {
    let width = weight.len();
    assert!(
        x.shape().last() == Some(&width),
        "{layer}: the input has shape {:?}; […, {width}] is needed",
        x.shape()
    );
    let epsilon = E::from_f64(epsilon);
    let (xs, weights) = (x.values(), weight.values());
    let biases = bias.map(Tensor::values);
    let mut normalized = buffer(x.len());
    let mut out = buffer(x.len());
    let mut scales = vec![E::zero(); x.len() / width.max(1)];
    let share = E::from_usize(width).recip();
    let rows = xs.chunks_exact(width.max(1)).zip(normalized.chunks_exact_mut(width.max(1)));
    let outs = out.chunks_exact_mut(width.max(1)).zip(&mut scales);
    vectorize(
        #[inline(always)]
        || {
            for ((x, normalized), (out, scale)) in rows.zip(outs) {
                let mean = match biases {
                    Some(_) => lanes::sum(x, x, |x, _| x) * share,
                    None => E::zero(),
                };
                let variance = lanes::sum(x, x, |x, _| (x - mean) * (x - mean)) * share;
                *scale = (variance + epsilon).sqrt().recip();
                let factor = *scale;
                lanes::map(normalized, [x], |[x]| (x - mean) * factor);
                match &biases {
                    Some(biases) => {
                        lanes::map(out, [normalized, &weights, biases], |[n, w, b]| n * w + b);
                    }
                    None => lanes::map(out, [normalized, &weights], |[n, w]| n * w),
                }
            }
        },
    );
    let inputs: Vec<&Tensor<E>> = [x, weight].into_iter().chain(bias).collect();
    let array =
        |values| ArrayD::from_shape_vec(x.shape(), values).expect("one for each value of x");
    operation::fused(&inputs, array(out), || Normalization {
        normalized: array(normalized).into(),
        scales,
        centred: bias.is_some(),
        epsilon,
    })
}

struct Normalization<E: Element> {
    normalized: Tensor<E>,
    /// What each row was multiplied by.
    scales: Vec<E>,
    centred: bool,
    epsilon: E,
}

impl<E: Element> Fused<E> for Normalization<E> {
    fn name(&self) -> &str {
        "normalize"
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let x = &inputs[0];
        let centred = if self.centred { x - x.mean_axes(keep(-1)) } else { x.clone() };
        let scale = (centred.square().mean_axes(keep(-1)) + self.epsilon).sqrt();
        let scaled = centred / scale * &inputs[1];
        if self.centred { scaled + &inputs[2] } else { scaled }
    }

    /// With n the normalised row, s its scale and g the gradient times the weights, the gradient
    /// of the row is s (g − mean(g) − n · mean(g · n)), without mean(g) if it was not centred.
    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        _output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        match index {
            0 => {}
            // Summed over the rows by the engine.
            1 => return gradient * &self.normalized,
            _ => return gradient,
        }
        let weights = inputs[1].values();
        let width = weights.len().max(1);
        let mut out = buffer(gradient.len());
        let (gradients, normalized) = (gradient.values(), self.normalized.values());
        let share = E::from_usize(width).recip();
        let rows = gradients.chunks_exact(width).zip(normalized.chunks_exact(width));
        let outs = out.chunks_exact_mut(width).zip(&self.scales);
        vectorize(
            #[inline(always)]
            || {
                for ((gradient, normalized), (out, &scale)) in rows.zip(outs) {
                    lanes::map(out, [gradient, &weights], |[gradient, weight]| gradient * weight);
                    let mean = match self.centred {
                        true => lanes::sum(out, out, |g, _| g) * share,
                        false => E::zero(),
                    };
                    let slope = lanes::sum(out, normalized, |g, n| g * n) * share;
                    lanes::zip(out, normalized, |g, n| (g - mean - n * slope) * scale);
                }
            },
        );
        ArrayD::from_shape_vec(gradient.shape(), out).expect("one for each gradient").into()
    }
}
