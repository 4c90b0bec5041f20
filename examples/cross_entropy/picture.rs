//! The two sums of the worked examples, for everything that a model may say.

use std::error::Error;

use downhill::losses::information::{Unit, cross_entropy, entropy};
use downhill_report::plot::{Chart, Picture};

/// The truth: class 0 with this probability, class 1 otherwise.
const TRUTH: f64 = 0.7;

/// With the truth in front the sum is least where the model says what is true, and there it is the
/// entropy of the truth. With the model in front it is a straight line.
pub(crate) fn picture() -> Result<Picture, Box<dyn Error>> {
    let truth = [TRUTH, 1.0 - TRUTH];
    // Neither end, where a class is impossible and its surprise infinite.
    let models: Vec<f64> = (1..200).map(|share| f64::from(share) / 200.0).collect();
    let sums = |sum: &dyn Fn(&[f64; 2]) -> Result<f64, downhill::losses::Error>| {
        let point = |&share: &f64| Ok((share, sum(&[share, 1.0 - share])?));
        models.iter().map(point).collect::<Result<Vec<_>, downhill::losses::Error>>()
    };
    let least = entropy(&truth, Unit::Nats)?;
    let title = format!("Cross-entropy where class 0 is true in {TRUTH} of all cases");
    Ok(Chart::new(title, "probability that the model gives class 0", "nats")
        .x_range(0.0, 1.0)
        .y_range(0.0, 3.0)
        .line("truth in front, H(t, m)", sums(&|model| cross_entropy(&truth, model, Unit::Nats))?)
        .line("model in front, H(m, t)", sums(&|model| cross_entropy(model, &truth, Unit::Nats))?)
        .reference("entropy of the truth, H(t)", [(0.0, least), (1.0, least)])
        .points("least: m = t", [(TRUTH, least)])
        .picture())
}
