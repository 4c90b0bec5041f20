//! A network: a line, a plane, and the sharpness along the way.
//!
//! ```text
//! loss = mean of (output − target)²       w ← w − η · ∂loss/∂w       stable while λ_max < 2 ÷ η
//! ```

use std::error::Error;

use downhill::datasets::Csv;
use downhill::prelude::*;
use downhill_report::plot::{Chart, Field};
use rand_distr::{Distribution, StandardNormal};

use crate::curvature::largest_eigenvalue;
use crate::{Arguments, Gallery};
use lesson::{Outcome, check_loss, interrupted};

/// Descends from the initial weights: the loop, in which the sharpness is measured.
fn descend(
    initial: &Mlp<f64>,
    birds: &Birds,
    rate: f64,
    steps: usize,
) -> Result<Course, Box<dyn Error>> {
    let mut model = initial.clone();
    let mut optimizer = Sgd::new(rate);
    let every = steps.div_ceil(MEASUREMENTS);
    // The sharpest direction changes slowly: the last one is where the next search begins.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let mut direction: Vec<Tensor<f64>> =
        parameters(&model).iter().map(|weights| normal(weights.shape(), &mut rng)).collect();
    let (mut losses, mut sharpness) = (Vec::new(), Vec::new());
    for step in 0..=steps {
        let loss = birds.loss(&model);
        check_loss(&loss, (0, step), rate)?;
        losses.push(loss.item());
        if step % every == 0 {
            let weights = parameters(&model);
            let weights: Vec<_> = weights.iter().collect();
            let eigenvalue = largest_eigenvalue(&loss, &weights, &mut direction, TOLERANCE);
            sharpness.push((step, eigenvalue));
        }
        if step == steps || interrupted() {
            break;
        }
        let gradients = loss.backward();
        optimizer.step(&mut model, &gradients)?;
    }
    Ok(Course { rate, last: model, losses, sharpness })
}

/// How far a change of the sharpness may be from settled, relatively.
const TOLERANCE: f64 = 1e-4;
/// How often the sharpness is measured.
const MEASUREMENTS: usize = 150;

/// All birds at once: standardised measurements, and one-hot species.
struct Birds {
    features: Tensor<f64>,
    targets: Tensor<f64>,
    count: usize,
}

/// What gradient descent met with.
struct Course {
    rate: f64,
    last: Mlp<f64>,
    /// The loss before each step.
    losses: Vec<f64>,
    /// The sharpness before some of the steps.
    sharpness: Vec<(usize, f64)>,
}

pub(crate) fn explore(arguments: &Arguments, gallery: &Gallery) -> Outcome {
    let birds = Birds::read(arguments)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let sizes = [&[birds.features.shape()[1]], &arguments.hidden.0[..], &[birds.classes()]];
    let model = Mlp::new(&sizes.concat(), &mut rng).activation(Activation::Tanh);
    println!("3. A network: {} weights, the species of penguins", model.parameter_count());
    let what = format!(
        "hidden {}, tanh, squared error; gradient descent, {} birds; seed {}",
        arguments.hidden, birds.count, arguments.seed
    );
    println!("{}\n", lesson::wrapped("   ", &what));
    let mut courses = Vec::new();
    for &rate in &arguments.learning_rate {
        courses.push(descend(&model, &birds, rate, arguments.steps)?);
    }
    report(&courses);

    let Some(course) = courses.last() else { return Ok(()) };
    println!("\n   after the descent with rate {}", course.rate);
    let line = line(&model, &course.last, &birds);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (at, loss) = nearest(&line, share);
        println!(
            "   loss {:>3.0} % of the straight way from the first weights{loss:>18.6}",
            100.0 * at
        );
    }
    let directions = [0, 1].map(|_| filter_normalised(&course.last, &mut rng));
    let plane = |x: f64, y: f64| {
        birds.value(&moved(&course.last, &[(&directions[0], x), (&directions[1], y)]))
    };
    println!("   in two random directions as long as the weights:");
    for distance in [0.0, 0.25, 0.5, 1.0] {
        let around = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)];
        let mean = around.map(|(x, y)| plane(distance * x, distance * y)).iter().sum::<f64>() / 4.0;
        println!("   mean loss at distance {distance:<5}{mean:>46.6}");
    }
    println!();
    draw(&courses, &line, gallery)?;
    gallery.draw("network-plane", || {
        let field = Field::sample((-1.0, 1.0), (-1.0, 1.0), arguments.grid, plane);
        Chart::new("A plane through the final weights", "first direction", "second direction")
            .contours(&field, &field.levels(12))
            .points("the final weights", [(0.0, 0.0)])
            .picture()
            .to_string()
    })
}

