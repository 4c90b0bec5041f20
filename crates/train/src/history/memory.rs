//! A history as a part of a checkpoint.

use std::collections::BTreeMap;

use downhill_tensor::{Element, Parameters};

use super::{History, parameters};
use crate::checkpoint::{Remembered, Remembers};

/// The name of all of it.
const RECORD: &str = "record";

/// A record of nothing remembers nothing.
impl<E: Element> Remembers<E> for History<E> {
    fn remember(&self, _model: &dyn Parameters<E>) -> Vec<(String, Remembered<E>)> {
        let Some(layers) = &self.layers else { return Vec::new() };
        let record = (
            &layers.names,
            &self.losses,
            &self.learning_rates,
            &self.epochs,
            &self.measurements,
            &self.histograms,
            (&self.start, &self.reached, &self.last_alive),
        );
        let record = rmp_serde::to_vec(&record).expect("numbers and texts can be serialized");
        vec![(RECORD.to_owned(), Remembered::Bytes(record))]
    }

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
        let (names, losses, learning_rates, epochs, measurements, histograms, found) =
            rmp_serde::from_slice::<(Vec<String>, _, _, _, _, _, (_, Vec<bool>, _))>(&record)
                .map_err(|error| error.to_string())?;
        if names != layers.names {
            return Err(format!("it is of the layers {names:?}, not {:?}", layers.names));
        }
        if found.1.len() != self.reached.len() {
            return Err(format!(
                "it is of {} parameters, not {}",
                found.1.len(),
                self.reached.len()
            ));
        }
        (self.start, self.reached, self.last_alive) = found;
        (self.losses, self.learning_rates, self.epochs) = (losses, learning_rates, epochs);
        (self.measurements, self.histograms) = (measurements, histograms);
        self.before = match self.measurements.wants(self.losses.len()) {
            true => parameters(model),
            false => Vec::new(),
        };
        Ok(())
    }
}
