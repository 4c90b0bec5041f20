//! The fused operation behind binary cross-entropy and binary focal loss.

use downhill_kernels::{self as kernels, Separate, vectorize};
use downhill_tensor::{Element, Operation, Tensor, operation};

use crate::cross_entropy::array;

/// Logits x, and the weights a and b of either class.
struct Logistic<E: Element> {
    inputs: [Tensor<E>; 3],
    gamma: E,
}

/// −a · σ(−x)^γ · ln σ(x) − b · σ(x)^γ · ln σ(−x), elementwise, of three tensors of one shape. A
/// term of weight 0 is 0, also where the logarithm is −∞.
pub(crate) fn logistic<E: Element>(
    x: &Tensor<E>,
    a: &Tensor<E>,
    b: &Tensor<E>,
    gamma: E,
) -> Tensor<E> {
    let mut losses = kernels::buffer(x.len());
    let (values, positive, negative) = (x.values(), a.values(), b.values());
    let weights = positive.iter().zip(negative.iter());
    vectorize(
        #[inline(always)]
        || {
            for ((loss, &x), (&a, &b)) in losses.iter_mut().zip(&*values).zip(weights) {
                let parts = Parts::new(x, gamma);
                *loss = times(a, parts.positive) + times(b, parts.negative);
            }
        },
    );
    operation::record(&[x, a, b], array(x.shape(), losses), || Logistic {
        inputs: [x, a, b].map(Clone::clone),
        gamma,
    })
}

/// The loss of either class, and its derivative.
struct Parts<E> {
    positive: E,
    negative: E,
    positive_slope: E,
    negative_slope: E,
}

impl<E: Element> Parts<E> {
    #[inline(always)]
    fn new(x: E, gamma: E) -> Self {
        let (zero, one) = (E::zero(), E::one());
        let small = (-x.abs()).exponential();
        let log = small.logarithm_1p::<Separate>();
        let (larger, lesser) = (one / (one + small), small / (one + small));
        let is_negative = x < zero;
        // p = σ(x), q = σ(−x), and −ln of them; NaN in each of NaN.
        let (p, q) = if is_negative { (lesser, larger) } else { (larger, lesser) };
        let minus_log_p = if is_negative { log - x } else { log };
        let minus_log_q = if is_negative { log } else { log + x };
        if gamma == zero {
            let (positive, negative) = (minus_log_p, minus_log_q);
            return Self { positive, negative, positive_slope: -q, negative_slope: p };
        }
        let q_power = (-gamma * minus_log_q).exponential();
        let p_power = (-gamma * minus_log_p).exponential();
        Self {
            positive: q_power * minus_log_p,
            negative: p_power * minus_log_q,
            positive_slope: -q_power * (q + gamma * times(p, minus_log_p)),
            negative_slope: p_power * (p + gamma * times(q, minus_log_q)),
        }
    }
}

/// x · y, and 0 where x is 0.
#[inline(always)]
fn times<E: Element>(x: E, y: E) -> E {
    if x == E::zero() && !y.is_nan() { E::zero() } else { x * y }
}

impl<E: Element> Operation<E> for Logistic<E> {
    fn name(&self) -> &str {
        if self.gamma.is_zero() { "binary_cross_entropy" } else { "binary_focal" }
    }

    fn inputs(&self) -> &[Tensor<E>] {
        &self.inputs
    }

    fn vjp(&self, index: usize, upstream: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        let [x, a, b] = &self.inputs;
        // Where σ(x) or σ(−x) would be 0 the slopes no longer change.
        let limit = -(E::min_positive_value().ln() * E::from_f64(0.9));
        let near = x.clamp(-limit, limit);
        let (p, q) = (near.sigmoid(), (-&near).sigmoid());
        let (minus_log_p, minus_log_q) = ((-&near).softplus(), near.softplus());
        let q_power = (&minus_log_q * -self.gamma).exp();
        let p_power = (&minus_log_p * -self.gamma).exp();
        match index {
            0 => {
                let positive = q_power * (&q + &p * minus_log_p * self.gamma);
                let negative = p_power * (p + q * minus_log_q * self.gamma);
                upstream * (b * negative - a * positive)
            }
            1 => upstream * q_power * (-x).softplus(),
            _ => upstream * p_power * x.softplus(),
        }
    }

    fn vjp_fused(&self, index: usize, upstream: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        if index > 0 {
            return self.vjp(index, upstream, output);
        }
        let [x, a, b] = &self.inputs;
        let mut gradient = kernels::buffer(x.len());
        let (values, positive, negative) = (x.values(), a.values(), b.values());
        let upstream = upstream.values();
        let weights = positive.iter().zip(negative.iter()).zip(&*upstream);
        vectorize(
            #[inline(always)]
            || {
                for ((gradient, &x), ((&a, &b), &upstream)) in
                    gradient.iter_mut().zip(&*values).zip(weights)
                {
                    let parts = Parts::new(x, self.gamma);
                    *gradient = upstream * (a * parts.positive_slope + b * parts.negative_slope);
                }
            },
        );
        array(x.shape(), gradient).into()
    }
}
