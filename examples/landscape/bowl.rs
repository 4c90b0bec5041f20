//! Two weights and cross-entropy: the whole surface, and the ways down.

use std::error::Error;

use downhill::optim::Adam;
use downhill::prelude::*;
use downhill_report::plot::{Chart, Field};

use crate::Gallery;
use crate::animation::animate;
use crate::logistic::{Logistic, Loss, Weights};
use lesson::Outcome;

const START: Weights = [-1.0, 3.0];
/// What is drawn of the surface: w and b.
const RANGES: [(f64, f64); 2] = [(-2.0, 14.0), (-9.0, 4.0)];
const MOMENTUM: f64 = 0.9;
/// The steps of the descents that are drawn.
const STEPS: usize = 100;
/// What a loss may be above the least to count as arrived.
const ARRIVED: f64 = 1e-3;

/// Where a descent went.
struct Descent {
    name: String,
    path: Vec<Weights>,
    losses: Vec<f64>,
}

pub(crate) fn explore(model: &Logistic, grid: usize, gallery: &Gallery) -> Outcome {
    println!("1. A bowl: is it a Gentoo? Logistic regression on the body mass of penguins");
    println!("   {} birds, p = σ(w·m + b), m in kilograms above 4; cross-entropy\n", model.len());
    let path = model.descend_lbfgs(START, 40)?;
    let minimum = *path.last().expect("a path has a start");
    let least = model.value(minimum, Loss::CrossEntropy);
    println!("   minimum   w = {:.4}, b = {:.4}, loss {least:.6}\n", minimum[0], minimum[1]);

    println!("   {:<34}{:>10}{:>12}", "", "λ_max", "2 ÷ λ_max");
    let (at_start, _) = model.sharpness(START, Loss::CrossEntropy);
    let (sharpness, direction) = model.sharpness(minimum, Loss::CrossEntropy);
    let least_curved = least_eigenvalue(model, minimum);
    for (place, eigenvalue) in [("at the start, (-1, 3)", at_start), ("at the minimum", sharpness)]
    {
        println!("   Hessian {place:<26}{eigenvalue:>10.4}{:>12.4}", 2.0 / eigenvalue);
    }
    println!("   λ_max ÷ λ_min at the minimum{:>16.1}\n", sharpness / least_curved);

    let limit = 2.0 / sharpness;
    println!("   {:<34}{:>10}{:>12}", "the rate beyond which it diverges", "measured", "theory");
    for (name, momentum, theory) in [
        ("gradient descent, 2 ÷ λ_max", 0.0, limit),
        ("momentum 0.9, 2·(1 + 0.9) ÷ λ_max", MOMENTUM, limit * (1.0 + MOMENTUM)),
    ] {
        let measured = measure_limit(model, minimum, direction, momentum, theory)?;
        println!("   {name:<34}{measured:>10.4}{theory:>12.4}");
    }

    let rates = descents_of_rates(model, limit)?;
    report("gradient descent from (-1, 3)", &rates, least);
    report_divergence(&rates[rates.len() - 1], least);
    let optimizers = descents_of_optimizers(model, limit)?;
    report("ways from (-1, 3)", &optimizers, least);
    println!("   (gradient descent with half the limit, momentum a fiftieth of it, Adam 0.3;");
    println!("   arrives: from this step on, the loss is less than {ARRIVED} above the least)\n");

    let surface = || surface(model, grid);
    gallery.draw("bowl-rates", || {
        on_surface("The rate decides", &surface(), &rates).picture().to_string()
    })?;
    gallery.draw("bowl-optimizers", || {
        on_surface("Ways down one valley", &surface(), &optimizers).picture().to_string()
    })?;
    gallery.draw("bowl-losses", || {
        let chart = Chart::new("Height above the minimum", "step", "loss − least loss (nats)");
        let lines = rates.iter().chain(&optimizers[1..]).fold(chart, |chart, descent| {
            let above = |(step, loss): (usize, &f64)| (step as f64, (loss - least).max(1e-12));
            chart.line(&*descent.name, descent.losses.iter().enumerate().map(above))
        });
        lines.log_y().y_range(1e-9, 1.0).picture().to_string()
    })?;
    gallery.draw("descent", || {
        let paths: Vec<_> =
            optimizers.iter().map(|descent| (&*descent.name, &descent.path[..=60])).collect();
        animate("Four ways down one valley, step by step", &surface(), &levels(&surface()), &paths)
    })
}

