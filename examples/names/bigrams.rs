//! The bigram model without gradient descent: its best probabilities are what is counted.

use ndarray::{Array2, Axis};

use crate::data::{END, Name, prediction_count};

/// How often each symbol b followed each symbol a, n(a, b).
pub(crate) struct Bigrams(Array2<f64>);

impl Bigrams {
    pub(crate) fn count(names: &[Name], symbols: usize) -> Self {
        let mut counts = Array2::zeros((symbols, symbols));
        for name in names {
            for pair in pairs(name) {
                counts[pair] += 1.0;
            }
        }
        Self(counts)
    }

    /// The mean of −ln p(b | a) over the pairs of these names, in nats, with
    ///
    /// p(b | a) = n(a, b) / Σ_c n(a, c),
    ///
    /// the probabilities of greatest likelihood. On the names that were counted no bigram model
    /// has a lower loss. On others it is infinite, if one holds a pair that was never seen.
    pub(crate) fn loss(&self, names: &[Name]) -> f64 {
        let totals = self.0.sum_axis(Axis(1));
        let surprise = |pair: [usize; 2]| match self.0[pair] > 0.0 {
            true => (totals[pair[0]] / self.0[pair]).ln(),
            false => f64::INFINITY,
        };
        let surprises = names.iter().flat_map(pairs).map(surprise);
        surprises.sum::<f64>() / prediction_count(names) as f64
    }
}

/// Each symbol of a name with the one that follows, from the first character to the end.
fn pairs(name: &Name) -> impl Iterator<Item = [usize; 2]> {
    let before = std::iter::once(END).chain(name.iter().copied());
    let after = name.iter().copied().chain(std::iter::once(END));
    before.zip(after).map(|(before, after)| [before, after])
}
