//! A history as a part of a checkpoint.

use std::borrow::Cow;
use std::collections::BTreeMap;

use downhill_tensor::{Element, Parameters};
use serde::{Deserialize, Serialize};

use super::layers::{LayerHistograms, LayerMeasurement};
use super::thinned::Thinned;
use super::{Epoch, History, Start, parameters};
use crate::checkpoint::{Remembered, Remembers};

/// The name of all of it.
const RECORD: &str = "record";

/// All of it, whatever the type of the model's numbers.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    names: Cow<'a, [String]>,
    losses: Cow<'a, [f64]>,
    learning_rates: Cow<'a, [f64]>,
    epochs: Cow<'a, [Epoch]>,
    measurements: Cow<'a, Thinned<Vec<LayerMeasurement>>>,
    histograms: Cow<'a, Thinned<Vec<LayerHistograms>>>,
    start: Option<Start>,
    reached: Cow<'a, [bool]>,
    last_alive: Cow<'a, [Vec<Option<usize>>]>,
}

impl Record<'_> {
    fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).expect("numbers and texts can be serialized")
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// A record of nothing remembers nothing.
impl<E: Element> Remembers<E> for History<E> {
    #[inline(never)]
    fn remember(&self, _model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        let Some(layers) = &self.layers else { return Ok(Vec::new()) };
        let record = Record {
            names: Cow::from(&layers.names),
            losses: Cow::from(&self.losses),
            learning_rates: Cow::from(&self.learning_rates),
            epochs: Cow::from(&self.epochs),
            measurements: Cow::Borrowed(&self.measurements),
            histograms: Cow::Borrowed(&self.histograms),
            start: self.start,
            reached: Cow::from(&self.reached),
            last_alive: Cow::from(&self.last_alive),
        };
        Ok(vec![(RECORD.to_owned(), Remembered::Bytes(record.encode()))])
    }

    #[inline(never)]
    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        mut remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        let (layers, record) = match (&self.layers, remembered.remove(RECORD)) {
            (None, None) => return Ok(()),
            (None, Some(_)) => return Err("the run was recorded until now".to_owned()),
            (Some(_), None) => return Err("the run was not recorded until now".to_owned()),
            (Some(layers), Some(Remembered::Bytes(record))) => (layers, record),
            (Some(_), Some(_)) => return Err(format!("`{RECORD}` is no record")),
        };
        let record = Record::decode(&record)?;
        if *record.names != layers.names {
            return Err(format!("it is of the layers {:?}, not {:?}", record.names, layers.names));
        }
        if record.reached.len() != self.reached.len() {
            return Err(format!(
                "it is of {} parameters, not {}",
                record.reached.len(),
                self.reached.len()
            ));
        }
        self.start = record.start;
        self.reached = record.reached.into_owned();
        self.last_alive = record.last_alive.into_owned();
        self.losses = record.losses.into_owned();
        self.learning_rates = record.learning_rates.into_owned();
        self.epochs = record.epochs.into_owned();
        self.measurements = record.measurements.into_owned();
        self.histograms = record.histograms.into_owned();
        self.before = match self.measurements.wants(self.losses.len()) {
            true => parameters(model),
            false => Vec::new(),
        };
        Ok(())
    }
}
