//! The normalisation of rows as one operation.

use downhill_kernels::{all_finite, buffer, lanes, vectorize};
use downhill_tensor::{Element, Fused, Tensor, fused, keep, vjp_by_definition};
use ndarray::ArrayD;

/// What is done with the rows of a tensor, each the values along its last axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalize<'a, E: Element> {
    /// Whether the mean of a row is subtracted first.
    pub(crate) centred: bool,
    /// What is added to the mean square before its root is taken.
    pub(crate) epsilon: f64,
    /// What rows are multiplied by in the end, of a row's shape.
    pub(crate) weight: Option<&'a Tensor<E>>,
    /// What is added to them then. Needs a weight.
    pub(crate) bias: Option<&'a Tensor<E>>,
}

/// ε as a number of `E`, where one above 0 stays so.
pub(crate) fn epsilon_in<E: Element>(epsilon: f64) -> E {
    match epsilon > 0.0 {
        true => E::from_f64(epsilon).max(E::min_positive_value()),
        false => E::zero(),
    }
}

/// The mean and the mean square deviation of each row; without centring the mean counts as 0.
pub(crate) struct Statistics<E> {
    pub(crate) means: Vec<E>,
    pub(crate) variances: Vec<E>,
}

impl<E: Element> Normalize<'_, E> {
    /// (x − mean) / √(variance + ε) · weight + bias, and what it found of each row.
    #[inline(never)]
    pub(crate) fn apply(self, x: &Tensor<E>) -> (Tensor<E>, Statistics<E>) {
        let shape = x.shape();
        let width = shape.last().copied().unwrap_or(1).max(1);
        let epsilon = epsilon_in(self.epsilon);
        let xs = x.values();
        let (weights, biases) = (self.weight.map(Tensor::values), self.bias.map(Tensor::values));
        let mut normalized = buffer(x.len());
        let mut out = buffer(if weights.is_some() { x.len() } else { 0 });
        let mut moments = vec![Moments::default(); x.len() / width];
        let rows = xs.chunks_exact(width).zip(normalized.chunks_exact_mut(width));
        vectorize(
            #[inline(always)]
            || {
                for (row, ((x, normalized), moments)) in rows.zip(&mut moments).enumerate() {
                    *moments = Moments::of(x, self.centred, E::one(), epsilon);
                    if moments.are_exact(epsilon) {
                        let Moments { near, rest, factor, .. } = *moments;
                        lanes::map(normalized, [x], |[x]| (x - near - rest) * factor);
                    } else {
                        *moments = normalize_in_own_unit(normalized, x, self.centred, epsilon);
                    }
                    let Some(weights) = &weights else { continue };
                    let out = &mut out[row * width..][..width];
                    match &biases {
                        Some(biases) => {
                            lanes::map(out, [normalized, weights, biases], |[n, w, b]| n * w + b);
                        }
                        None => lanes::map(out, [normalized, weights], |[n, w]| n * w),
                    }
                }
            },
        );
        let statistics = Statistics {
            means: moments.iter().map(|row| (row.near + row.rest) / row.unit).collect(),
            variances: moments.iter().map(|row| row.variance / row.unit / row.unit).collect(),
        };
        let array =
            |values| ArrayD::from_shape_vec(shape, values).expect("one for each value of x");
        let value = match self.weight {
            Some(weight) => {
                let inputs: Vec<_> = [x, weight].into_iter().chain(self.bias).collect();
                let saved = || self.saved(x, &moments, Some(array(normalized).into()));
                fused(&inputs, array(out), saved)
            }
            None => fused(&[x], array(normalized), || self.saved(x, &moments, None)),
        };
        (value, statistics)
    }

    fn saved(
        &self,
        x: &Tensor<E>,
        moments: &[Moments<E>],
        normalized: Option<Tensor<E>>,
    ) -> Normalization<E> {
        let units = moments.iter().any(|row| row.unit != E::one()).then(|| {
            let mut shape = x.shape().to_vec();
            *shape.last_mut().expect("a row has an axis") = 1;
            let units = moments.iter().map(|row| row.unit).collect();
            Tensor::from_shape_vec(&shape, units).expect("one for each row")
        });
        Normalization {
            normalized,
            scales: moments.iter().map(|row| row.factor * row.unit).collect(),
            units,
            centred: self.centred,
            epsilon: epsilon_in(self.epsilon),
        }
    }
}

/// What a row is normalised with: it becomes (x · unit − near − rest) · factor.
#[derive(Debug, Clone, Copy, Default)]
struct Moments<E> {
    unit: E,
    /// The mean, rounded.
    near: E,
    /// What the rounding left of it. For a row far from 0 that is much of its deviation.
    rest: E,
    variance: E,
    factor: E,
}

