//! What can be seen in the losses.

use downhill_tensor::Element;

use super::{Ailment, Finding};
use crate::format::format_short;
use crate::history::History;

/// The steps at the end that are looked at, and the share of them at which a loss must turn. That of
/// samples drawn at random turns at two thirds.
const TURNS: usize = 50;
const TURNING: f64 = 0.9;
/// How much of the loss a turn must be.
const TURN: f64 = 1e-3;
/// How much worse than its best a held-out loss must be, and how many times it must have been
/// measured since.
const WORSE: f64 = 1.1;
const MEASURED: usize = 3;

impl<E: Element> History<E> {
    pub(super) fn not_finite(&self) -> Option<Finding> {
        let step = self.diverged_at()?;
        let loss = self.losses()[step];
        let what = match loss.is_finite() {
            true => "a gradient is not finite".to_owned(),
            false => format!("the loss is {loss}"),
        };
        let observation = format!("Diverged at step {}: {what}.", step + 1);
        let advice = "Try a tenth of the learning rate, clip the gradients, and look for infinite or \
                      missing values in the data.";
        Some(Finding::new(Ailment::NotFinite, observation, advice))
    }

    /// A loss that falls at one step and rises at the next, over and over: the slope's sides are so
    /// steep that each step crosses the valley. (Cohen, Kaur, Li, Kolter & Talwalkar, "Gradient
    /// descent on neural networks typically occurs at the edge of stability", 2021)
    pub(super) fn unstable(&self) -> Option<Finding> {
        let losses = self.losses();
        // Two batches in turn have a high and a low loss each time.
        let steps_an_epoch = self.epochs().first().map_or(1, |epoch| epoch.steps);
        let last = &losses[losses.len().checked_sub(TURNS + 2)?..];
        if steps_an_epoch == 2 {
            return None;
        }
        let turns = |three: &&[f64]| {
            let (before, after) = (three[1] - three[0], three[2] - three[1]);
            before * after < 0.0 && before.abs().min(after.abs()) > TURN * three[1].abs()
        };
        let count = last.windows(3).filter(turns).count();
        if (count as f64) < TURNING * TURNS as f64 {
            return None;
        }
        let observation = format!(
            "The loss goes up and down by turns, at {count} of the last {TURNS} steps: the learning \
             rate is at the edge of what is stable."
        );
        let advice = "Try half the learning rate, or let a schedule make it smaller.";
        Some(Finding::new(Ailment::Unstable, observation, advice))
    }

    /// A held-out loss that was best long before the end.
    pub(super) fn overfitting(&self) -> Option<Finding> {
        let metric = |name: &str| -> Vec<(usize, f64)> {
            let epochs = self.epochs().iter().enumerate();
            epochs.filter_map(|(epoch, of)| Some((epoch + 1, of.metric(name)?))).collect()
        };
        let training = metric("training loss");
        ["validation loss", "test loss"].into_iter().find_map(|name| {
            let held_out = metric(name);
            let (best_at, best) = (0..held_out.len())
                .map(|index| (index, held_out[index].1))
                .min_by(|a, b| a.1.total_cmp(&b.1))?;
            let (epoch, (_, last)) = (held_out[best_at].0, *held_out.last()?);
            let at = |epoch: usize| training.iter().find(|(of, _)| *of == epoch);
            let falls = at(epoch)?.1 > training.last()?.1;
            if held_out.len() - best_at <= MEASURED || last < WORSE * best || best <= 0.0 || !falls
            {
                return None;
            }
            let observation = format!(
                "Overfitting from epoch {epoch} on: the {name} was {} there and is {} at the end, \
                 while the training loss went on falling to {}.",
                format_short(best),
                format_short(last),
                format_short(training.last()?.1)
            );
            let advice = "Stop there, or try weight decay, dropout, a smaller model or more data.";
            Some(Finding::new(Ailment::Overfitting, observation, advice))
        })
    }
}
