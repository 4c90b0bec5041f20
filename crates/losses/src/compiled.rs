//! What a program uses of the losses, so that a library can compile it, once: as in `downhill_tensor`.

use downhill_tensor::{Element, Tensor};

use crate::*;

/// Refers to the losses. To be compiled, not called.
pub fn compiled<E: Element>() {
    let (x, y) = (&Tensor::<E>::zeros(&[1, 1]), &Tensor::<E>::zeros(&[1, 1]));
    let labels: &[usize] = &[0];
    let cross_entropy = CrossEntropy::new();
    let _ = [
        cross_entropy.forward(x, labels),
        cross_entropy.forward(x, &labels.to_vec()),
        cross_entropy.forward(x, y),
        cross_entropy.forward_linear(x, y, None, labels),
        focal(x, labels),
        poly1(x, labels),
        generalised_cross_entropy(x, labels),
        symmetric_cross_entropy(x, labels),
        multiclass_hinge(x, labels),
        negative_log_likelihood(x, labels),
        binary_cross_entropy(x, y),
        binary_cross_entropy_with_logits(x, y),
        binary_focal(x, y),
        binary_hinge(x, y),
        huber(x, y),
        log_cosh(x, y),
        mean_absolute_error(x, y),
        mean_squared_error(x, y),
        quantile(x, y),
        smooth_l1(x, y),
        poisson_negative_log_likelihood(x, y),
        gaussian_negative_log_likelihood(x, y, y),
        jensen_shannon_divergence(x, y),
        kl_divergence(x, y),
        knowledge_distillation(x, y, 1.0),
        entropy(x),
    ];
}
