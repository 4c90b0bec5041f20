//! What many lessons use of Downhill is compiled here, once, and not in each of them.

use std::path::Path;

use downhill::datasets::Csv;
use downhill::prelude::*;
use downhill::train::{State, TemperatureScaling};
use downhill::{losses, nn, optim, tensor};
use downhill_report::Report;

use super::Outcome;
use super::keep::{Checkpoints, Keep};
use super::observe::{Observe, Record};

/// Refers to it. To be compiled, not called.
#[inline(never)]
pub fn compiled(observe: &Observe, keep: &Keep, report: &mut Report) -> Outcome {
    tensor::compiled::<f32>();
    tensor::compiled::<f64>();
    losses::compiled::<f32>();
    nn::compiled::<f32>();
    optim::compiled::<f32>();
    let data: Dataset = Csv::new("").read_classification()?;
    let data = Standardizer::fit(&data).transform(&data);
    Dataset::read_idx("")?;
    let (data, _) = data.split(0.5, &mut Xoshiro256PlusPlus::seed_from_u64(0))?;
    surroundings(observe, keep, report, &data)
}

fn surroundings(observe: &Observe, keep: &Keep, report: &mut Report, data: &Dataset) -> Outcome {
    let model = &mut Tensor::parameter(0.0);
    let mut record: Record = observe.record(None, model)?;
    record.step(model, &model.backward(), model, 0.1);
    record.epoch(&[]);
    report.history(&record.history);
    report.layers("", &record.history);
    report.classification_since(&[], model, data)?;
    keep.save(model, &[])?;
    let mut checkpoints = Checkpoints::disabled();
    checkpoints.restore(State::new("", model), true)?;
    checkpoints.step(State::new("", model))?;
    checkpoints.epoch(State::new("", model), 0.0)?;
    checkpoints.finish(State::new("", model))?;
    TemperatureScaling::fit(model, data.labels())?.apply(model);
    Ok(load(model, Path::new(""))?)
}