impl Birds {
    fn read(arguments: &Arguments) -> Result<Self, downhill::datasets::Error> {
        let columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
        let birds = Csv::new(&arguments.data)
            .target("species")
            .features(&columns)
            .drop_missing(true)
            .read_classification::<f64>()?;
        let birds = Standardizer::fit(&birds).transform(&birds);
        let batch = birds.full_batch();
        let targets = Tensor::one_hot(birds.labels(), birds.class_count());
        Ok(Self { features: batch.features, targets, count: birds.len() })
    }

    fn classes(&self) -> usize {
        self.targets.shape()[1]
    }

    /// The mean over all birds and classes of (output − target)².
    fn loss(&self, model: &Mlp<f64>) -> Tensor<f64> {
        (model.forward(&self.features) - &self.targets).square().mean()
    }

    fn value(&self, model: &Mlp<f64>) -> f64 {
        without_recording(|| self.loss(model)).item()
    }
}

impl Course {
    /// The sharpness at which the descent becomes unstable.
    fn limit(&self) -> f64 {
        2.0 / self.rate
    }

    /// The measurements of the last quarter of the way.
    fn late(&self) -> &[(usize, f64)] {
        &self.sharpness[self.sharpness.len() * 3 / 4..]
    }
}

/// How the sharpness went with each rate.
fn report(courses: &[Course]) {
    let line = |name: &str, values: &mut dyn Iterator<Item = String>| {
        println!("   {name:<30}{}", values.map(|value| format!("{value:>12}")).collect::<String>());
    };
    line("rate η", &mut courses.iter().map(|course| course.rate.to_string()));
    let measured = courses.iter().map(|course| course.sharpness.len()).min().unwrap_or(0);
    for index in (0..measured).step_by((measured / 8).max(1)) {
        let step = courses[0].sharpness[index].0;
        let sharpness = courses.iter().map(|course| format!("{:.4}", course.sharpness[index].1));
        line(&format!("sharpness before step {}", step + 1), &mut sharpness.into_iter());
    }
    let mean = |course: &Course| {
        let late = course.late();
        late.iter().map(|(_, sharpness)| sharpness).sum::<f64>() / late.len() as f64
    };
    line("mean of the last quarter", &mut courses.iter().map(|c| format!("{:.4}", mean(c))));
    line("2 ÷ η", &mut courses.iter().map(|course| format!("{:.4}", course.limit())));
    let rises = |course: &Course| course.losses.windows(2).filter(|pair| pair[1] > pair[0]).count();
    line("steps in which the loss rose", &mut courses.iter().map(|c| rises(c).to_string()));
    let last = |course: &Course| format!("{:.6}", course.losses[course.losses.len() - 1]);
    line("last loss", &mut courses.iter().map(last));
}

/// The loss along the line through the initial (0) and the final (1) weights.
fn line(initial: &Mlp<f64>, last: &Mlp<f64>, birds: &Birds) -> Vec<(f64, f64)> {
    let pairs = parameters(last).into_iter().zip(parameters(initial));
    let way: Vec<Tensor<f64>> = pairs.map(|(last, initial)| (&last - &initial).detach()).collect();
    (-20..=120)
        .map(|percent| {
            let share = f64::from(percent) / 100.0;
            (share, birds.value(&moved(initial, &[(&way, share)])))
        })
        .collect()
}

