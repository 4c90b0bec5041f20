//! The loss of one sample and its gradient, step by step.
//!
//! With s = z / T, the logits divided by the temperature, and p = softmax s, the probabilities,
//!
//! ```text
//! ln p_c    = s_c − lse               lse = ln Σ exp s = m + ln Σ exp(s − m),  m = max s
//! q_c       = w_c · ((1 − ε) · t_c + ε / K)
//! loss      = −Σ q_c · ln p_c
//! gradient  = (W · p_c − q_c) / T     W = Σ q_c
//! ```
//!
//! where t is the target (1 for the true class, or a distribution), ε the label smoothing, K the
//! number of classes that are not masked, and w the class weights. Without options q is t, and W
//! and T are 1: the gradient is softmax − target.

use std::f64::consts::LN_2;

use downhill::losses::Error;
use downhill::prelude::*;

use crate::Arguments;
use crate::table::{Column, list, number, print_table};
use lesson::Outcome;

pub(crate) fn walk_through(logits: &[f64], arguments: &Arguments) -> Outcome {
    // What training does, and where bad numbers are refused: before anything is printed.
    let z = Tensor::parameter(logits.to_vec());
    let loss = arguments.loss(&z)?;
    let gradients = loss.backward();
    let gradient = gradients.get(&z).expect("the loss depends on the logits").to_vec();
    let loss = loss.item();

    let target = Target::new(logits, arguments);
    let truth = match arguments.target {
        Some(class) => format!("class {class}"),
        None => format!("the distribution t = {}", list(&target.t)),
    };
    println!("Cross-entropy of logits z = {} against {truth}", list(logits));
    let log_p = log_probabilities(logits, arguments);
    add_up(&log_p, &target, arguments);
    println!("\n   loss = {} nats = {} bits", number(loss), number(loss / LN_2));
    compare_gradients(logits, &log_p, &target, &gradient, arguments)?;
    descend(logits, &gradient, loss, &target, arguments)
}

impl Arguments {
    /// The loss of one row of logits.
    fn loss(&self, logits: &Tensor<f64>) -> Result<Tensor<f64>, Error> {
        let mut cross_entropy = CrossEntropy::new()
            .temperature(self.temperature())
            .label_smoothing(self.label_smoothing())
            // The weighted mean of a single sample would divide its weight out again.
            .reduction(Reduction::Sum);
        if let Some(weights) = &self.class_weights {
            cross_entropy = cross_entropy.class_weights(weights.clone());
        }
        match (&self.probabilities, self.target) {
            (Some(target), _) => cross_entropy.forward(logits, &Tensor::from(target.clone())),
            (None, target) => cross_entropy.forward(logits, &[target.unwrap_or_default()]),
        }
    }

    fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(1.0)
    }

    /// What the logits are called once they are divided by the temperature.
    fn scaled(&self) -> &'static str {
        if self.temperature() == 1.0 { "z" } else { "s" }
    }

    fn label_smoothing(&self) -> f64 {
        self.label_smoothing.unwrap_or(0.0)
    }
}

/// What is to be predicted, and how it enters the loss.
struct Target {
    t: Vec<f64>,
    smoothed: Vec<f64>,
    weights: Vec<f64>,
    q: Vec<f64>,
}

impl Target {
    fn new(logits: &[f64], arguments: &Arguments) -> Self {
        let t = match (&arguments.probabilities, arguments.target) {
            (Some(probabilities), _) => probabilities.clone(),
            (None, label) => (0..logits.len()).map(|c| f64::from(Some(c) == label)).collect(),
        };
        let smoothing = arguments.label_smoothing();
        let masked = |z: f64| z == f64::NEG_INFINITY;
        let share = smoothing / logits.iter().filter(|&&z| !masked(z)).count() as f64;
        let smooth =
            |(&t, &z): (&f64, &f64)| (1.0 - smoothing) * t + if masked(z) { 0.0 } else { share };
        let smoothed: Vec<f64> = t.iter().zip(logits).map(smooth).collect();
        let weights = arguments.class_weights.clone().unwrap_or(vec![1.0; logits.len()]);
        let q = weights.iter().zip(&smoothed).map(|(w, t)| w * t).collect();
        Self { t, smoothed, weights, q }
    }
}

/// Steps 1 and 2: ln softmax of the logits divided by the temperature.
fn log_probabilities(logits: &[f64], arguments: &Arguments) -> Vec<f64> {
    let (temperature, name) = (arguments.temperature(), arguments.scaled());
    let s: Vec<f64> = logits.iter().map(|z| z / temperature).collect();
    let m = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Not s − m where both are +∞: the difference of equal numbers is 0.
    let shifted: Vec<f64> = s.iter().map(|&s| if s == m { 0.0 } else { s - m }).collect();
    let exponentials: Vec<f64> = shifted.iter().map(|shifted| shifted.exp()).collect();
    let sum: f64 = exponentials.iter().sum();

    let mut columns = vec![Column::new("z", logits)];
    let mut scaling = String::new();
    if temperature != 1.0 {
        scaling = format!("Divide by the temperature, s = z / {temperature}. ");
        columns.push(Column::new("s", &s));
    }
    columns.push(Column::new(format!("{name} − m"), &shifted));
    columns.push(Column::new(format!("exp({name} − m)"), &exponentials).with_sum());
    println!(
        "\n1. {scaling}Shift by the largest, m = {}.\n   \
            The shift cancels out later on, and no exponential can overflow.\n",
        number(m)
    );
    print_table(&columns);
    println!(
        "\n2. Log-sum-exp\n   lse = ln Σ exp {name} = m + ln {} = {} + {} = {}",
        number(sum),
        number(m),
        number(sum.ln()),
        number(m + sum.ln())
    );
    shifted.iter().map(|shifted| shifted - sum.ln()).collect()
}

