//! Everything that decides a run, and the ranges it is checked against.

use serde::{Deserialize, Serialize};

mod check;

/// What a run is: the same setting gives the same numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    /// The points.
    pub data: DataSetting,
    /// The network.
    pub model: ModelSetting,
    /// What is minimised.
    pub loss: LossSetting,
    /// How it is minimised.
    pub optimizer: OptimizerSetting,
}

/// Which points there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSetting {
    /// Where the points come from.
    pub source: Source,
    /// How many points are drawn.
    pub count: usize,
    /// The arms of the spirals.
    pub arms: usize,
    /// The standard deviation of what is added to each coordinate, or to each value.
    pub noise: f64,
    /// The share of the points that is kept for testing.
    pub test: f64,
    /// How rare the second class is: the share of its points that is kept.
    pub rarity: f64,
    /// The seed of the points.
    pub seed: u64,
    /// Points placed by hand: x, y and the class, or the value.
    pub points: Vec<[f32; 3]>,
    /// A table as text, with a header.
    pub table: String,
    /// The columns of the table that are looked at; two principal components if there are none.
    pub columns: Vec<String>,
    /// The column of the table that is to be predicted; the last if empty.
    pub target: String,
}

/// Where points come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Two half circles.
    Moons,
    /// A circle in a circle.
    Circles,
    /// Two to five spirals.
    Spirals,
    /// Four squares of a checkerboard.
    Xor,
    /// Four clouds, of two classes or as many as there are arms.
    Blobs,
    /// A value of one feature that swings.
    Wave,
    /// A value that rises evenly in one direction.
    Plane,
    /// A value with a hill and a hollow.
    Hills,
    /// Points placed by hand, with classes.
    Points,
    /// A table with classes.
    Table,
    /// The images of handwritten digits.
    Digits,
}

impl Default for DataSetting {
    fn default() -> Self {
        Self {
            source: Source::Spirals,
            count: 300,
            arms: 3,
            noise: 0.03,
            test: 0.2,
            rarity: 1.0,
            seed: 1,
            points: Vec::new(),
            table: String::new(),
            columns: Vec::new(),
            target: String::new(),
        }
    }
}

/// What network there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSetting {
    /// The units of each hidden layer.
    pub hidden: Vec<usize>,
    /// What is applied to the sums of each hidden layer; the last holds for the layers after it.
    pub activation: Vec<ActivationKind>,
    /// Where the weights start.
    pub initialization: Initialization,
    /// Whether the input of a hidden layer is added to its output where their sizes agree.
    pub residual: bool,
    /// Whether the sums of the hidden layers are normalised.
    pub layer_norm: bool,
    /// The share of hidden values that is dropped while training.
    pub dropout: f64,
    /// The seed of the weights, the batches and the dropping.
    pub seed: u64,
}

impl Default for ModelSetting {
    fn default() -> Self {
        Self {
            hidden: vec![8, 8],
            activation: vec![ActivationKind::Tanh],
            initialization: Initialization::Xavier,
            residual: false,
            layer_norm: false,
            dropout: 0.0,
            seed: 1,
        }
    }
}

/// The activations that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is described by `downhill_nn::Activation`")]
pub enum ActivationKind {
    Relu,
    LeakyRelu,
    Tanh,
    Sigmoid,
    Softplus,
    Gelu,
    Silu,
    Identity,
}

/// Where weights start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// He's normal distribution for the activation; biases 0.
    He,
    /// Xavier's uniform distribution; biases 0.
    Xavier,
    /// PyTorch's: uniform between ±1/√inputs, biases too.
    Pytorch,
    /// All weights ½: units of a layer never differ.
    Equal,
    /// Normal with deviation 0.001.
    Small,
    /// Normal with deviation 4.
    Large,
}

/// What is minimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossSetting {
    /// Which loss.
    pub kind: LossKind,
    /// The share of each target that is spread over all classes.
    pub smoothing: f64,
    /// What logits are divided by.
    pub temperature: f64,
    /// Whether classes count alike, however many points they have.
    pub balanced: bool,
    /// Focal loss' γ.
    pub gamma: f64,
    /// The hinge's margin.
    pub margin: f64,
    /// Where Huber's loss turns from a parabola into a line.
    pub delta: f64,
}

/// The losses that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Cross-entropy of the softmax; of a value from 0 to 1, of the logistic function.
    CrossEntropy,
    /// Cross-entropy of two classes with a single logit.
    Binary,
    /// Focal loss.
    Focal,
    /// Multiclass hinge.
    Hinge,
    /// Squared error of the probabilities, or of the value.
    Squared,
    /// Absolute error of the value.
    Absolute,
    /// Huber's loss of the value.
    Huber,
}

