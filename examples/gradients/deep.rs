//! Deep networks that differ in one thing at a time, and what is measured of them.
//!
//! ```text
//! δₗ = (δₗ₊₁ · Wₗ₊₁ᵀ) ∘ f′(zₗ)        ∂loss/∂Wₗ = aₗ₋₁ᵀ · δₗ        Wₗ ← Wₗ − rate · ∂loss/∂Wₗ
//! ```

use std::error::Error;
use std::fmt;
use std::io::IsTerminal;

use downhill::nn::{BatchNorm, Initializer, LayerNorm};
use downhill::optim::clip_by_global_norm;
use downhill::prelude::*;

use crate::Arguments;
use lesson::Totals;
use lesson::observe::Record;

impl Network {
    /// Trains the network: the loop, with what is measured in it.
    pub(crate) fn fit(
        &'static self,
        arguments: &Arguments,
        train: &Dataset,
        test: &Dataset,
        mut rng: Xoshiro256PlusPlus,
    ) -> Result<Run, Box<dyn Error>> {
        let inputs = train.feature_count();
        let mut model = self.model(inputs, arguments, train.class_count(), &mut rng);
        let mut optimizer = Sgd::new(arguments.learning_rate);
        let cross_entropy = CrossEntropy::new();
        let last = arguments.epochs.saturating_mul(train.len().div_ceil(BATCH_SIZE)) - 1;
        let mut run = Run::new(self, &model, arguments)?;
        // In a pipe the networks' tables, one after the other, are progress enough.
        let mut progress = match !arguments.quiet && std::io::stdout().is_terminal() {
            true => Progress::new(arguments.epochs),
            false => Progress::hidden(),
        };
        let mut step = 0;
        'training: for epoch in 0..arguments.epochs {
            let mut totals = Totals::default();
            for batch in train.batches(BATCH_SIZE, &mut rng) {
                let logits = model.forward_training(&batch.features, &mut rng);
                let loss = cross_entropy.forward(&logits, &batch.labels)?;
                let mut gradients = loss.backward();
                if self.clipped {
                    clip_by_global_norm(&mut gradients, arguments.clip)?;
                }
                let norm = norm(gradients.iter());
                if !(loss.item().is_finite() && norm.is_finite()) {
                    run.lost_at = Some(step);
                    let rate = arguments.learning_rate;
                    run.record.history.diverged(&model, &gradients, &loss, rate);
                    break 'training;
                }
                run.largest_norm = run.largest_norm.max(norm);
                // The weights are held on to only where they are wanted, as that makes the
                // optimizer copy them.
                let before = [0, 10, 100, last].contains(&step).then(|| weights(&model));
                optimizer.step(&mut model, &gradients)?;

                run.record.step(&model, &gradients, &loss, arguments.learning_rate);
                if let Some(before) = before {
                    run.snapshots.push(Snapshot::new(step, &before, &weights(&model), &gradients));
                }
                totals.add(&loss, &logits, &batch.labels);
                step += 1;
                if lesson::interrupted() {
                    break 'training;
                }
            }
            let means = totals.take();
            run.losses.push(means[0]);
            progress.epoch(epoch, &[("loss", means[0])]);
            let evaluate = |images: &Tensor| model.evaluate(images);
            run.record.classifier_epoch((epoch, arguments.epochs), means, test, evaluate)?;
        }
        progress.finish();
        if run.lost_at.is_none() {
            let logits = without_recording(|| model.evaluate(&test.full_batch().features));
            run.accuracy = Some(accuracy(&logits.argmax(-1), test.labels())?);
        }
        Ok(run)
    }
}

/// Samples for each step of the descent.
const BATCH_SIZE: usize = 64;

/// A network's hidden layers: an affine map, perhaps a normalisation, and an activation.
pub(crate) struct Network {
    pub(crate) name: &'static str,
    activation: Activation,
    /// By how much the weights start larger than they should.
    factor: f64,
    normalization: Normalization,
    clipped: bool,
}

#[derive(Clone, Copy)]
enum Normalization {
    None,
    Layer,
    Batch,
}
use Normalization::{Batch, Layer, None as Plain};

impl Network {
    const fn new(
        name: &'static str,
        activation: Activation,
        factor: f64,
        normalization: Normalization,
    ) -> Self {
        Self { name, activation, factor, normalization, clipped: false }
    }

