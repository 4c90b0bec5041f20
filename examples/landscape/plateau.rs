//! Two losses of one model: why one is a bowl and the other has plateaus.

use downhill::prelude::*;
use downhill::tensor::hessian;
use downhill_report::plot::{Chart, Field};

use crate::Gallery;
use crate::logistic::{Logistic, Loss, Weights};
use lesson::Outcome;

/// What is drawn, and searched for curvature: w and b. Models that are sure and wrong are included.
const RANGES: [(f64, f64); 2] = [(-12.0, 12.0), (-12.0, 12.0)];
/// A model that takes the heavy birds for the light ones.
const WRONG: Weights = [-6.0, 3.0];
const RATE: f64 = 1.0;
const STEPS: usize = 2000;
/// How many of them are drawn.
const DRAWN: usize = 300;

pub(crate) fn explore(model: &Logistic, grid: usize, gallery: &Gallery) -> Outcome {
    println!("2. A bowl and a plateau: the same model with cross-entropy and squared error\n");
    let losses = [("cross-entropy", Loss::CrossEntropy), ("squared error", Loss::SquaredError)];
    println!("   {:<42}{:>15}{:>15}", "the further off, the more wrong", losses[0].0, losses[1].0);
    for times in [0.25, 0.5, 1.0, 2.0, 4.0] {
        let weights = WRONG.map(|weight| times * weight);
        let [first, second] = losses.map(|(_, loss)| model.slope(weights, loss));
        let place = format!("length of the gradient at ({}, {})", weights[0], weights[1]);
        println!("   {place:<42}{first:>15.6}{second:>15.6}");
    }

    let places = Field::points(RANGES[0], RANGES[1], grid.min(30));
    let summaries = losses.map(|(_, loss)| {
        let least: Vec<f64> =
            places.iter().map(|&weights| eigenvalues(model, weights, loss)[0]).collect();
        let bent_down = least.iter().filter(|&&eigenvalue| eigenvalue < -1e-12).count();
        let share = 100.0 * bent_down as f64 / least.len() as f64;
        (least.into_iter().fold(f64::INFINITY, f64::min), share)
    });
    let [first, second] = summaries;
    println!("\n   over a grid of {} weights", places.len());
    // −1e-18 is a zero that has been rounded.
    let rounded = |value: f64| if value.abs() < 1e-12 { 0.0 } else { value };
    let (a, b) = (rounded(first.0), rounded(second.0));
    println!("   {:<42}{a:>15.6}{b:>15.6}", "the Hessian's least eigenvalue");
    let (a, b) = (format!("{:.1} %", first.1), format!("{:.1} %", second.1));
    println!("   {:<42}{a:>15}{b:>15}", "where it is negative");

    let paths = losses.map(|(_, loss)| model.descend(WRONG, loss, &mut Sgd::new(RATE), STEPS));
    let [first, second] = paths;
    let paths = [first?, second?];
    let arrives = |path: &[Weights]| {
        let right = |weights: &Weights| model.accuracy(*weights) >= 0.9;
        path.iter().position(right).map_or_else(|| "never".into(), |step| step.to_string())
    };
    println!("\n   gradient descent from ({}, {}), rate {RATE}, {STEPS} steps", WRONG[0], WRONG[1]);
    let (a, b) = (arrives(&paths[0]), arrives(&paths[1]));
    println!("   {:<42}{a:>15}{b:>15}\n", "steps until 90 % of the birds are right");

    gallery.draw("one-logit", one_logit)?;
    for ((name, loss), path) in losses.into_iter().zip(&paths) {
        let file = format!("plateau-{}", name.replace(' ', "-"));
        gallery.draw(&file, || {
            let field = Field::sample(RANGES[0], RANGES[1], grid, |w, b| model.value([w, b], loss));
            let title = match loss {
                Loss::CrossEntropy => "Cross-entropy: a bowl",
                Loss::SquaredError => "Squared error: plateaus",
            };
            let steps = || path.iter().take(DRAWN + 1).map(|&[w, b]| (w, b));
            Chart::new(title, "w", "b")
                .contours(&field, &field.levels(12))
                .line(format!("{DRAWN} steps of gradient descent"), steps())
                .points("each 20th", steps().step_by(20))
                .picture()
                .to_string()
        })?;
    }
    Ok(())
}

/// One sample of class 1: what a wrong logit costs, and how strongly it is pulled back.
fn one_logit() -> String {
    let z: Vec<f64> = (-60..=60).map(|tenths| f64::from(tenths) / 10.0).collect();
    let logits = Tensor::parameter(z.clone());
    let one = Tensor::ones(&[z.len()]);
    let losses = [
        ("cross-entropy", (-&logits).softplus()),
        ("squared error", (logits.sigmoid() - one).square()),
    ];
    let chart = Chart::new("One logit z, where p = σ(z) should be 1", "z", "loss, and its slope");
    let lines = losses.into_iter().fold(chart, |chart, (name, loss)| {
        let slopes = grad(&loss.sum(), &[&logits]).remove(0).to_vec();
        let over = |values: Vec<f64>| z.clone().into_iter().zip(values);
        let slopes = slopes.into_iter().map(f64::abs).collect();
        chart.line(name, over(loss.to_vec())).line(format!("slope of {name}"), over(slopes))
    });
    lines.y_range(0.0, 4.0).picture().to_string()
}

/// The two eigenvalues of the Hessian, the lesser first.
pub(crate) fn eigenvalues(model: &Logistic, weights: Weights, loss: Loss) -> [f64; 2] {
    let weights = Tensor::parameter(weights);
    let matrix = hessian(&model.loss(&weights, loss), &weights).to_vec();
    let [a, b, c, d] = matrix[..] else { unreachable!("two weights have four second derivatives") };
    let (mean, half) = ((a + d) / 2.0, (a / 2.0 - d / 2.0).hypot((b + c) / 2.0));
    // From the determinant, because mean − half may cancel.
    let greater = if mean >= 0.0 { mean + half } else { mean - half };
    let lesser = if greater == 0.0 { 0.0 } else { (a * d - b * c) / greater };
    [greater.min(lesser), greater.max(lesser)]
}