fn draw(courses: &[Course], line: &[(f64, f64)], gallery: &Gallery) -> Outcome {
    gallery.draw("network-line", || {
        let ends = line.iter().copied().filter(|(share, _)| *share == 0.0 || *share == 1.0);
        Chart::new("Straight from the initial to the final weights", "share of the way", "loss")
            .line("squared error", line.iter().copied())
            .points("initial and final weights", ends)
            .picture()
            .to_string()
    })?;
    gallery.draw("network-sharpness", || {
        let chart = Chart::new("The edge of stability", "step", "λ_max of the Hessian");
        let chart = courses.iter().fold(chart, |chart, course| {
            let measured = course.sharpness.iter().map(|&(step, value)| (step as f64, value));
            chart.line(format!("η = {}", course.rate), measured)
        });
        // What is not a number is a gap.
        let limits = courses.iter().flat_map(|course| {
            let (end, limit) = ((course.losses.len() - 1) as f64, course.limit());
            [(0.0, limit), (end, limit), (f64::NAN, f64::NAN)]
        });
        chart.reference("2 ÷ η of each", limits).picture().to_string()
    })?;
    gallery.draw("network-loss", || {
        let chart = Chart::new("The loss is not monotone at the edge", "step", "squared error");
        let chart = courses.iter().fold(chart, |chart, course| {
            let losses = course.losses.iter().enumerate().map(|(step, &loss)| (step as f64, loss));
            chart.line(format!("η = {}", course.rate), losses)
        });
        chart.log_y().picture().to_string()
    })
}

fn parameters(model: &Mlp<f64>) -> Vec<Tensor<f64>> {
    model.named().into_iter().map(|(_, tensor)| tensor).collect()
}

/// The model with `share` times a direction added to its weights, for each pair.
fn moved(model: &Mlp<f64>, directions: &[(&Vec<Tensor<f64>>, f64)]) -> Mlp<f64> {
    let mut moved = model.clone();
    let mut index = 0;
    moved.visit_mut(downhill::tensor::Path::ROOT, &mut |_, tensor| {
        for (direction, share) in directions {
            let change = direction[index].values();
            tensor.update(|values| {
                values.iter_mut().zip(&*change).for_each(|(value, d)| *value += share * d);
            });
        }
        index += 1;
    });
    moved
}

/// A random direction in which every unit's incoming weights are as long as the model's own, so
/// that a distance means the same for a model whose weights are scaled (Li et al., 2018). Biases
/// stay as they are.
fn filter_normalised(model: &Mlp<f64>, rng: &mut impl Rng) -> Vec<Tensor<f64>> {
    let direction = |weights: &Tensor<f64>| {
        if weights.ndim() < 2 {
            return Tensor::zeros(weights.shape());
        }
        let length = |tensor: &Tensor<f64>| {
            tensor.square().sum_axes(downhill::tensor::keep(0)).sqrt().detach()
        };
        let random = normal(weights.shape(), rng);
        (&random / length(&random) * length(weights)).detach()
    };
    parameters(model).iter().map(direction).collect()
}

fn normal(shape: &[usize], rng: &mut impl Rng) -> Tensor<f64> {
    let count = shape.iter().product();
    let values: Vec<f64> =
        (0..count).map(|_| Distribution::<f64>::sample(&StandardNormal, rng)).collect();
    Tensor::from(values).reshape(shape)
}

/// The point of a line whose first coordinate is nearest to `share`.
fn nearest(line: &[(f64, f64)], share: f64) -> (f64, f64) {
    let distance = |point: &(f64, f64)| (point.0 - share).abs();
    let near = line.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    *near.expect("a line has points")
}
