//! Step 4: cross-entropy from logits.
//!
//! A model gives each class a score, its *logit* z. The softmax turns scores into probabilities,
//! p_k = e^(z_k) ÷ Σ e^(z_j), and cross-entropy is −ln of the true class's probability:
//!
//! −ln p_y = ln Σ e^(z_j) − z_y.
//!
//! e^1000 is no number a computer knows. But with m the largest logit,
//! ln Σ e^(z_j) = m + ln Σ e^(z_j − m), in which no exponent is above 0.

use downhill::prelude::*;

/// ln Σ e^(z_j) of each row of `logits` `[N, C]`: a tensor `[N, 1]`. It may not overflow.
///
/// Useful: `logits.max_axes(keep(-1))` and `x.sum_axes(keep(-1))` keep the summed axis with length 1.
/// The maximum shifts the numbers and must not be differentiated: `detach()` it.
pub fn log_sum_exp(logits: &Tensor) -> Tensor {
    todo!("shift by the maximum, exponentiate, sum, take the logarithm, shift back")
}

/// The mean over the rows of ln Σ e^(z_j) − z_y, with y the row's label.
///
/// `true_class` `[N, C]` is 1 at each row's label and 0 elsewhere, so that
/// (logits · true_class) summed over a row is z_y.
pub fn cross_entropy(logits: &Tensor, labels: &[usize]) -> Tensor {
    let true_class = one_hot(labels, logits.shape()[1]);
    todo!("log_sum_exp(logits) minus the true class's logit, and the mean of that")
}

/// A row for each label, 1 at the label and 0 elsewhere.
fn one_hot(labels: &[usize], classes: usize) -> Tensor {
    let mut rows = vec![0.0; labels.len() * classes];
    for (row, &label) in labels.iter().enumerate() {
        rows[row * classes + label] = 1.0;
    }
    Tensor::from_shape_vec(&[labels.len(), classes], rows)
        .expect("as many numbers as the shape has")
}
