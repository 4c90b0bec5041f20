//! New names, drawn one character after the other from what a model predicts.

use downhill::prelude::*;
use ndarray::{Array2, ArrayView1, Axis, s};
use rand::distr::{Distribution, weighted::WeightedIndex};

use crate::data::{END, Name};
use crate::models::LanguageModel;

/// How a symbol is drawn from its logits.
pub(crate) struct Sampler {
    /// What the logits are divided by: below 1 the likely becomes likelier.
    pub(crate) temperature: f64,
    /// From how many of the likeliest symbols to draw.
    pub(crate) top_k: usize,
}

impl Sampler {
    /// `count` names, each cut off where it would become longer than `longest`.
    pub(crate) fn names(
        &self,
        model: &LanguageModel,
        count: usize,
        longest: usize,
        rng: &mut impl Rng,
    ) -> Vec<Name> {
        let mut symbols = Array2::from_elem((count, 1), END);
        for _ in 0..longest {
            let logits = without_recording(|| model.evaluate(&symbols));
            let last = logits.array().index_axis_move(Axis(1), symbols.ncols() - 1);
            let next: Vec<usize> = last
                .axis_iter(Axis(0))
                .map(|logits| {
                    self.draw(logits.into_dimensionality().expect("one axis is left"), rng)
                })
                .collect();
            symbols.push_column((&next).into()).expect("one symbol is drawn for each name");
        }
        let drawn = symbols.slice_move(s![.., 1..]);
        let name = |row: ArrayView1<'_, usize>| {
            row.iter().copied().take_while(|&symbol| symbol != END).collect()
        };
        drawn.rows().into_iter().map(name).collect()
    }

    /// One symbol i of the likeliest, with probability e^(z_i − max z) / Σ_j e^(z_j − max z),
    /// where z = logits / temperature.
    fn draw(&self, logits: ArrayView1<'_, f32>, rng: &mut impl Rng) -> usize {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&i, &j| logits[j].total_cmp(&logits[i]));
        order.truncate(self.top_k);
        let weight = |&symbol: &usize| {
            (f64::from(logits[symbol] - logits[order[0]]) / self.temperature).exp()
        };
        let index =
            WeightedIndex::new(order.iter().map(weight)).expect("the likeliest has a weight of 1");
        order[index.sample(rng)]
    }
}
