//! Smooth gates: x times a number between 0 and 1 that grows with x. Their slopes are functions of the
//! table, too, so that second derivatives come from there.

use downhill_kernels::{Element, Gate, GateSlope, Gelu, GeluSlope, NormalCdf, NormalDensity};

use super::super::labels;
use crate::export::{Label, written};
use crate::tensor::Tensor;

impl<E: Element> Tensor<E> {
    /// Φ(x), the cumulative distribution function of the standard normal distribution; its
    /// derivative is the density φ(x) = e^(−x²/2) / √(2π).
    ///
    /// ```
    /// # use downhill_tensor::Tensor;
    /// assert_eq!(Tensor::from([0.0, f32::INFINITY]).normal_cdf().to_vec(), [0.5, 1.0]);
    /// ```
    pub fn normal_cdf(&self) -> Self {
        self.elementwise("normal_cdf", NormalCdf, |gradient, _, x| {
            gradient.times_slope(x, NormalDensity, Self::normal_density)
        })
    }

    /// φ(x); its derivative is −x · φ(x).
    fn normal_density(&self) -> Self {
        self.elementwise("normal_density", NormalDensity, |gradient, y, x| {
            -gradient.times(&y.clone().times(x))
        })
    }

    /// x · Φ(x), the Gaussian error linear unit (Hendrycks & Gimpel, 2016); its derivative is
    /// Φ(x) + x · φ(x).
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert!((Tensor::scalar(1.0_f64).gelu().item() - 0.841_344_746).abs() < 1e-9);
    /// ```
    pub fn gelu(&self) -> Self {
        self.elementwise(labels::gelu("gelu", "none"), Gelu, |gradient, _, x| {
            gradient.times_slope(x, GeluSlope, Self::gelu_slope)
        })
    }

    /// Φ(x) + x · φ(x); its derivative is (2 − x²) · φ(x).
    fn gelu_slope(&self) -> Self {
        self.elementwise("gelu_slope", GeluSlope, |gradient, _, x| {
            gradient.times(&x.normal_density().times(&(-x.square() + E::from_f64(2.0))))
        })
    }

    /// The Gaussian error linear unit with Φ(x) approximated by
    /// ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), as GPT-2 has it.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert!((Tensor::scalar(1.0_f64).gelu_tanh().item() - 0.841_191_990).abs() < 1e-9);
    /// ```
    pub fn gelu_tanh(&self) -> Self {
        // ½ (1 + tanh u) is σ(2u).
        let linear = E::from_f64(2.0) * E::FRAC_2_PI().sqrt();
        self.gate(
            labels::gelu("gelu_tanh", "tanh"),
            Gate { linear, cubic: linear * E::from_f64(0.044_715) },
        )
    }

    /// x · σ(x), the sigmoid linear unit, also called swish (Elfwing, Uchibe & Doya, 2017).
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([0.0, -1e4]).silu().to_vec(), [0.0, 0.0]);
    /// ```
    pub fn silu(&self) -> Self {
        self.gate(written("silu", labels::silu), Gate { linear: E::one(), cubic: E::zero() })
    }

    /// x · σ(u) with u = linear · x + cubic · x³.
    fn gate(&self, label: impl Label<E>, gate: Gate<E>) -> Self {
        self.elementwise(label, gate, move |gradient, _, x| {
            gradient.times_slope(x, GateSlope(gate), |x| x.gate_slope(gate))
        })
    }

    /// σ(u) + x · u′ · σ(u) σ(−u); its derivative is σ(u) σ(−u) (2u′ + x · u″ + x · u′² (σ(−u) −
    /// σ(u))).
    fn gate_slope(&self, gate: Gate<E>) -> Self {
        let number = E::from_f64;
        self.elementwise("gate_slope", GateSlope(gate), move |gradient, _, x| {
            // Beyond, σ(u) σ(−u) is 0 or would be if x³ did not overflow.
            let x = x.clamp(-number(1000.0), number(1000.0));
            let square = x.square();
            let u = (&square * gate.cubic + gate.linear) * &x;
            let (open, shut) = (u.sigmoid(), (-u).sigmoid());
            let slope = &square * (number(3.0) * gate.cubic) + gate.linear;
            let bend = square * (number(12.0) * gate.cubic) + number(2.0) * gate.linear;
            let curvature = &open * &shut * (bend + x * slope.square() * (shut - open));
            gradient.times(&curvature)
        })
    }
}
