//! What can be seen in the gradients, the steps and the activations of the layers.

use downhill_tensor::Element;

use super::{Ailment, Finding, listed, quantile};
use crate::format::format_short;
use crate::history::{History, LayerMeasurement};

/// A step in proportion to the weights: a hundredth and a hundred times the usual thousandth.
const SMALL: f64 = 1e-5;
const LARGE: f64 = 1e-1;
/// What the gradient of one layer may be, for each of its parameters, in proportion to another's.
const FAR_APART: f64 = 1e-4;
/// How many times greater than at the start a gradient explodes, and the measured steps that are the
/// start.
const EXPLODES: f64 = 1e3;
const START: usize = 3;
/// The share of a layer's units that may be dead, and how often they must have been seen so.
const DEAD: f64 = 0.25;
const SEEN: usize = 8;
/// The share of measured steps with the same gradient norm that shows that all are clipped, and how
/// many must have been measured.
const CLIPPED: f64 = 0.9;
const MEASURED: usize = 16;

impl<E: Element> History<E> {
    /// Parameters that never got a gradient.
    pub(super) fn without_gradient(&self) -> Option<Finding> {
        let names = self.without_gradient_names();
        if names.is_empty() || self.measurements().is_empty() {
            return None;
        }
        let observation = format!(
            "No gradient has reached {}, in any of {} measured steps.",
            listed(&names),
            self.measurements().len()
        );
        let advice = "The loss does not depend on it: is it used in forward, and not detached?";
        Some(Finding::new(Ailment::NoGradient, observation, advice))
    }

    /// The layers as sentences name them: one that is a number only is told from a figure.
    fn layers_said(&self) -> Vec<String> {
        let said = |name: &String| match name.parse::<usize>() {
            Ok(_) => format!("layer {name}"),
            Err(_) => name.clone(),
        };
        self.layer_names().iter().map(said).collect()
    }

    /// What is measured of a layer, over time.
    fn of_layer(&self, layer: usize, of: fn(&LayerMeasurement) -> Option<f64>) -> Vec<f64> {
        self.measurements().iter().filter_map(|(_, layers)| of(&layers[layer])).collect()
    }

    pub(super) fn step_sizes(&self) -> Vec<Finding> {
        if self.measurements().len() < SEEN {
            return Vec::new();
        }
        let names = self.layers_said();
        let ratios = |layer| self.of_layer(layer, |measured| measured.update_ratio);
        let learns =
            |&layer: &usize| !self.of_layer(layer, |measured| measured.gradient_norm).is_empty();
        let layers = || (0..names.len()).filter(learns);
        let mut findings = Vec::new();
        // Nearly all of the run: where it has come to rest, its steps are small, too.
        let small: Vec<(usize, f64)> = layers()
            .filter_map(|layer| Some((layer, quantile(ratios(layer), 0.9)?)))
            .filter(|&(_, ratio)| ratio < SMALL)
            .collect();
        if let Some(&(_, ratio)) = small.first() {
            let found: Vec<&str> = small.iter().map(|&(layer, _)| names[layer].as_str()).collect();
            let observation = format!(
                "The steps are too small for the weights of {}: {} of their length, where a \
                 thousandth is usual.",
                listed(&found),
                format_short(ratio)
            );
            // A rate that suits some layers is not what is wrong with the others.
            let advice = match small.len() < layers().count() {
                true => {
                    "Hardly any gradient gets there: try other initial weights, another activation, \
                     or Adam."
                }
                false => "Try ten times the learning rate, or Adam.",
            };
            findings.push(Finding::new(Ailment::SmallSteps, observation, advice));
        }
        let large: Vec<(usize, f64)> = layers()
            .filter_map(|layer| Some((layer, quantile(ratios(layer), 0.5)?)))
            .filter(|&(_, ratio)| ratio > LARGE)
            .collect();
        if let Some(&(_, ratio)) = large.first() {
            let found: Vec<&str> = large.iter().map(|&(layer, _)| names[layer].as_str()).collect();
            let observation = format!(
                "The steps are too large for the weights of {}: {} of their length, where a \
                 thousandth is usual.",
                listed(&found),
                format_short(ratio)
            );
            let advice = "Try a tenth of the learning rate.";
            findings.push(Finding::new(Ailment::LargeSteps, observation, advice));
        }
        findings
    }

