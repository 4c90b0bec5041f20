//! Functions of one number, applied to each.
//!
//! Each line of the table is a function, its value and its vector–Jacobian product. A gradient
//! goes through a slope with [`times`](Tensor::times) and [`over`](Tensor::over), by which a
//! gradient of 0 stays 0.

mod gates;
#[cfg(test)]
mod tests;

use super::labels;
use crate::export::{Label, written};
use crate::operation::{self, is_recorded};
use crate::storage::Storage;
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;
use downhill_kernels::{
    ExponentialM1, Function, HyperbolicTangent, LogSigmoid, Logarithm, Logarithm1p, Sigmoid,
    Softplus,
};

impl<E: Element> Tensor<E> {
    /// The operation called `label`: `f` of each value, and `vjp(gradient, output, input)`.
    pub(super) fn elementwise(
        &self,
        label: impl Label<E>,
        f: impl Function<E>,
        vjp: impl Fn(Self, &Self, &Self) -> Self + Send + Sync + 'static,
    ) -> Self {
        let value = Storage::new(self.shape(), kernels::map(&self.values(), f));
        operation::unary(label, self, value, vjp)
    }

    /// A gradient times f′(x), in one pass: `slope` is f′ of a number, and `composed` is f′ of a
    /// tensor, from which derivatives of higher order come.
    fn times_slope(
        self,
        x: &Self,
        slope: impl Function<E>,
        composed: impl Fn(&Self) -> Self,
    ) -> Self {
        if is_recorded(&[&self, x]) {
            return self.times(&composed(x));
        }
        let value = kernels::times_slope(&self.values(), &x.values(), slope);
        Self::constant(Storage::new(x.shape(), value))
    }

    /// A gradient multiplied by a slope that is constant in pieces: `f(gradient, x)` must be
    /// linear in the gradient. Being linear, it is its own derivative.
    fn piecewise(mut self, x: &Self, f: impl Fn(E, E) -> E + Copy + Send + Sync + 'static) -> Self {
        if !is_recorded(&[&self])
            && let Some(gradient) = self.owned_values()
        {
            kernels::zip_in_place(gradient, &x.values(), f);
            return self;
        }
        let x = x.detach();
        let value = Storage::new(x.shape(), kernels::zip(&self.values(), &x.values(), f));
        operation::unary("piecewise", &self, value, move |gradient, _, _| gradient.piecewise(&x, f))
    }
}