impl<E: Element> Moments<E> {
    /// Of a row that has been multiplied by `unit`, and `epsilon` by its square.
    #[inline(always)]
    fn of(x: &[E], centred: bool, unit: E, epsilon: E) -> Self {
        let over_width = E::from_usize(x.len()).recip();
        let (mut near, mut rest) = (E::zero(), E::zero());
        if centred {
            near = lanes::sum(x, x, |x, _| x) * over_width;
            rest = lanes::sum(x, x, |x, _| x - near) * over_width;
        }
        let square = |x: E| (x - near - rest) * (x - near - rest);
        let variance = lanes::sum(x, x, |x, _| square(x)) * over_width;
        Self { unit, near, rest, variance, factor: (variance + epsilon).sqrt().recip() }
    }

    /// Whether no square has been too large or, where ε does not cover it, too small.
    #[inline(always)]
    fn are_exact(&self, epsilon: E) -> bool {
        let least = E::min_positive_value() / E::epsilon();
        let is_normal = self.variance >= least || epsilon >= least;
        self.near.is_finite() && self.variance.is_finite() && is_normal
    }
}

/// Normalises a row whose squares leave the range of `E`, after multiplying it by a power of two
/// that makes its largest value 1 to 2.
#[cold]
fn normalize_in_own_unit<E: Element>(
    normalized: &mut [E],
    x: &[E],
    centred: bool,
    epsilon: E,
) -> Moments<E> {
    let largest = x.iter().fold(0.0, |largest: f64, x| largest.max(x.as_f64().abs()));
    let exponent = match largest.is_finite() && largest > 0.0 {
        true => largest.log2().floor().max(E::min_positive_value().as_f64().log2()),
        false => 0.0,
    };
    let mut measure = |unit: E| {
        for (normalized, &x) in normalized.iter_mut().zip(x) {
            *normalized = x * unit;
        }
        Moments::of(normalized, centred, unit, epsilon * unit * unit)
    };
    let mut moments = measure(E::from_f64((-exponent).exp2()));
    if moments.variance.is_zero() && epsilon > E::zero() {
        // All are equal: ε alone counts, which must not vanish, nor the sum overflow.
        moments = measure(E::from_f64((-30.0_f64).exp2()));
    }
    for normalized in normalized {
        *normalized = (*normalized - moments.near - moments.rest) * moments.factor;
    }
    moments
}

struct Normalization<E: Element> {
    /// The normalised rows, if they are not the output itself.
    normalized: Option<Tensor<E>>,
    /// What the deviations in each row were multiplied by.
    scales: Vec<E>,
    /// Powers of two, `[…, 1]`, if a row needs one.
    units: Option<Tensor<E>>,
    centred: bool,
    epsilon: E,
}

impl<E: Element> Fused<E> for Normalization<E> {
    fn name(&self) -> &str {
        "normalize"
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let (mut x, mut epsilon) = (inputs[0].clone(), Tensor::scalar(self.epsilon));
        if let Some(units) = &self.units {
            (x, epsilon) = (x * units, epsilon * units * units);
        }
        if self.centred {
            x = &x - x.mean_axes(keep(-1));
            // The mean was rounded.
            x = &x - x.mean_axes(keep(-1));
        }
        let normalized = &x / (x.square().mean_axes(keep(-1)) + epsilon).sqrt();
        match inputs {
            [_, weight, bias] => normalized * weight + bias,
            [_, weight] => normalized * weight,
            _ => normalized,
        }
    }

    /// With n the normalised row, s its scale and g the gradient times the weights, the gradient
    /// of the row is s (g − mean(g) − n · mean(g · n)), without mean(g) if it was not centred.
    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        let normalized = self.normalized.as_ref().unwrap_or(output);
        match index {
            0 => {}
            // Summed over the rows by the engine.
            1 => return gradient.times(normalized),
            _ => return gradient,
        }
        let weights = inputs.get(1).map(Tensor::values);
        let width = (gradient.len() / self.scales.len().max(1)).max(1);
        let mut out = buffer(gradient.len());
        let (gradients, normalized) = (gradient.values(), normalized.values());
        let over_width = E::from_usize(width).recip();
        let rows = gradients.chunks_exact(width).zip(normalized.chunks_exact(width));
        let outs = out.chunks_exact_mut(width).zip(&self.scales);
        vectorize(
            #[inline(always)]
            || {
                for ((gradient, normalized), (out, &scale)) in rows.zip(outs) {
                    match &weights {
                        Some(weights) => lanes::map(out, [gradient, weights], |[g, w]| g * w),
                        None => out.copy_from_slice(gradient),
                    }
                    let mean = match self.centred {
                        true => lanes::sum(out, out, |g, _| g) * over_width,
                        false => E::zero(),
                    };
                    let slope = lanes::sum(out, normalized, |g, n| g * n) * over_width;
                    lanes::zip(out, normalized, |g, n| (g - mean - n * slope) * scale);
                }
            },
        );
        if !all_finite(&out) {
            return vjp_by_definition(self, index, &gradient, inputs);
        }
        ArrayD::from_shape_vec(gradient.shape(), out).expect("one for each gradient").into()
    }
}