    /// Gradients that get lost, or grow without bound, on their way through the layers.
    pub(super) fn gradient_sizes(&self) -> Option<Finding> {
        let sizes = self.layer_sizes();
        let size = |layer: usize| {
            let norms = self.of_layer(layer, |measured| measured.gradient_norm);
            // For each parameter, so that large and small layers can be compared.
            Some((layer, quantile(norms, 0.5)? / (sizes[layer].max(1) as f64).sqrt()))
        };
        let sizes: Vec<(usize, f64)> = (0..sizes.len()).filter_map(size).collect();
        let least = *sizes.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let greatest = *sizes.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        if least.1 >= FAR_APART * greatest.1 || greatest.1 == 0.0 {
            return None;
        }
        let names = self.layers_said();
        let (vanish, far) = (least.0 < greatest.0, format_short(least.1 / greatest.1));
        let (ailment, word, small, large) = match vanish {
            true => (Ailment::VanishingGradients, "vanish", least.0, greatest.0),
            false => (Ailment::ExplodingGradients, "explode", least.0, greatest.0),
        };
        let observation = format!(
            "The gradients {word} on their way to the first layers: a weight of {} gets {far} of \
             what one of {} gets.",
            names[small], names[large]
        );
        let advice = match vanish {
            true => {
                "Try ReLU with Kaiming's initialisation, a residual connection or a norm layer."
            }
            false => "Try smaller initial weights, a norm layer, or clip_by_global_norm.",
        };
        Some(Finding::new(ailment, observation, advice))
    }

    /// A gradient that becomes far greater than it was at the start.
    pub(super) fn exploded(&self) -> Option<Finding> {
        let norms = self.gradient_norms();
        let start = norms.iter().take(START).copied().fold(0.0, f64::max);
        let at = norms.iter().position(|norm| *norm > EXPLODES * start && start > 0.0)?;
        let observation = format!(
            "The gradient has the norm {} at step {}, where {} was the greatest at the start.",
            format_short(norms[at]),
            self.measurements()[at].0 + 1,
            format_short(start)
        );
        let advice = "Try a smaller learning rate, a warm-up, or clip_by_global_norm.";
        Some(Finding::new(Ailment::ExplodingGradients, observation, advice))
    }

    /// The norm of the whole gradient at each measured step.
    fn gradient_norms(&self) -> Vec<f64> {
        let norm = |(_, layers): &(usize, Vec<LayerMeasurement>)| {
            let squares = layers.iter().filter_map(|layer| layer.gradient_norm).map(|g| g * g);
            squares.sum::<f64>().sqrt()
        };
        self.measurements().iter().map(norm).collect()
    }

    /// Units that have passed on nothing but 0 in the second half of the run.
    pub(super) fn dead_units(&self) -> Vec<Finding> {
        let moments = self.histograms();
        let since = self.losses().len() / 2;
        if moments.iter().filter(|(step, _)| *step >= since).count() < SEEN {
            return Vec::new();
        }
        let dead = |(name, last_alive): (String, &Vec<Option<usize>>)| {
            let dead =
                last_alive.iter().filter(|last| last.is_none_or(|last| last < since)).count();
            if (dead as f64) < DEAD * last_alive.len() as f64 || dead == 0 {
                return None;
            }
            let observation = format!(
                "{dead} of the {} units of {name} are dead: they have passed on nothing but 0 since \
                 step {}.",
                last_alive.len(),
                since + 1
            );
            let advice = "Try a smaller learning rate, GELU or a leaky ReLU, and inputs around 0.";
            Some(Finding::new(Ailment::DeadUnits, observation, advice))
        };
        self.layers_said().into_iter().zip(self.last_alive()).filter_map(dead).collect()
    }

    /// A norm that nearly all gradients have can only come from clipping.
    pub(super) fn always_clipped(&self) -> Option<Finding> {
        let norms = self.gradient_norms();
        let usual = quantile(norms.clone(), 0.5).filter(|norm| *norm > 0.0)?;
        let same = norms.iter().filter(|norm| (**norm / usual - 1.0).abs() < 1e-4).count();
        if norms.len() < MEASURED || (same as f64) < CLIPPED * norms.len() as f64 {
            return None;
        }
        let observation = format!(
            "The gradient has the norm {} at {same} of {} measured steps: clipping decides the \
             length of each.",
            format_short(usual),
            norms.len()
        );
        let advice = "Clip at a greater norm, or take it for what it is: steps of one length.";
        Some(Finding::new(Ailment::AlwaysClipped, observation, advice))
    }
}