/// Defines methods of [`Tensor`], each from its name in ONNX, its value `f(x)` and its VJP.
macro_rules! elementwise {
    ($($(#[$doc:meta])* $name:ident $(($($operator:tt)*))?: $f:expr, $vjp:expr;)*) => {
        impl<E: Element> Tensor<E> {$(
            $(#[$doc])*
            pub fn $name(&self) -> Self {
                self.elementwise(elementwise!(@label $name $($($operator)*)?), $f, $vjp)
            }
        )*}
    };
    (@label $name:ident) => { stringify!($name) };
    (@label $name:ident $operator:literal) => { (stringify!($name), $operator) };
    (@label $name:ident $write:expr) => { written(stringify!($name), $write) };
}

elementwise! {
    /// eˣ.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([0.0, f32::NEG_INFINITY]).exp().to_vec(), [1.0, 0.0]);
    /// ```
    exp("Exp"): |x: E| x.exponential(), |gradient, y, _| gradient.times(y);

    /// The natural logarithm: −∞ of 0, NaN of negative numbers.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([1.0, 0.0]).ln().to_vec(), [0.0, f32::NEG_INFINITY]);
    /// ```
    ln("Log"): Logarithm, |gradient, _, x| gradient.over(x);

    /// ln(1 + x), exact for small x.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).ln_1p().item(), 1e-20);
    /// ```
    ln_1p: Logarithm1p, |gradient, _, x| gradient.over(&(x + E::one()));

    /// eˣ − 1, exact for small x.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).exp_m1().item(), 1e-20);
    /// ```
    exp_m1: ExponentialM1, |gradient, y, _| gradient.times(&(y + E::one()));

    /// The square root: NaN of negative numbers. The derivative at 0 is ∞.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([4.0, 9.0]).sqrt().to_vec(), [2.0, 3.0]);
    /// ```
    sqrt("Sqrt"): |x: E| x.sqrt(), |gradient, y, _| gradient.over(&(y + y));

    /// x².
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([-2.0, 3.0]).square().to_vec(), [4.0, 9.0]);
    /// ```
    square(labels::square): |x: E| x * x, |gradient, _, x| gradient.times(&(x + x));

    /// 1 / x.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([-2.0, 4.0]).reciprocal().to_vec(), [-0.5, 0.25]);
    /// ```
    reciprocal("Reciprocal"): |x: E| x.recip(), |gradient, y, _| -gradient.times(y).times(y);

    /// |x|. The derivative at 0 is taken to be 0.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([-2.0, 3.0]).abs().to_vec(), [2.0, 3.0]);
    /// ```
    abs("Abs"): |x: E| x.abs(), |gradient, _, x| gradient.piecewise(x, |gradient, x| {
        if x > E::zero() {
            gradient
        } else if x < E::zero() {
            -gradient
        } else if gradient == E::zero() {
            gradient
        } else {
            // Either 0, as the derivative is taken to be, or NaN, as it is.
            x
        }
    });

    /// The sine.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(0.0).sin().item(), 0.0);
    /// ```
    sin("Sin"): |x: E| x.sin(), |gradient, _, x| gradient.times(&x.cos());

    /// The cosine.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(0.0).cos().item(), 1.0);
    /// ```
    cos("Cos"): |x: E| x.cos(), |gradient, _, x| -gradient.times(&x.sin());

    /// The hyperbolic tangent; its derivative is 1 − tanh².
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([0.0, f32::INFINITY]).tanh().to_vec(), [0.0, 1.0]);
    /// ```
    tanh("Tanh"): HyperbolicTangent, |gradient, y, _| {
        gradient.times_slope(y, |y: E| E::one() - y * y, |y| -y.square() + E::one())
    };

    /// The logistic function 1 / (1 + e⁻ˣ), without overflow; its derivative is σ (1 − σ).
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([0.0, -1e4]).sigmoid().to_vec(), [0.5, 0.0]);
    /// ```
    sigmoid("Sigmoid"): Sigmoid, |gradient, y, _| {
        gradient.times_slope(y, |y: E| y * (E::one() - y), |y| y * (-y + E::one()))
    };

    /// ln σ(x) = −softplus(−x), never the logarithm of a rounded sigmoid; its derivative is σ(−x).
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-1e4).log_sigmoid().item(), -1e4);
    /// ```
    log_sigmoid(labels::log_sigmoid): LogSigmoid, |gradient, _, x| gradient.times(&(-x).sigmoid());

    /// ln(1 + eˣ), without overflow; its derivative is σ(x).
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([1e4, f32::NEG_INFINITY]).softplus().to_vec(), [1e4, 0.0]);
    /// ```
    softplus("Softplus"): Softplus, |gradient, _, x| gradient.times(&x.sigmoid());

    /// max(x, 0), the rectified linear unit. The derivative at 0 is taken to be 0.
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([-2.0, 3.0]).relu().to_vec(), [0.0, 3.0]);
    /// ```
    // Compared so that NaN stays NaN.
    relu("Relu"): |x: E| if x <= E::zero() { E::zero() } else { x }, |gradient, y, _| {
        gradient.piecewise(y, |gradient, y| if y <= E::zero() { E::zero() } else { gradient })
    };
}

impl<E: Element> Tensor<E> {
    /// x where it is positive and `slope` · x elsewhere. The derivative at 0 is `slope`.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([-2.0, 3.0]).leaky_relu(0.5).to_vec(), [-1.0, 3.0]);
    /// ```
    pub fn leaky_relu(&self, slope: E) -> Self {
        let f = move |factor: E, x: E| if x > E::zero() { factor } else { factor * slope };
        self.elementwise(
            labels::with_option("leaky_relu", "LeakyRelu", ("alpha", slope.as_f64().into())),
            |x: E| f(x, x),
            move |gradient, _, x| gradient.piecewise(x, f),
        )
    }

    /// x limited to `min ..= max`. The derivative is 1 from `min` to `max`, both included, and 0
    /// outside.
    ///
    /// # Panics
    ///
    /// If `min` is greater than `max` or either is NaN.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([-2.0, 0.5, 3.0]).clamp(0.0, 1.0).to_vec(), [0.0, 0.5, 1.0]);
    /// ```
    #[track_caller]
    pub fn clamp(&self, min: E, max: E) -> Self {
        assert!(min <= max, "clamp: {min} to {max} is not a range");
        self.elementwise(
            labels::with_numbers("clamp", "Clip", [("min", min), ("max", max)]),
            move |x: E| x.clamp(min, max),
            move |gradient, _, x| {
                let f = move |gradient, x| if x < min || x > max { E::zero() } else { gradient };
                gradient.piecewise(x, f)
            },
        )
    }
}
