//! Where a model is wrong, and what it has made of the alphabet.

use downhill::losses::Error;
use downhill::prelude::*;

use crate::data::{Name, PADDING, batches};
use crate::models::LanguageModel;

/// What a model predicts for names.
pub(crate) struct Judgement {
    /// At each place of a name, from the first character, the mean loss over the names that reach
    /// so far, in nats.
    pub(crate) losses: Vec<f64>,
    /// After each symbol (row) the probability of each (column), `[symbols, symbols]`, in the mean
    /// over all places where the symbol is the last that was seen. NaN after one that never is.
    ///
    /// For bigrams these are the model itself; others look further back and are only summed up.
    pub(crate) next: Vec<f64>,
}

impl Judgement {
    pub(crate) fn of(model: &LanguageModel, names: &[Name], symbols: usize) -> Result<Self, Error> {
        let each = CrossEntropy::new().ignore_index(PADDING).reduction(Reduction::None);
        let places = names.iter().map(|name| name.len() + 1).max().unwrap_or(0);
        let (mut losses, mut next) = (Mean::new(places, 1), Mean::new(symbols, symbols));
        for batch in batches(names, 256) {
            let logits = without_recording(|| model.evaluate(&batch.inputs));
            let loss = each.forward(&logits, &batch.targets)?.to_vec();
            let probabilities = logits.softmax(-1).to_vec();
            let predictions = batch.targets.indexed_iter().zip(&batch.inputs);
            let predictions = predictions.zip(loss).zip(probabilities.chunks(symbols));
            for (((((_, place), &target), &last), loss), probabilities) in predictions {
                if target != PADDING {
                    losses.add(place, &[loss]);
                    next.add(last, probabilities);
                }
            }
        }
        Ok(Self { losses: losses.rows(), next: next.rows() })
    }
}

/// The means of several groups of rows.
struct Mean {
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Mean {
    fn new(groups: usize, columns: usize) -> Self {
        Self { sums: vec![0.0; groups * columns], counts: vec![0.0; groups] }
    }

    fn add(&mut self, group: usize, row: &[f32]) {
        let sums = &mut self.sums[group * row.len()..][..row.len()];
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        self.counts[group] += 1.0;
    }

    /// All means, row by row.
    fn rows(&self) -> Vec<f64> {
        let columns = self.sums.len() / self.counts.len().max(1);
        self.sums.iter().enumerate().map(|(at, sum)| sum / self.counts[at / columns]).collect()
    }
}