    const fn clipped(self) -> Self {
        Self { clipped: true, ..self }
    }
}

pub(crate) const NETWORKS: [Network; 10] = [
    Network::new("sigmoid, Glorot", Activation::Sigmoid, 1.0, Plain),
    Network::new("sigmoid, Glorot, LayerNorm", Activation::Sigmoid, 1.0, Layer),
    Network::new("sigmoid, Glorot, BatchNorm", Activation::Sigmoid, 1.0, Batch),
    Network::new("tanh, Glorot", Activation::Tanh, 1.0, Plain),
    Network::new("tanh, 4 × Glorot", Activation::Tanh, 4.0, Plain),
    Network::new("ReLU, He ÷ 2", Activation::Relu, 0.5, Plain),
    Network::new("ReLU, He", Activation::Relu, 1.0, Plain),
    Network::new("ReLU, 2 × He", Activation::Relu, 2.0, Plain),
    Network::new("ReLU, 2 × He, clipped", Activation::Relu, 2.0, Plain).clipped(),
    Network::new("ReLU, 2 × He, LayerNorm", Activation::Relu, 2.0, Layer),
];

/// What came of training a network.
pub(crate) struct Run {
    pub(crate) network: &'static Network,
    /// The layers and their sizes.
    pub(crate) model: String,
    pub(crate) snapshots: Vec<Snapshot>,
    /// The mean loss of each epoch.
    pub(crate) losses: Vec<f64>,
    /// The largest norm of all gradients together that a step was made along.
    pub(crate) largest_norm: f64,
    /// The step at which the loss or a gradient was no number any more.
    lost_at: Option<usize>,
    /// On samples that were not trained on; None for a network that was lost.
    pub(crate) accuracy: Option<f64>,
    pub(crate) record: Record,
}

/// What is measured of each layer's weights W at one step.
pub(crate) struct Snapshot {
    step: usize,
    /// ‖∂loss/∂W‖, after clipping.
    gradient_norms: Vec<f64>,
    /// ‖ΔW‖ / ‖W‖
    pub(crate) update_ratios: Vec<f64>,
}

impl Network {
    fn model(
        &self,
        inputs: usize,
        arguments: &Arguments,
        classes: usize,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Sequential {
        let initializer = match self.activation {
            Activation::Relu => Initializer::kaiming_normal(self.factor * 2.0_f64.sqrt()),
            _ => Initializer::xavier_normal(self.factor),
        };
        let mut model = Sequential::new();
        let mut width = inputs;
        for _ in 0..arguments.depth {
            model =
                model.then(Linear::new(width, arguments.width, rng).initialize(initializer, rng));
            model = match self.normalization {
                Plain => model,
                Layer => model.then(LayerNorm::new(arguments.width)),
                Batch => model.then(BatchNorm::new(arguments.width)),
            };
            model = model.then(self.activation);
            width = arguments.width;
        }
        model.then(Linear::new(width, classes, rng).initialize(initializer, rng))
    }
}

/// The weights of all layers from the first to the last: what else there is (biases, what a
/// normalisation learns and keeps) has one axis.
fn weights(model: &Sequential) -> Vec<Tensor> {
    let tensors = model.named().into_iter().map(|(_, tensor)| tensor);
    tensors.filter(|tensor| tensor.ndim() == 2).collect()
}

/// √Σ value², over all values of all tensors.
fn norm<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> f64 {
    let squares = |tensor: &Tensor| {
        let values = tensor.values();
        values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()
    };
    tensors.map(squares).sum::<f64>().sqrt()
}

impl Snapshot {
    fn new(step: usize, before: &[Tensor], after: &[Tensor], gradients: &Gradients) -> Self {
        let gradient =
            |weight| gradients.get(weight).map_or(0.0, |gradient| norm([gradient].into_iter()));
        let ratio = |(old, new): (&Tensor, &Tensor)| {
            norm([&(new - old)].into_iter()) / norm([old].into_iter())
        };
        Self {
            step,
            gradient_norms: before.iter().map(gradient).collect(),
            update_ratios: before.iter().zip(after).map(ratio).collect(),
        }
    }
}

impl Run {
    fn new(
        network: &'static Network,
        model: &Sequential,
        arguments: &Arguments,
    ) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            network,
            model: model.to_string(),
            snapshots: Vec::new(),
            losses: Vec::new(),
            largest_norm: 0.0,
            lost_at: None,
            accuracy: None,
            record: arguments.observe.record(Some(network.name), model)?,
        })
    }

    /// The norm of the first layer's gradient in proportion to that of the last's, before any
    /// step; None for a network that was lost at once, or whose gradient is 0 already there.
    pub(crate) fn first_to_last(&self) -> Option<f64> {
        let norms = &self.snapshots.first()?.gradient_norms;
        let ratio = norms[0] / norms[norms.len() - 1];
        ratio.is_finite().then_some(ratio)
    }

    /// ‖ΔW‖ / ‖W‖ of the first layer, in the last step that was measured.
    pub(crate) fn update_ratio(&self) -> Option<f64> {
        Some(self.snapshots.last()?.update_ratios[0])
    }
}

