//! The operation behind binary cross-entropy and binary focal loss.

use downhill_kernels::{self as kernels, Separate, vectorize};
use downhill_tensor::{Element, Operation, Tensor, operation};
use ndarray::Zip;

use crate::reduction::array;

/// Logits x, and the weights a and b of either class.
struct Logistic<E: Element> {
    inputs: [Tensor<E>; 3],
    gamma: E,
}

/// −a · σ(−x)^γ · ln σ(x) − b · σ(x)^γ · ln σ(−x), elementwise, of three tensors of one shape. A
/// term of weight 0 is 0, also where the logarithm is −∞.
#[inline(never)]
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
                let classes = Classes::new(x, gamma);
                *loss = times(a, classes.positive) + times(b, classes.negative);
            }
        },
    );
    operation::record(&[x, a, b], array(x.shape(), losses), || Logistic {
        inputs: [x, a, b].map(Clone::clone),
        gamma,
    })
}

/// The loss of either class, and its derivative.
struct Classes<E> {
    positive: E,
    negative: E,
    positive_slope: E,
    negative_slope: E,
}

impl<E: Element> Classes<E> {
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
            positive: times(q_power, minus_log_p),
            negative: times(p_power, minus_log_q),
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

    /// Written out, and not left to a definition as in [`Fused`](downhill_tensor::Fused): the product
    /// rule would meet 0 · ∞ at infinite logits. No product of these factors does, for any derivative.
    fn vjp(&self, index: usize, gradient: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        let [x, a, b] = &self.inputs;
        // σ(−x)^γ; the exponent would be 0 · ∞ at +∞ without a focus.
        let focus = |x: &Tensor<E>| match self.gamma.is_zero() {
            true => Tensor::scalar(E::one()),
            false => (x.softplus() * -self.gamma).exp(),
        };
        // −1 times the derivative of the positive class's loss. The negative class's is this at −x.
        let slope = |x: &Tensor<E>| focus(x) * ((-x).sigmoid() + surprise(x) * self.gamma);
        match index {
            0 => gradient.times(&(b * slope(&-x) - a * slope(x))),
            1 => gradient.times(&(focus(x) * (-x).softplus())),
            _ => gradient.times(&(focus(&-x) * x.softplus())),
        }
    }

    fn vjp_fused(&self, index: usize, gradient: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        if index > 0 {
            return self.vjp(index, gradient, output);
        }
        let [x, a, b] = &self.inputs;
        let mut of_logits = kernels::buffer(x.len());
        let (values, positive, negative) = (x.values(), a.values(), b.values());
        let gradients = gradient.values();
        let factors = positive.iter().zip(negative.iter()).zip(&*gradients);
        vectorize(
            #[inline(always)]
            || {
                for ((of_logit, &x), ((&a, &b), &gradient)) in
                    of_logits.iter_mut().zip(&*values).zip(factors)
                {
                    let classes = Classes::new(x, self.gamma);
                    let slope = a * classes.positive_slope + b * classes.negative_slope;
                    // What the loss leaves out may be anything.
                    *of_logit = if gradient == E::zero() { gradient } else { gradient * slope };
                }
            },
        );
        array(x.shape(), of_logits).into()
    }
}

/// −σ(x) · ln σ(x), elementwise: 0 at ±∞.
fn surprise<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    let (p, minus_log_p) = (x.sigmoid(), (-x).softplus());
    let value = Zip::from(p.array()).and(minus_log_p.array()).map_collect(|&p, &log| times(p, log));
    operation::unary("surprise", x, value, |gradient, _, x| {
        gradient.times(&((-x).sigmoid() * (surprise(x) - x.sigmoid())))
    })
}