/// The largest rate at which the distance from the minimum does not grow, by bisection.
fn measure_limit(
    model: &Logistic,
    minimum: Weights,
    direction: Weights,
    momentum: f64,
    guess: f64,
) -> Result<f64, Box<dyn Error>> {
    // Small enough for the surface to be a parabola, large enough for rounding not to matter.
    const DISTANCE: f64 = 1e-5;
    const STEPS: usize = 400;
    let start = [0, 1].map(|i| minimum[i] + DISTANCE * direction[i]);
    let distance = |weights: &Weights| (weights[0] - minimum[0]).hypot(weights[1] - minimum[1]);
    let (mut converges, mut diverges) = (0.5 * guess, 1.5 * guess);
    while diverges - converges > 1e-5 * guess {
        let rate = (converges + diverges) / 2.0;
        let mut optimizer = Sgd::new(rate).momentum(momentum);
        let path = model.descend(start, Loss::CrossEntropy, &mut optimizer, STEPS)?;
        // Steps alternate in sign, and with momentum the distance beats: compare whole stretches.
        let greatest = |part: &[Weights]| part.iter().map(distance).fold(0.0, f64::max);
        let (first, last) = (&path[STEPS / 2..STEPS * 3 / 4], &path[STEPS * 3 / 4..]);
        // A descent that has arrived comes no nearer.
        let arrived = greatest(last) < 1e-3 * DISTANCE;
        match arrived || greatest(last) < greatest(first) && greatest(last) < 10.0 * DISTANCE {
            true => converges = rate,
            false => diverges = rate,
        }
    }
    Ok((converges + diverges) / 2.0)
}

fn least_eigenvalue(model: &Logistic, weights: Weights) -> f64 {
    crate::plateau::eigenvalues(model, weights, Loss::CrossEntropy)[0]
}

fn descents_of_rates(model: &Logistic, limit: f64) -> Result<Vec<Descent>, Box<dyn Error>> {
    let shares = [0.1, 0.9, 1.5];
    let descent = |share: f64| {
        let name = format!("η = {share}·2 ÷ λ_max");
        Descent::new(model, name, &mut Sgd::new(share * limit))
    };
    shares.into_iter().map(descent).collect()
}

fn descents_of_optimizers(model: &Logistic, limit: f64) -> Result<Vec<Descent>, Box<dyn Error>> {
    let path = model.descend_lbfgs(START, STEPS)?;
    Ok(vec![
        Descent::new(model, "gradient descent".into(), &mut Sgd::new(0.5 * limit))?,
        Descent::new(model, "momentum".into(), &mut Sgd::new(0.02 * limit).momentum(MOMENTUM))?,
        Descent::new(model, "Adam".into(), &mut Adam::new(0.3))?,
        Descent::of(model, "L-BFGS".into(), path),
    ])
}

impl Descent {
    fn new(
        model: &Logistic,
        name: String,
        optimizer: &mut dyn Optimizer<f64>,
    ) -> Result<Self, Box<dyn Error>> {
        let path = model.descend(START, Loss::CrossEntropy, optimizer, STEPS)?;
        Ok(Self::of(model, name, path))
    }

    fn of(model: &Logistic, name: String, path: Vec<Weights>) -> Self {
        let losses = path.iter().map(|&at| model.value(at, Loss::CrossEntropy)).collect();
        Self { name, path, losses }
    }

    /// The first step in which the loss grew.
    fn first_rise(&self) -> Option<usize> {
        self.losses
            .windows(2)
            .position(|pair| pair[1] > pair[0] * (1.0 + 1e-12))
            .map(|step| step + 1)
    }
}

fn report(heading: &str, descents: &[Descent], least: f64) {
    println!("\n   {heading:<34}{:>10}{:>12}{:>18}", "arrives", "last loss", "first rises in");
    for descent in descents {
        let step = |step: usize| format!("step {step}");
        let away = descent.losses.iter().rposition(|loss| loss - least >= ARRIVED);
        let arrived = away.map_or(0, |step| step + 1);
        let arrives = if arrived <= STEPS { step(arrived) } else { "never".into() };
        let rises = descent.first_rise().map_or_else(|| "never".into(), step);
        let last = descent.losses[descent.losses.len() - 1];
        println!("   {:<34}{arrives:>10}{last:>12.6}{rises:>18}", descent.name);
    }
}

/// In which step a descent whose rate is too large was nearest to the minimum, before it diverged,
/// and when it was away from it again.
fn report_divergence(descent: &Descent, least: f64) {
    let heights = descent.losses.iter().map(|loss| loss - least).enumerate();
    let Some((nearest, height)) = heights.clone().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return;
    };
    let away = heights.skip(nearest).find(|(_, height)| *height >= ARRIVED);
    if let Some((away, _)) = away {
        let what = format!(
            "{} diverges from step {nearest} ({height:.0e} above the least); step {away} is \
             {ARRIVED} above again",
            descent.name
        );
        println!("{}", lesson::wrapped("   ", &what));
    }
}

fn surface(model: &Logistic, grid: usize) -> Field {
    let [w, b] = RANGES;
    Field::sample(w, b, grid, |w, b| model.value([w, b], Loss::CrossEntropy))
}

fn levels(surface: &Field) -> Vec<f64> {
    surface.levels(12)
}

fn on_surface(title: &str, surface: &Field, descents: &[Descent]) -> Chart {
    let chart = Chart::new(title, "w", "b").contours(surface, &levels(surface));
    descents.iter().fold(chart, |chart, descent| {
        chart.path(&*descent.name, descent.path.iter().map(|&[w, b]| (w, b)))
    })
}