/// The network's table, and what its numbers say.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.network.name)?;
        let (Some(start), Some(end)) = (self.snapshots.first(), self.snapshots.last()) else {
            return write!(f, "  Lost at once: the loss or its gradient is not finite.");
        };
        let width = 8 * self.snapshots.len().max(3);
        writeln!(f, "{:7}{:>width$}   {:>width$}", "", "‖∂loss/∂W‖ at step", "‖ΔW‖ ÷ ‖W‖ at step")?;
        let cells = |cell: &dyn Fn(&Snapshot) -> String| {
            let cells: Vec<String> =
                self.snapshots.iter().map(|at| format!("{:>8}", cell(at))).collect();
            cells.concat()
        };
        let steps = cells(&|at| at.step.to_string());
        writeln!(f, "{:7}{steps:>width$}   {steps:>width$}", "  layer")?;
        let last = start.gradient_norms.len() - 1;
        let mut shown: Vec<usize> = (0..5).map(|part| part * last / 4).collect();
        shown.dedup();
        for layer in shown {
            let norms = cells(&|at| format!("{:.1e}", at.gradient_norms[layer]));
            let ratios = cells(&|at| format!("{:.1e}", at.update_ratios[layer]));
            writeln!(f, "{:>7}{norms:>width$}   {ratios:>width$}", layer + 1)?;
        }
        writeln!(f, "{}", lesson::wrapped("  ", &in_words(start)))?;
        let ratio = end.update_ratios[0];
        let judgement = match ratio {
            ..1e-4 => "hardly anything",
            0.01.. => "too much",
            _ => "a healthy pace",
        };
        let (step, ratio) = (end.step, short(ratio));
        writeln!(f, "  Step {step} changes the first layer by {ratio} of its size: {judgement}.")?;
        match (self.lost_at, self.accuracy) {
            (Some(step), _) => {
                write!(f, "  Lost at step {step}: the loss or its gradient is not finite.")
            }
            (None, Some(accuracy)) => write!(f, "  Test accuracy {accuracy:.4}."),
            (None, None) => Ok(()),
        }
    }
}

/// What becomes of the gradient from the last layer to the first.
fn in_words(start: &Snapshot) -> String {
    let norms = &start.gradient_norms;
    let last = norms.len() - 1;
    if norms[last] == 0.0 {
        return "All gradients are 0: nothing comes up to the last layer.".into();
    }
    let ratio = norms[0] / norms[last];
    let per_layer = ratio.powf(1.0 / last as f64);
    let figures = format!("{} of the last's, {per_layer:.2} a layer", short(ratio));
    match (ratio, norms[0].max(norms[last])) {
        (..0.01, _) => format!("The first layer's gradient has vanished: {figures}."),
        (100.0.., _) => format!("The first layer's gradient has exploded: {figures}."),
        (_, ..0.01) => {
            format!("All gradients are faint alike (the first {figures}), as is what comes up.")
        }
        (_, 100.0..) => {
            format!("All gradients are huge alike (the first {figures}), as is what comes up.")
        }
        _ => format!("The first layer's gradient has kept its size: {figures}."),
    }
}

/// Two decimals, or scientific notation where those would hide the number.
fn short(value: f64) -> String {
    match (0.01..100.0).contains(&value) || value == 0.0 {
        true => format!("{value:.2}"),
        false => format!("{value:.1e}"),
    }
}
