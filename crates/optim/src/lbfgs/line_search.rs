//! How far to go along a direction.

use crate::error::Error;

/// A point along the direction.
#[derive(Debug)]
pub(super) struct Trial<E> {
    /// How much of the direction leads there.
    pub(super) length: f64,
    /// Infinite where loss or gradient is not finite.
    pub(super) loss: f64,
    pub(super) gradient: Vec<E>,
    /// The loss' derivative with respect to the length.
    pub(super) slope: f64,
}

/// The fraction of the decrease promised by the slope that a step must bring.
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// The fraction of its first size to which the slope must have fallen.
const CURVATURE: f64 = 0.9;

/// A point that satisfies the strong Wolfe conditions, or the lowest of those tried.
///
/// `start` is the point of length 0. After the first trial there are up to `more_trials`, and none
/// in an interval of lengths shorter than `least_interval`.
pub(super) fn strong_wolfe<E>(
    start: Trial<E>,
    first_length: f64,
    more_trials: usize,
    least_interval: f64,
    mut evaluate: impl FnMut(f64) -> Result<Trial<E>, Error>,
) -> Result<Trial<E>, Error> {
    let (start_loss, start_slope) = (start.loss, start.slope);
    let is_low_enough = |trial: &Trial<E>| {
        trial.loss <= start_loss + SUFFICIENT_DECREASE * trial.length * start_slope
    };
    let is_flat_enough = |trial: &Trial<E>| trial.slope.abs() <= -CURVATURE * start_slope;

    // Go on until a minimum must lie between the last two points.
    let mut before = None;
    let mut current = evaluate(first_length)?;
    let mut trials = 0;
    loop {
        if trials == more_trials {
            return Ok(if current.loss < start_loss { current } else { start });
        }
        let previous = before.as_ref().unwrap_or(&start);
        if !is_low_enough(&current) || (trials > 1 && current.loss >= previous.loss) {
            break;
        }
        if is_flat_enough(&current) {
            return Ok(current);
        }
        if current.slope >= 0.0 {
            break;
        }
        let least = current.length + 0.01 * (current.length - previous.length);
        let length = cubic_minimum(previous, &current, [least, 10.0 * current.length]);
        before = Some(std::mem::replace(&mut current, evaluate(length)?));
        trials += 1;
    }

    // Narrow the interval between them.
    let previous = before.unwrap_or(start);
    let (mut low, mut high) =
        if previous.loss <= current.loss { (previous, current) } else { (current, previous) };
    let mut was_near_an_end = false;
    while trials < more_trials {
        let [least, most] = [low.length.min(high.length), low.length.max(high.length)];
        if most - least < least_interval {
            break;
        }
        let mut length = cubic_minimum(&low, &high, [least, most]);
        let margin = 0.1 * (most - least);
        let is_near_an_end = (most - length).min(length - least) < margin;
        // Twice near an end is no progress: the interval must shrink by a tenth at least.
        let moved_inwards =
            is_near_an_end && (was_near_an_end || length >= most || length <= least);
        if moved_inwards {
            let is_nearer_to_most = (length - most).abs() < (length - least).abs();
            length = if is_nearer_to_most { most - margin } else { least + margin };
        }
        was_near_an_end = is_near_an_end && !moved_inwards;

        let trial = evaluate(length)?;
        trials += 1;
        if !is_low_enough(&trial) || trial.loss >= low.loss {
            high = trial;
            if high.loss < low.loss {
                std::mem::swap(&mut low, &mut high);
            }
        } else {
            if is_flat_enough(&trial) {
                return Ok(trial);
            }
            if trial.slope * (high.length - low.length) >= 0.0 {
                high = low;
            }
            low = trial;
        }
    }
    Ok(low)
}

/// Where, between the bounds, the cubic through two points with their slopes has its minimum
/// (Nocedal & Wright 2006, equation 3.59); the middle if it has none.
fn cubic_minimum<E>(a: &Trial<E>, b: &Trial<E>, [least, most]: [f64; 2]) -> f64 {
    let (a, b) = if a.length <= b.length { (a, b) } else { (b, a) };
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.length - b.length);
    let d2 = (d1 * d1 - a.slope * b.slope).sqrt();
    let length =
        b.length - (b.length - a.length) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2));
    // NaN without a minimum, or where a loss is infinite.
    if length.is_nan() { (least + most) / 2.0 } else { length.clamp(least, most) }
}
