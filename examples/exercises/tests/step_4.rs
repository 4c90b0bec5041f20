//! Step 4: a loss.

use downhill::prelude::*;
use exercises::step_4::{cross_entropy, log_sum_exp};

#[track_caller]
fn assert_close(found: f32, right: f32, what: &str) {
    let tolerance = 1e-5 * right.abs().max(1.0);
    assert!((found - right).abs() < tolerance, "{what} is {right}, but yours says {found}");
}

#[test]
fn log_sum_exp_of_equal_logits_is_the_logarithm_of_their_number() {
    let rows = log_sum_exp(&Tensor::from([[0.0, 0.0, 0.0]]));
    assert_eq!(rows.shape(), [1, 1], "one number a row, with the summed axis kept");
    assert_close(rows.item(), 3.0_f32.ln(), "ln (1 + 1 + 1)");
}

#[test]
fn large_logits_do_not_overflow() {
    let rows = log_sum_exp(&Tensor::from([[1000.0, 1000.0], [-1000.0, -1000.0]])).to_vec();
    assert_close(rows[0], 1000.0 + 2.0_f32.ln(), "1000 + ln 2");
    assert_close(rows[1], -1000.0 + 2.0_f32.ln(), "−1000 + ln 2");
}

#[test]
fn the_loss_agrees_with_the_librarys() {
    let logits = Tensor::from([[2.0, 1.0, 0.1], [-3.0, 0.5, 9.0], [500.0, 0.0, -500.0]]);
    for labels in [[0, 1, 2], [2, 2, 0]] {
        let right = downhill::losses::cross_entropy(&logits, &labels).unwrap().item();
        assert_close(cross_entropy(&logits, &labels).item(), right, "the loss");
    }
}

#[test]
fn the_gradient_is_softmax_minus_truth() {
    let logits = Tensor::parameter([[2.0, 1.0, 0.1]]);
    let gradient = cross_entropy(&logits, &[0]).backward().get(&logits).unwrap().to_vec();
    let softmax = logits.detach().softmax(-1).to_vec();
    for (class, (found, p)) in gradient.into_iter().zip(softmax).enumerate() {
        let right = if class == 0 { p - 1.0 } else { p };
        assert_close(found, right, &format!("the gradient of logit {class}"));
    }
}
