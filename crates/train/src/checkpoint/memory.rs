//! What is remembered of a model from step to step.

use std::collections::BTreeMap;

use downhill_optim::{
    EarlyStopping, Error, ExponentialMovingAverage, FirstOrder, Lbfgs, Optimizer, Rule,
};
use downhill_tensor::{Element, Parameters, Tensor};

/// A part of what is remembered.
#[derive(Debug, Clone)]
pub enum Remembered<E: Element> {
    /// Finite numbers of the model's type.
    Tensor(Tensor<E>),
    /// One number.
    Number(f64),
    /// Anything.
    Bytes(Vec<u8>),
}

/// What remembers something of a model from step to step: an optimizer, an average of the weights,
/// a [`History`](crate::History).
pub trait Remembers<E: Element> {
    /// All that is remembered of `model`, by name.
    ///
    /// # Errors
    ///
    /// Why there is nothing of this model, in words: what is remembered is of another.
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String>;

    /// Takes back what [`remember`](Self::remember) returned.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words. Nothing has been changed then.
    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String>;
}

const LEARNING_RATE: &str = "learning_rate";

#[inline(never)]
fn remember_optimizer<E: Element>(
    optimizer: &dyn Optimizer<E>,
    model: &dyn Parameters<E>,
) -> Result<Vec<(String, Remembered<E>)>, String> {
    let rate = Remembered::Number(optimizer.learning_rate());
    let mut all = remember_tensors(optimizer.state(model))?;
    all.push((LEARNING_RATE.to_owned(), rate));
    Ok(all)
}

#[inline(never)]
fn recall_optimizer<E: Element>(
    optimizer: &mut dyn Optimizer<E>,
    model: &dyn Parameters<E>,
    mut remembered: BTreeMap<String, Remembered<E>>,
) -> Result<(), String> {
    let Some(Remembered::Number(learning_rate)) = remembered.remove(LEARNING_RATE) else {
        return Err("the learning rate is missing".to_owned());
    };
    optimizer.restore(model, &recall_tensors(remembered)?).map_err(|error| error.to_string())?;
    optimizer.set_learning_rate(learning_rate);
    Ok(())
}

fn remember_tensors<E: Element>(
    tensors: Result<Vec<(String, Tensor<E>)>, Error>,
) -> Result<Vec<(String, Remembered<E>)>, String> {
    let tensors = tensors.map_err(|error| error.to_string())?;
    Ok(tensors.into_iter().map(|(name, tensor)| (name, Remembered::Tensor(tensor))).collect())
}

#[inline(never)]
fn recall_tensors<E: Element>(
    remembered: BTreeMap<String, Remembered<E>>,
) -> Result<Vec<(String, Tensor<E>)>, String> {
    let tensor = |(name, remembered)| match remembered {
        Remembered::Tensor(tensor) => Ok((name, tensor)),
        _ => Err(format!("`{name}` is no tensor")),
    };
    remembered.into_iter().map(tensor).collect()
}

impl<E: Element, R: Rule> Remembers<E> for FirstOrder<R, E> {
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        remember_optimizer(self, model)
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        recall_optimizer(self, model, remembered)
    }
}

impl<E: Element> Remembers<E> for Box<dyn Optimizer<E>> {
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        remember_optimizer(self.as_ref(), model)
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        recall_optimizer(self.as_mut(), model, remembered)
    }
}

impl<E: Element, M: Remembers<E> + ?Sized> Remembers<E> for &mut M {
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        (**self).remember(model)
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        (**self).recall(model, remembered)
    }
}

/// Each under its index.
impl<E: Element, M: Remembers<E>> Remembers<E> for Vec<M> {
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        let mut all = Vec::new();
        for (index, part) in self.iter().enumerate() {
            let named = |(name, remembered)| (format!("{index}.{name}"), remembered);
            all.extend(part.remember(model)?.into_iter().map(named));
        }
        Ok(all)
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        mut remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        let before = self.iter().map(|part| part.remember(model));
        let before = before.collect::<Result<Vec<_>, _>>()?;
        let mut outcome = Ok(());
        for (index, part) in self.iter_mut().enumerate() {
            let prefix = format!("{index}.");
            let (own, others): (BTreeMap<_, _>, _) =
                remembered.into_iter().partition(|(name, _)| name.starts_with(&prefix));
            remembered = others;
            let own = own.into_iter().map(|(name, part)| (name[prefix.len()..].to_owned(), part));
            outcome = outcome.and_then(|()| part.recall(model, own.collect()));
        }
        if let (Ok(()), Some(name)) = (&outcome, remembered.keys().next()) {
            outcome = Err(format!("nothing remembers `{name}`"));
        }
        if outcome.is_err() {
            for (part, before) in self.iter_mut().zip(before) {
                part.recall(model, before.into_iter().collect())?;
            }
        }
        outcome
    }
}

impl<E: Element> Remembers<E> for Lbfgs<E> {
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        remember_tensors(self.state(model))
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        self.restore(model, &recall_tensors(remembered)?).map_err(|error| error.to_string())
    }
}

impl<E: Element> Remembers<E> for ExponentialMovingAverage<E> {
    fn remember(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        remember_tensors(self.state(model))
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        self.restore(model, &recall_tensors(remembered)?).map_err(|error| error.to_string())
    }
}

const OBSERVED: &str = "observed";
const BEST: &str = "best.";

impl<E: Element> Remembers<E> for EarlyStopping<E> {
    fn remember(&self, _model: &dyn Parameters<E>) -> Result<Vec<(String, Remembered<E>)>, String> {
        let (observed, best_model) = self.state();
        let observed = rmp_serde::to_vec_named(observed).expect("it can be serialized");
        let best = best_model.iter();
        let best = best
            .map(|(name, tensor)| (format!("{BEST}{name}"), Remembered::Tensor(tensor.clone())));
        Ok([(OBSERVED.to_owned(), Remembered::Bytes(observed))].into_iter().chain(best).collect())
    }

    fn recall(
        &mut self,
        model: &dyn Parameters<E>,
        mut remembered: BTreeMap<String, Remembered<E>>,
    ) -> Result<(), String> {
        let Some(Remembered::Bytes(observed)) = remembered.remove(OBSERVED) else {
            return Err("what was observed is missing".to_owned());
        };
        let observed = rmp_serde::from_slice(&observed).map_err(|error| error.to_string())?;
        let best = recall_tensors(remembered)?.into_iter();
        let best: Vec<_> = best
            .map(|(name, tensor)| (name.strip_prefix(BEST).unwrap_or(&name).to_owned(), tensor))
            .collect();
        self.restore(model, observed, &best).map_err(|error| error.to_string())
    }
}
