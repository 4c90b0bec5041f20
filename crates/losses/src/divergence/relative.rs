//! Relative entropy, Σ p · (ln p − ln q), without cancellation.
//!
//! Near p = q the terms of this sum are large beside the sum, with either sign. Since p and q both
//! sum to 1, it is also Σ (p · d − p + q) with d = ln p − ln q, and no term of that is below 0:
//! each is p · (d + e^−d − 1), by a series where d is small. Of logits, d itself comes from their
//! differences.

use downhill_kernels::Separate;
use downhill_tensor::{Element, Tensor, keep, operation};
use ndarray::{ArrayD, Zip};

use crate::checks::tolerance;
use crate::cross_entropy::limit;
use crate::reduction::array;

/// p · d − p + q where d = ln p − ln q, which is not below 0.
#[inline(always)]
pub(crate) fn term<E: Element>(p: E, q: E, d: E) -> E {
    scaled_term(p, q, d, E::one())
}

/// t² times the [`term`], which may be too small to be a number while that is not.
#[inline(always)]
fn scaled_term<E: Element>(p: E, q: E, d: E, t: E) -> E {
    let (one, half) = (E::one(), E::from_f64(0.5));
    if p == E::zero() {
        q * t * t
    } else if d.abs() < half {
        // e^x − 1 − x = x² / 2 · (1 + x / 3 · (1 + x / 4 · (…))) with x = −d.
        let nested = |sum: E, n: u8| one - d / E::from_f64(f64::from(n)) * sum;
        p * half * (d * t) * (d * t) * (3..=16).rev().fold(one, nested)
    } else if d > E::zero() {
        p * (d + (-d).exponential_m1::<Separate>()) * t * t
    } else {
        q * (one + d.exponential() * (d - one)) * t * t
    }
}

/// p · (ln p − ln q), elementwise, by the logarithms; 0 where p is 0. With `is_complete` the value,
/// though not the derivative, has − p + q added, which sums to nothing if p and q are both
/// distributions.
pub(super) fn relative_entropy_terms<E: Element>(
    log_p: &Tensor<E>,
    log_q: &Tensor<E>,
    is_complete: bool,
) -> Tensor<E> {
    let value = |&log_p: &E, &log_q: &E| {
        let (p, q) = (log_p.exponential(), log_q.exponential());
        match is_complete {
            true => term(p, q, log_p - log_q),
            false if p == E::zero() && !log_q.is_nan() => E::zero(),
            false => p * (log_p - log_q),
        }
    };
    operation::binary(
        "relative_entropy_terms",
        [log_p, log_q],
        Zip::from(log_p.array()).and(log_q.array()).map_collect(value),
        |gradient, _, log_p, log_q| {
            gradient.times(&(relative_entropy_terms(log_p, log_q, false) + log_p.exp()))
        },
        |gradient, _, log_p, _| -gradient.times(&log_p.exp()),
    )
}

/// The losses of rows, or 0 where rounding has brought one below 0. Where the input q is not a
/// distribution a loss below 0 is no rounding error, and stays.
pub(super) fn clamp_rows<E: Element>(losses: Tensor<E>, log_q: &Tensor<E>) -> Tensor<E> {
    let q = log_q.array().mapv(|log_q| log_q.exponential().as_f64());
    let sums = q.sum_axis(ndarray::Axis(q.ndim() - 1));
    let clamp = |&loss: &E, &sum: &f64| match (sum - 1.0).abs() <= tolerance::<E>() {
        true if loss < E::zero() => E::zero(),
        _ => loss,
    };
    let value = Zip::from(losses.array()).and(&sums).map_collect(clamp);
    operation::unary("clamp_rows", &losses, value, |gradient, _, _| gradient)
}

/// Σ p · (ln p − ln q) of each row, where p and q are the softmaxes of two tensors of logits.
pub(super) fn relative_entropy<E: Element>(p: &Tensor<E>, q: &Tensor<E>) -> Tensor<E> {
    let classes = p.shape()[p.ndim() - 1].max(1);
    let mut row = Row::new(classes);
    let (p_values, q_values) = (p.values(), q.values());
    let rows = p_values.chunks_exact(classes).zip(q_values.chunks_exact(classes));
    let losses = rows.map(|(p, q)| row.read(p, q).relative_entropy(E::one())).collect();
    operation::binary(
        "relative_entropy",
        [p, q],
        array(&p.shape()[..p.ndim() - 1], losses),
        |gradient, loss, p, q| {
            let slope = (log_ratio(p, q) - loss.unsqueeze(-1)) * limit(p).softmax(-1);
            gradient.unsqueeze(-1).times(&slope)
        },
        |gradient, _, p, q| -gradient.unsqueeze(-1).times(&difference(p, q)),
    )
}

/// T² times the relative entropy of the softmax of logits / T, over the last axis, from that of
/// the teacher's. Its gradient is T · (softmax(logits / T) − softmax(teacher / T)).
pub(super) fn distillation<E: Element>(
    logits: &Tensor<E>,
    teacher: &Tensor<E>,
    temperature: f64,
) -> Tensor<E> {
    let (t, scale) = (E::from_f64(temperature), E::from_f64(temperature.recip()));
    let teacher = teacher.detach() * scale;
    let scaled = logits.detach() * scale;
    let classes = logits.shape()[logits.ndim() - 1].max(1);
    let mut row = Row::new(classes);
    let (p_values, q_values) = (teacher.values(), scaled.values());
    let rows = p_values.chunks_exact(classes).zip(q_values.chunks_exact(classes));
    let losses = rows.map(|(p, q)| row.read(p, q).relative_entropy(t)).collect();
    let losses = array(&logits.shape()[..logits.ndim() - 1], losses);
    drop((p_values, q_values));
    operation::unary("knowledge_distillation", logits, losses, move |gradient, _, logits| {
        let difference = difference(&teacher, &(logits * scale)) * t;
        -gradient.unsqueeze(-1).times(&difference)
    })
}

