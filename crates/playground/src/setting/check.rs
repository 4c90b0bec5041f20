//! The ranges that a setting is checked against.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::Setting;
use crate::error::Error;

impl Setting {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] with the name and the value of the first that is not.
    pub fn check(&self) -> Result<(), Error> {
        let Self { data, model, loss, optimizer } = self;
        within("data.count", data.count, 10..=5000)?;
        within("data.arms", data.arms, 2..=5)?;
        within("data.noise", data.noise, 0.0..=1.0)?;
        within("data.test", data.test, 0.0..=0.9)?;
        within("data.rarity", data.rarity, 0.02..=1.0)?;
        within("data.seed", data.seed, 0..=MOST_EXACT)?;
        within("the number of data.points", data.points.len(), 0..=5000)?;
        within("the bytes of data.table", data.table.len(), 0..=2 << 20)?;
        within("the number of data.columns", data.columns.len(), 0..=64)?;
        for (index, &[x, y, target]) in data.points.iter().enumerate() {
            within(&format!("data.points[{index}]'s x"), x, -1e3..=1e3)?;
            within(&format!("data.points[{index}]'s y"), y, -1e3..=1e3)?;
            within(&format!("data.points[{index}]'s class"), target, 0.0..=9.0)?;
            if target.fract() != 0.0 {
                let name = format!("data.points[{index}]'s class");
                return Err(Error::Range {
                    name,
                    value: target.to_string(),
                    range: "a whole number".into(),
                });
            }
        }
        within("the number of model.hidden layers", model.hidden.len(), 0..=16)?;
        for (index, &units) in model.hidden.iter().enumerate() {
            within(&format!("model.hidden[{index}]"), units, 1..=128)?;
        }
        within("the number of model.activation", model.activation.len(), 1..=16)?;
        within("model.dropout", model.dropout, 0.0..=0.9)?;
        within("model.seed", model.seed, 0..=MOST_EXACT)?;
        within("loss.smoothing", loss.smoothing, 0.0..=1.0)?;
        within("loss.temperature", loss.temperature, 0.01..=100.0)?;
        within("loss.gamma", loss.gamma, 0.0..=10.0)?;
        within("loss.margin", loss.margin, 0.0..=100.0)?;
        within("loss.delta", loss.delta, 1e-6..=1e6)?;
        within("optimizer.learning_rate", optimizer.learning_rate, 0.0..=1e6)?;
        within("optimizer.batch", optimizer.batch, 1..=5000)?;
        within("optimizer.momentum", optimizer.momentum, 0.0..=0.9999)?;
        within("optimizer.dampening", optimizer.dampening, 0.0..=1.0)?;
        within("optimizer.learning_rate_decay", optimizer.learning_rate_decay, 0.0..=1.0)?;
        within("optimizer.initial_accumulator", optimizer.initial_accumulator, 0.0..=1e3)?;
        within("optimizer.iterations", optimizer.iterations, 0..=20)?;
        within("optimizer.beta1", optimizer.beta1, 0.0..=0.9999)?;
        within("optimizer.beta2", optimizer.beta2, 0.0..=0.99999)?;
        within("optimizer.alpha", optimizer.alpha, 0.0..=0.99999)?;
        within("optimizer.epsilon", optimizer.epsilon, 1e-15..=1.0)?;
        within("optimizer.weight_decay", optimizer.weight_decay, 0.0..=100.0)?;
        within("optimizer.history", optimizer.history, 1..=100)?;
        within("optimizer.schedule_steps", optimizer.schedule_steps, 1..=10_000_000)?;
        within("optimizer.schedule_gamma", optimizer.schedule_gamma, 0.0..=1.0)?;
        within("optimizer.schedule_power", optimizer.schedule_power, 0.1..=10.0)?;
        within("optimizer.clip_at", optimizer.clip_at, 1e-9..=1e9)
    }
}

/// The largest whole number that a page's numbers hold exactly.
const MOST_EXACT: u64 = (1 << 53) - 1;

fn within<T: PartialOrd + Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Error> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(Error::Range {
            name: name.into(),
            value: value.to_string(),
            range: format!("from {} to {}", range.start(), range.end()),
        }),
    }
}
