//! Four models of what comes next.

use clap::ValueEnum;
use downhill::nn::{Description, Dropout, Embedding, Error, Gru, LayerNorm, TransformerBlock};
use downhill::optim::{OneCycle, Schedule};
use downhill::prelude::*;
use ndarray::{Array2, Array3};

use crate::data::END;

/// Which model.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Kind {
    Bigram,
    Mlp,
    Gru,
    Transformer,
}

/// A model and how it is trained, each option with a value that suits the model.
pub(crate) struct Settings {
    pub(crate) hidden: usize,
    pub(crate) dropout: f64,
    pub(crate) weight_decay: f64,
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) learning_rate: f64,
}

impl Settings {
    /// All of them, by the names of their options.
    pub(crate) fn named(&self) -> [(&'static str, f64); 6] {
        let Self { hidden, dropout, weight_decay, epochs, batch_size, learning_rate } = *self;
        [
            ("hidden", hidden as f64),
            ("dropout", dropout),
            ("weight decay", weight_decay),
            ("epochs", epochs as f64),
            ("batch size", batch_size as f64),
            ("learning rate", learning_rate),
        ]
    }
}

impl Kind {
    pub(crate) fn settings(self) -> Settings {
        let settings = |hidden, dropout, weight_decay, epochs, batch_size, learning_rate| {
            Settings { hidden, dropout, weight_decay, epochs, batch_size, learning_rate }
        };
        match self {
            Self::Bigram => settings(0, 0.0, 0.0, 40, 128, 0.3),
            Self::Mlp => settings(256, 0.3, 0.01, 20, 64, 3e-3),
            Self::Gru => settings(128, 0.4, 0.1, 18, 64, 1e-2),
            Self::Transformer => settings(64, 0.2, 0.05, 30, 64, 6e-3),
        }
    }
}

impl Settings {
    /// The learning rate at each step, up, and down again. `names` is their number in an epoch.
    pub(crate) fn schedule(&self, names: usize) -> Result<Schedule, downhill::optim::Error> {
        let steps = self.epochs.saturating_mul(names.div_ceil(self.batch_size));
        Schedule::one_cycle(self.learning_rate, steps as u64, OneCycle::default())
    }
}

/// The settings of all models, as they are listed below the help.
pub(crate) fn defaults() -> String {
    let mut table = format!(
        "{:<14}{:>8}{:>9}{:>14}{:>8}{:>12}{:>15}",
        "Defaults:", "hidden", "dropout", "weight decay", "epochs", "batch size", "learning rate"
    );
    for kind in Kind::value_variants() {
        let Settings { hidden, dropout, weight_decay, epochs, batch_size, learning_rate } =
            kind.settings();
        let name = kind.to_possible_value();
        table += &format!(
            "\n  {:<12}{hidden:>8}{dropout:>9}{weight_decay:>14}{epochs:>8}{batch_size:>12}{learning_rate:>15}",
            name.as_ref().map_or("", |name| name.get_name()),
        );
    }
    table
}

/// A model from symbols `[N, T]` to the logits of each next symbol, `[N, T, symbols]`.
///
/// In all four a symbol s is looked up as a vector E(s), and what is made of the vectors x_t
/// differs:
///
/// ```text
/// bigram       x_t = E(s_t)                       logits_t = x_t
/// mlp          x_t = E(s_t−4) … E(s_t), joined    logits_t = W₂ · gelu(W₁ · x_t + b₁) + b₂
/// gru          x_t = E(s_t)                       logits_t = W · h_t + b, h_t = gru(x_t, h_t−1)
/// transformer  x_t = E(s_t) + P(t)                logits_t = W · norm(block(block(x))_t) + b
/// ```
///
/// So the first sees one character, the second five, and the others all that came before.
#[derive(Clone)]
pub(crate) struct LanguageModel {
    name: &'static str,
    /// How many symbols each place sees, its own and those before it, in one vector.
    context: usize,
    /// E.
    symbols: Embedding,
    /// P: without it a transformer could not tell one order of its inputs from another.
    places: Option<Embedding>,
    body: Sequential,
}
parameters!(LanguageModel { symbols, places, body, name: _, context: _ });

/// The length of E(s) in the perceptron.
const MLP_VECTOR: usize = 24;

/// How many parts of its vectors the transformer compares separately.
pub(crate) const HEADS: usize = 4;

/// How many symbols the perceptron sees.
const MLP_CONTEXT: usize = 5;

impl LanguageModel {
    /// A model of `symbols` symbols, for names of at most `longest` of them.
    pub(crate) fn new(
        kind: Kind,
        [symbols, longest]: [usize; 2],
        settings: &Settings,
        rng: &mut impl Rng,
    ) -> Result<Self, Error> {
        let (hidden, rate) = (settings.hidden, settings.dropout);
        let dropout = Dropout::new(rate)?;
        Ok(match kind {
            Kind::Bigram => Self {
                name: "Bigram",
                context: 1,
                // Logits of 0: all symbols alike.
                symbols: Embedding {
                    vectors: Tensor::parameter(Tensor::zeros(&[symbols, symbols])),
                },
                places: None,
                body: Sequential::new(),
            },
            Kind::Mlp => Self {
                name: "Mlp",
                context: MLP_CONTEXT,
                symbols: Embedding::new(symbols, MLP_VECTOR, rng),
                places: None,
                body: Sequential::new()
                    .then(Linear::new(MLP_CONTEXT * MLP_VECTOR, hidden, rng))
                    .then(Activation::Gelu)
                    .then(dropout)
                    .then(Linear::new(hidden, symbols, rng)),
            },
            Kind::Gru => Self {
                name: "Gru",
                context: 1,
                symbols: Embedding::new(symbols, hidden, rng),
                places: None,
                body: Sequential::new()
                    .then(dropout)
                    .then(Gru::new(hidden, hidden, rng))
                    .then(dropout)
                    .then(Linear::new(hidden, symbols, rng)),
            },
            Kind::Transformer => Self {
                name: "Transformer",
                context: 1,
                symbols: Embedding::new(symbols, hidden, rng),
                places: Some(Embedding::new(longest + 1, hidden, rng)),
                body: Sequential::new()
                    .then(dropout)
                    .then(TransformerBlock::new(hidden, HEADS, 4 * hidden, rng).dropout(rate)?)
                    .then(TransformerBlock::new(hidden, HEADS, 4 * hidden, rng).dropout(rate)?)
                    .then(LayerNorm::new(hidden))
                    .then(Linear::new(hidden, symbols, rng)),
            },
        })
    }