impl Default for LossSetting {
    fn default() -> Self {
        Self {
            kind: LossKind::CrossEntropy,
            smoothing: 0.0,
            temperature: 1.0,
            balanced: false,
            gamma: 2.0,
            margin: 1.0,
            delta: 0.1,
        }
    }
}

/// How the loss is minimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSetting {
    /// Which optimizer.
    pub kind: OptimizerKind,
    /// The learning rate; the schedule's largest.
    pub learning_rate: f64,
    /// The points of a step.
    pub batch: usize,
    /// What part of the velocity is kept: of gradient descent, RMSprop and Muon.
    pub momentum: f64,
    /// Whether to look ahead along the velocity.
    pub nesterov: bool,
    /// What part of a gradient the velocity of gradient descent is spared.
    pub dampening: f64,
    /// What part of the mean of gradients is kept: of Adam, AdamW and Lion.
    pub beta1: f64,
    /// What part of the mean of their squares is kept.
    pub beta2: f64,
    /// What part of the mean of squares RMSprop keeps.
    pub alpha: f64,
    /// Whether RMSprop divides by the deviation of gradients rather than by their root mean square.
    pub centered: bool,
    /// How quickly Adagrad's learning rate falls besides.
    pub learning_rate_decay: f64,
    /// Where Adagrad's sum of squares starts.
    pub initial_accumulator: f64,
    /// How often Muon takes a matrix nearer to an orthogonal one.
    pub iterations: usize,
    /// What keeps a divisor from 0.
    pub epsilon: f64,
    /// AMSGrad.
    pub amsgrad: bool,
    /// How many past steps L-BFGS remembers.
    pub history: usize,
    /// How strongly weights are drawn towards 0.
    pub weight_decay: f64,
    /// How the learning rate changes.
    pub schedule: ScheduleKind,
    /// How many steps the schedule takes.
    pub schedule_steps: u64,
    /// What a stepped or exponential schedule multiplies with.
    pub schedule_gamma: f64,
    /// The power of a polynomial schedule.
    pub schedule_power: f64,
    /// What is done to large gradients.
    pub clip: Clip,
    /// What counts as large.
    pub clip_at: f64,
}

/// The optimizers that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is described in `downhill_optim`")]
pub enum OptimizerKind {
    Sgd,
    Adagrad,
    Rmsprop,
    Adam,
    Adamw,
    Lion,
    Muon,
    Lbfgs,
}

/// How the learning rate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Not at all.
    Constant,
    /// Multiplied every so many steps.
    Step,
    /// Multiplied every step.
    Exponential,
    /// Straight down to 0.
    Linear,
    /// Down to 0 along a power of what is left.
    Polynomial,
    /// Down to 0 along a cosine.
    Cosine,
    /// Cosines, one after the other.
    Restarts,
    /// Up, and down to nearly 0.
    OneCycle,
    /// Straight up, and then as it is.
    WarmUp,
    /// Straight up for a tenth of the steps, and then down to 0 along a cosine.
    WarmUpCosine,
}

/// What is done to large gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Nothing.
    None,
    /// All are scaled together, by their common norm.
    GlobalNorm,
    /// Each parameter's is scaled by its own norm.
    Norm,
    /// Each value is cut.
    Value,
}

impl Default for OptimizerSetting {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            learning_rate: 0.05,
            batch: 32,
            momentum: 0.0,
            nesterov: false,
            dampening: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            alpha: 0.99,
            centered: false,
            learning_rate_decay: 0.0,
            initial_accumulator: 0.0,
            iterations: 5,
            epsilon: 1e-8,
            amsgrad: false,
            history: 10,
            weight_decay: 0.0,
            schedule: ScheduleKind::Constant,
            schedule_steps: 1000,
            schedule_gamma: 0.5,
            schedule_power: 2.0,
            clip: Clip::None,
            clip_at: 1.0,
        }
    }
}

impl ModelSetting {
    /// What is applied to the sums of a hidden layer.
    pub(crate) fn activation_of(&self, layer: usize) -> ActivationKind {
        self.activation[layer.min(self.activation.len() - 1)]
    }

    /// What is applied to the sums of every hidden layer, if it is the same.
    pub(crate) fn common_activation(&self) -> Option<ActivationKind> {
        let first = self.activation_of(0);
        (1..self.hidden.len()).all(|layer| self.activation_of(layer) == first).then_some(first)
    }
}

impl Setting {
    /// Whether another setting trains the same network on the same points, if not in the same way.
    pub(crate) fn same_start(&self, other: &Self) -> bool {
        self.data == other.data
            && self.model == other.model
            && (self.loss.kind == LossKind::Binary) == (other.loss.kind == LossKind::Binary)
    }
}