/// softmax(p) − softmax(q), over the last axis.
fn difference<E: Element>(p: &Tensor<E>, q: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        "softmax_difference",
        [p, q],
        each_class(p, q, Row::difference),
        |gradient, _, p, _| through_softmax(gradient, &limit(p).softmax(-1)),
        |gradient, _, _, q| -through_softmax(gradient, &limit(q).softmax(-1)),
    )
}

/// ln softmax(p) − ln softmax(q), over the last axis; 0 where softmax(p) is 0.
fn log_ratio<E: Element>(p: &Tensor<E>, q: &Tensor<E>) -> Tensor<E> {
    let possible = |gradient: Tensor<E>, p: &Tensor<E>| {
        let impossible = p.mask(|x| x == E::neg_infinity());
        Tensor::select(&impossible, &Tensor::scalar(E::zero()), &gradient)
    };
    let through = |gradient: &Tensor<E>, x: &Tensor<E>| {
        gradient - gradient.sum_axes(keep(-1)).times(&limit(x).softmax(-1))
    };
    operation::binary(
        "log_ratio",
        [p, q],
        each_class(p, q, Row::log_ratio),
        move |gradient, _, p, _| through(&possible(gradient, p), p),
        move |gradient, _, p, q| -through(&possible(gradient, p), q),
    )
}

/// The vector–Jacobian product of a softmax.
fn through_softmax<E: Element>(gradient: Tensor<E>, softmax: &Tensor<E>) -> Tensor<E> {
    let weighted = gradient.times(softmax);
    &weighted - weighted.sum_axes(keep(-1)).times(softmax)
}

/// What `f` makes of each class of each row.
fn each_class<E: Element>(
    p: &Tensor<E>,
    q: &Tensor<E>,
    f: impl Fn(&Row<E>, usize) -> E,
) -> ArrayD<E> {
    let classes = p.shape()[p.ndim() - 1].max(1);
    let mut row = Row::new(classes);
    let mut values = Vec::with_capacity(p.len());
    let (p_values, q_values) = (p.values(), q.values());
    for (p, q) in p_values.chunks_exact(classes).zip(q_values.chunks_exact(classes)) {
        let row = row.read(p, q);
        values.extend((0..classes).map(|class| f(row, class)));
    }
    array(p.shape(), values)
}

/// Two rows of logits and their softmaxes.
struct Row<E> {
    p: Vec<E>,
    q: Vec<E>,
    /// ln p − ln q.
    log_ratio: Vec<E>,
}

impl<E: Element> Row<E> {
    fn new(classes: usize) -> Self {
        let zeros = || vec![E::zero(); classes];
        Self { p: zeros(), q: zeros(), log_ratio: zeros() }
    }

    /// Reads the logits of a row.
    fn read(&mut self, p: &[E], q: &[E]) -> &Self {
        let (zero, one) = (E::zero(), E::one());
        shift(p, &mut self.p);
        shift(q, &mut self.q);
        for (ratio, (&p, &q)) in self.log_ratio.iter_mut().zip(self.p.iter().zip(&self.q)) {
            *ratio = if p == q { zero } else { p - q };
        }
        let (mut p_sum, mut q_sum, mut change) = (zero, zero, zero);
        for ((p, q), &ratio) in self.p.iter_mut().zip(&mut self.q).zip(&self.log_ratio) {
            (*p, *q) = (p.exponential(), q.exponential());
            (p_sum, q_sum) = (p_sum + *p, q_sum + *q);
            change += match ratio.abs() < one {
                true => *q * ratio.exponential_m1::<Separate>(),
                false => *p - *q,
            };
        }
        // ln(p_sum / q_sum), from the difference of the sums where that is the smaller.
        let shift = match change.abs() < E::from_f64(0.5) * q_sum {
            true => (change / q_sum).logarithm_1p::<Separate>(),
            false => p_sum.logarithm::<Separate>() - q_sum.logarithm::<Separate>(),
        };
        for ((p, q), ratio) in self.p.iter_mut().zip(&mut self.q).zip(&mut self.log_ratio) {
            (*p, *q, *ratio) = (*p / p_sum, *q / q_sum, *ratio - shift);
        }
        self
    }

    /// t² times the relative entropy.
    fn relative_entropy(&self, t: E) -> E {
        let terms = self.p.iter().zip(&self.q).zip(&self.log_ratio);
        terms.map(|((&p, &q), &d)| scaled_term(p, q, d, t)).sum()
    }

    /// p − q, which is p · (1 − e^−(ln p − ln q)).
    fn difference(&self, class: usize) -> E {
        let (p, q, d) = (self.p[class], self.q[class], self.log_ratio[class]);
        match d.abs() < E::one() {
            true => -p * (-d).exponential_m1::<Separate>(),
            false => p - q,
        }
    }

    fn log_ratio(&self, class: usize) -> E {
        match self.p[class] == E::zero() {
            true => E::zero(),
            false => self.log_ratio[class],
        }
    }
}

/// Writes logits less the largest. Infinite ones leave nothing to the others, and share equally.
fn shift<E: Element>(logits: &[E], out: &mut [E]) {
    let larger = |max: E, &x: &E| if x > max { x } else { max };
    let max = logits.iter().fold(E::neg_infinity(), larger);
    for (out, &x) in out.iter_mut().zip(logits) {
        *out = match x == max {
            true => E::zero(),
            false if max == E::infinity() && !x.is_nan() => E::neg_infinity(),
            false => x - max,
        };
    }
}