/// Step 3: −Σ q · ln p.
fn add_up(log_p: &[f64], target: &Target, arguments: &Arguments) {
    let p: Vec<f64> = log_p.iter().map(|log_p| log_p.exp()).collect();
    let mut columns = vec![
        Column::new("ln p", log_p),
        Column::new("p", &p).with_sum(),
        Column::new("target t", &target.t).with_sum(),
    ];
    if arguments.label_smoothing() != 0.0 {
        columns.push(Column::new("t smoothed", &target.smoothed).with_sum());
    }
    let mut name = "t";
    if arguments.class_weights.is_some() {
        name = "q";
        columns.push(Column::new("weight w", &target.weights));
        columns.push(Column::new("q = w · t", &target.q).with_sum());
    }
    // 0 · ln 0 counts as 0: what never happens costs nothing.
    let term = |(&q, &log_p): (&f64, &f64)| if q == 0.0 { 0.0 } else { -q * log_p };
    let terms: Vec<f64> = target.q.iter().zip(log_p).map(term).collect();
    columns.push(Column::new(format!("−{name} · ln p"), &terms).with_sum());
    println!(
        "\n3. Log-probabilities, ln p = {} − lse, never from a p that was rounded before;\n   \
            and what each class adds to the loss.\n",
        arguments.scaled()
    );
    print_table(&columns);
}

/// Step 4: the gradient by the formula, by automatic and by numeric differentiation.
fn compare_gradients(
    logits: &[f64],
    log_p: &[f64],
    target: &Target,
    gradient: &[f64],
    arguments: &Arguments,
) -> Outcome {
    let temperature = arguments.temperature();
    let weight: f64 = target.q.iter().sum();
    let formula = |(log_p, q): (&f64, &f64)| (weight * log_p.exp() - q) / temperature;
    let by_formula: Vec<f64> = log_p.iter().zip(&target.q).map(formula).collect();
    let differences = finite_differences(logits, temperature, |z| Ok(arguments.loss(z)?.item()))?;
    let apart: Vec<f64> = gradient.iter().zip(&differences).map(|(a, b)| (a - b).abs()).collect();

    let (mut heading, mut remark) = ("p − t", "");
    if arguments.class_weights.is_some() {
        (heading, remark) = ("W · p − q", ", with W = Σ q");
    }
    let heading = match temperature {
        1.0 => heading.to_owned(),
        _ => format!("({heading}) / T"),
    };
    println!(
        "\n{}\n",
        lesson::wrapped(
            "4. ",
            &format!(
                "Gradient with respect to z: by the formula{remark}, by backward(), and by the \
                 difference (loss(z + h) − loss(z − h)) / 2h. It sums to 0, but for rounding: what \
                 some classes gain, the others lose."
            )
        )
    );
    print_table(&[
        Column::new(heading, &by_formula),
        Column::new("backward()", gradient).with_sum(),
        Column::new("difference", &differences),
        Column::new("they differ by", &apart),
    ]);
    Ok(())
}

/// Central differences (f(z + h) − f(z − h)) / 2h of a function that does not change when all of
/// z is shifted. They are taken where the largest z is 0, so that large numbers do not swallow
/// small steps. `scale` is that on which f curves.
fn finite_differences(
    z: &[f64],
    scale: f64,
    f: impl Fn(&Tensor<f64>) -> Result<f64, Error>,
) -> Result<Vec<f64>, Error> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let z: Vec<f64> = z.iter().map(|&z| if z == largest { 0.0 } else { z - largest }).collect();
    (0..z.len())
        .map(|class| {
            let size = if z[class].is_finite() { z[class].abs() } else { 0.0 };
            // The cube root of f64's precision balances the errors of rounding and of curvature.
            let h = f64::EPSILON.cbrt() * scale.max(size);
            let at = |h: f64| {
                let mut moved = z.clone();
                moved[class] += h;
                f(&Tensor::from(moved))
            };
            Ok((at(h)? - at(-h)?) / (2.0 * h))
        })
        .collect()
}

/// Step 5: a step of gradient descent on the logits.
fn descend(
    logits: &[f64],
    gradient: &[f64],
    loss: f64,
    target: &Target,
    arguments: &Arguments,
) -> Outcome {
    // The loss curves by at most W / 2T², for which this is a short step.
    let rate = arguments.temperature().powi(2) / target.q.iter().sum::<f64>();
    let stepped: Vec<f64> = logits.iter().zip(gradient).map(|(z, g)| z - rate * g).collect();
    let after = arguments.loss(&Tensor::from(stepped))?.item();
    if after < loss {
        let rate = if rate == 1.0 { String::new() } else { format!("{} · ", number(rate)) };
        let what = format!(
            "Downhill is against the gradient: at z − {rate}gradient the loss is {}.",
            number(after)
        );
        println!("\n{}", lesson::wrapped("5. ", &what));
    } else if loss == f64::INFINITY {
        println!(
            "\n   The loss is infinite: the model holds impossible what is true. There are no\n   \
                differences (∞ − ∞), yet the gradient is defined, and points the way back."
        );
    }
    Ok(())
}