    /// The logits while training.
    pub(crate) fn forward_training(&mut self, inputs: &Array2<usize>, rng: &mut dyn Rng) -> Tensor {
        let vectors = self.embed(inputs);
        self.body.forward_training(&vectors, rng)
    }

    /// The logits in use.
    pub(crate) fn evaluate(&self, inputs: &Array2<usize>) -> Tensor {
        self.body.evaluate(&self.embed(inputs))
    }

    /// x, `[N, T, length]`.
    fn embed(&self, inputs: &Array2<usize>) -> Tensor {
        let ((names, places), context) = (inputs.dim(), self.context);
        // Before a name there is nothing but its beginning.
        let seen = Array3::from_shape_fn((names, places, context), |(name, place, index)| {
            let place = (place + index + 1).checked_sub(context);
            place.map_or(END, |place| inputs[[name, place]])
        });
        let length = context * self.symbols.vectors.shape()[1];
        let vectors = self.symbols.forward(&seen).reshape(&[names, places, length]);
        match &self.places {
            Some(vectors_of) => vectors + vectors_of.forward(&(0..places).collect::<Vec<usize>>()),
            None => vectors,
        }
    }

    /// The vector of each symbol, `[symbols, length]`.
    pub(crate) fn vectors(&self) -> &Tensor {
        &self.symbols.vectors
    }

    pub(crate) fn describe(&self) -> Description {
        let mut whole = Description::new(self.name).part("symbols", self.symbols.describe());
        if let Some(places) = &self.places {
            whole = whole.part("places", places.describe());
        }
        whole.part("body", self.body.describe())
    }
}
