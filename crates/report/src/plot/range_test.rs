//! A learning rate found by a short run in which it grows.

use super::chart::{Chart, smoothed};
use super::picture::Picture;
use downhill_train::format_short;

/// A learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017):
/// the loss of each step of a short run against its learning rate, which grows from step to step by a
/// factor. The title names the rate at which the average loss falls fastest; to train, choose one
/// there or somewhat below, and in any case below those at which the loss rises.
///
/// Values that are NaN or infinite leave a gap, and a loss far above the first is not drawn.
///
/// ```
/// use downhill_report::plot::learning_rate_range;
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([3.0_f64, -1.0]);
/// let mut steps = Vec::new();
/// for step in 0..100 {
///     let learning_rate = 1e-4 * 1.12_f64.powi(step);
///     let loss = weight.square().sum();
///     steps.push((learning_rate, loss.item()));
///     let gradient = loss.backward().get(&weight).unwrap().to_vec();
///     weight.update(|weight| weight.iter_mut().zip(gradient).for_each(|(w, g)| *w -= learning_rate * g));
/// }
/// let picture = learning_rate_range(&steps);
/// assert!(picture.title().starts_with("Learning rates: the loss falls fastest at 0.0"));
/// ```
pub fn learning_rate_range(steps: &[(f64, f64)]) -> Picture {
    let average = smoothed(steps);
    let losses = || average.iter().map(|step| step.1).filter(|loss| loss.is_finite());
    let (first, least) = (losses().next(), losses().reduce(f64::min));
    let steepest = steepest(&average);
    let finding = match steepest {
        Some(rate) => format!("the loss falls fastest at {}", format_short(rate)),
        None => "the loss falls at none".into(),
    };
    let mut chart =
        Chart::new(format!("Learning rates: {finding}"), "learning rate", "loss").log_x();
    if let (Some(first), Some(least)) = (first, least) {
        let above = 0.25 * (first - least);
        if above > 0.0 {
            chart = chart.y_range(least - 0.1 * above, first + above);
        }
        if let Some(rate) = steepest {
            chart = chart.reference("fastest", [(rate, least), (rate, first)]);
        }
    }
    chart.noisy_line("loss", steps.iter().copied()).picture()
}

/// The rate at which the loss falls most for each factor of the rate, before it is least.
fn steepest(average: &[(f64, f64)]) -> Option<f64> {
    let least = average.iter().map(|step| step.1).enumerate().filter(|step| step.1.is_finite());
    let (end, _) = least.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let slopes = average[..=end].windows(2).map(|pair| {
        let [(before, high), (after, low)] = [pair[0], pair[1]];
        ((before * after).sqrt(), (low - high) / (after / before).ln())
    });
    let falling = slopes.filter(|&(rate, slope)| rate.is_finite() && slope < 0.0);
    falling.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(rate, _)| rate)
}
