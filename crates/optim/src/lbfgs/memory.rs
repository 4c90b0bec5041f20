//! The last few steps, and the approximate Hessian that they make.

use std::collections::VecDeque;

use downhill_kernels::dot;
use downhill_tensor::{Element, Tensor};

use crate::error::Error;
use crate::norm::norm;
use crate::state::SavedState;

/// What is remembered from step to step. Vectors hold the values of all parameters.
#[derive(Debug, Clone)]
pub(super) struct Memory<E> {
    /// The identities of the parameters it is about.
    parameters: Vec<u64>,
    /// The newest last.
    pairs: VecDeque<Pair<E>>,
    /// The last iteration, unless there has been none.
    last: Option<Last<E>>,
}

/// How far an iteration went, and by how much the gradient changed on the way.
#[derive(Debug, Clone)]
struct Pair<E> {
    displacement: Vec<E>,
    gradient_change: Vec<E>,
    /// Their dot product.
    curvature: f64,
}

/// Where an iteration started from, and how far it went.
#[derive(Debug, Clone)]
struct Last<E> {
    gradient: Vec<E>,
    displacement: Vec<E>,
}

impl<E: Element> Pair<E> {
    fn new(displacement: Vec<E>, gradient_change: Vec<E>) -> Self {
        let curvature = dot(&gradient_change, &displacement);
        Self { displacement, gradient_change, curvature }
    }
}

impl<E: Element> Memory<E> {
    pub(super) fn new(parameters: &[u64]) -> Self {
        Self { parameters: parameters.to_vec(), pairs: VecDeque::new(), last: None }
    }

    pub(super) fn is_about(&self, parameters: &[u64]) -> bool {
        self.parameters == parameters
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.parameters.len()
    }

    /// Whether no iteration has been completed.
    pub(super) fn is_fresh(&self) -> bool {
        self.last.is_none()
    }

    /// Takes note of an iteration.
    pub(super) fn complete(&mut self, gradient: Vec<E>, displacement: Vec<E>) {
        self.last = Some(Last { gradient, displacement });
    }

    /// Learns from the gradient at which the last iteration arrived, and returns where to go next:
    /// minus the approximate inverse Hessian times the gradient, by the two-loop recursion
    /// (Nocedal & Wright 2006, algorithm 7.4).
    pub(super) fn direction(
        &mut self,
        gradient: &[E],
        history_size: usize,
        relative: bool,
    ) -> Vec<E> {
        self.learn(gradient, history_size, relative);
        let mut direction: Vec<E> = gradient.iter().map(|&gradient| -gradient).collect();
        let mut weights = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let weight = dot(&pair.displacement, &direction) / pair.curvature;
            add_scaled(&mut direction, -weight, &pair.gradient_change);
            weights.push(weight);
        }
        if let Some(newest) = self.pairs.back() {
            let change = &newest.gradient_change;
            let scale = E::from_f64(newest.curvature / dot(change, change));
            direction.iter_mut().for_each(|value| *value *= scale);
        }
        for (pair, weight) in self.pairs.iter().zip(weights.into_iter().rev()) {
            let correction = weight - dot(&pair.gradient_change, &direction) / pair.curvature;
            add_scaled(&mut direction, correction, &pair.displacement);
        }
        direction
    }

    fn learn(&mut self, gradient: &[E], history_size: usize, relative: bool) {
        // With less curvature, PyTorch's bound, a pair would spoil the approximation.
        const LEAST_CURVATURE: f64 = 1e-10;
        let Some(Last { gradient: old, displacement }) = self.last.take() else { return };
        let gradient_change: Vec<E> =
            gradient.iter().zip(old).map(|(&gradient, old)| gradient - old).collect();
        let pair = Pair::new(displacement, gradient_change);
        let unit =
            if relative { norm(&pair.displacement) * norm(&pair.gradient_change) } else { 1.0 };
        if pair.curvature > LEAST_CURVATURE * unit {
            while self.pairs.len() >= history_size {
                self.pairs.pop_front();
            }
            self.pairs.push_back(pair);
        }
    }

    /// What is remembered, by name.
    pub(super) fn save(&self) -> Vec<(String, Tensor<E>)> {
        let Some(last) = &self.last else { return Vec::new() };
        let stack = |part: fn(&Pair<E>) -> &Vec<E>| {
            let rows: Vec<&[E]> = self.pairs.iter().map(|pair| part(pair).as_slice()).collect();
            Tensor::from_shape_vec(&[rows.len(), last.gradient.len()], rows.concat())
                .expect("all vectors are of one length")
        };
        let saved = [
            ("gradient", last.gradient.clone().into()),
            ("displacement", last.displacement.clone().into()),
            ("displacements", stack(|pair| &pair.displacement)),
            ("gradient_changes", stack(|pair| &pair.gradient_change)),
        ];
        saved.map(|(name, tensor)| (name.to_owned(), tensor)).into()
    }

    /// Takes back what [`save`](Self::save) returned, for vectors of this length.
    pub(super) fn restore(
        &mut self,
        length: usize,
        state: &[(String, Tensor<E>)],
    ) -> Result<(), Error> {
        if state.is_empty() {
            return Ok(());
        }
        let mut saved = SavedState::new(state);
        let last = Last {
            gradient: saved.take("gradient", &[length])?,
            displacement: saved.take("displacement", &[length])?,
        };
        let rows = saved.shape("displacements").and_then(|shape| shape.first().copied());
        let shape = [rows.unwrap_or(0), length];
        let displacements = saved.take("displacements", &shape)?;
        let gradient_changes = saved.take("gradient_changes", &shape)?;
        saved.finish()?;
        let rows = displacements.chunks(length.max(1)).zip(gradient_changes.chunks(length.max(1)));
        let pairs =
            rows.map(|(displacement, change)| Pair::new(displacement.to_vec(), change.to_vec()));
        self.pairs = pairs.collect();
        self.last = Some(last);
        Ok(())
    }
}

fn add_scaled<E: Element>(sum: &mut [E], factor: f64, values: &[E]) {
    let factor = E::from_f64(factor);
    for (sum, &value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}
