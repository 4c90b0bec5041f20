//! What is measured of each layer during training.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

use downhill_kernels::{lanes, vectorize};
use downhill_tensor::{Element, Gradients, Operation, Parameters, Path, Tensor};

use super::Histogram;

/// The measurements of a layer at one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerMeasurement {
    /// ‖g‖₂, the length of the loss' gradient with respect to the layer's parameters; `None` if
    /// the loss does not depend on them.
    pub gradient_norm: Option<f64>,
    /// ‖Δw‖₂ / ‖w‖₂, the length of the step that the optimizer made in proportion to that of the
    /// parameters before it; `None` if they were all zero.
    pub update_ratio: Option<f64>,
}

/// How the values of a layer are spread at one step: of its parameters before the step, of the
/// loss' gradient with respect to them, and of its activations.
///
/// The activations are the values that the layer passes on: of the last operation that uses the
/// layer's parameters, or of the last of the functions of it alone and of its shape (ReLU, tanh …)
/// that follow. They are found in the loss' graph, so no model has to hand them over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerHistograms {
    /// Of the layer's parameters.
    pub weights: Option<Histogram>,
    /// Of the loss' gradient with respect to them.
    pub gradients: Option<Histogram>,
    /// Of the layer's output.
    pub activations: Option<Histogram>,
}

/// A model's parameters, grouped by layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    pub(super) names: Vec<String>,
    /// The parameters' paths, in the order of visiting.
    pub(super) parameters: Vec<String>,
    /// The layer of each parameter.
    layer_of: Vec<usize>,
    /// The number of weights in each layer.
    pub(super) sizes: Vec<usize>,
}

impl Layers {
    /// Groups `layers.0.weight` and `layers.0.bias` as `layers.0`. Parameters that the model
    /// holds directly make up the layer `model`.
    #[inline(never)]
    pub(super) fn of<E: Element>(model: &(impl Parameters<E> + ?Sized)) -> Self {
        let mut layers = Self::default();
        model.visit(Path::ROOT, &mut |path, tensor| {
            if tensor.is_parameter() {
                let path = path.to_string();
                let layer = path.rsplit_once('.').map_or("model", |(layer, _)| layer);
                let position = layers.names.iter().position(|name| name == layer);
                let position = position.unwrap_or_else(|| {
                    layers.names.push(layer.to_owned());
                    layers.sizes.push(0);
                    layers.names.len() - 1
                });
                layers.sizes[position] += tensor.len();
                layers.layer_of.push(position);
                layers.parameters.push(path);
            }
        });
        layers
    }

    /// The measurements of the step from the parameters `before` to those of `after`.
    #[inline(never)]
    pub(super) fn measure<E: Element>(
        &self,
        before: &[Tensor<E>],
        after: &[Tensor<E>],
        gradients: &Gradients<E>,
    ) -> Vec<LayerMeasurement> {
        let mut gradient = vec![None; self.names.len()];
        let mut weight = vec![0.0; self.names.len()];
        let mut update = vec![0.0; self.names.len()];
        for ((before, after), &layer) in before.iter().zip(after).zip(&self.layer_of) {
            let (old, new) = (before.values(), after.values());
            weight[layer] += sum(&old, &old, |old, _| old * old);
            update[layer] += sum(&old, &new, |old, new| (new - old) * (new - old));
            if let Some(found) = gradients.get(before) {
                let found = found.values();
                *gradient[layer].get_or_insert(0.0) += sum(&found, &found, |g, _| g * g);
            }
        }
        let layer = |layer: usize| LayerMeasurement {
            gradient_norm: gradient[layer].map(f64::sqrt),
            update_ratio: (weight[layer] != 0.0).then(|| (update[layer] / weight[layer]).sqrt()),
        };
        (0..self.names.len()).map(layer).collect()
    }

    /// The histograms at the step whose loss is `loss`, for the parameters `before` it, and for each
    /// layer that passes on what is 0 or more, which of its units pass on anything but 0.
    #[inline(never)]
    pub(super) fn histograms<E: Element>(
        &self,
        before: &[Tensor<E>],
        gradients: &Gradients<E>,
        loss: &Tensor<E>,
    ) -> (Vec<LayerHistograms>, Vec<Option<Vec<bool>>>) {
        let activations = self.activations(before, loss);
        let layer = |layer: usize| {
            let own = || before.iter().zip(&self.layer_of).filter(move |(_, of)| **of == layer);
            let weights: Vec<_> = own().map(|(tensor, _)| tensor).collect();
            let gradients: Vec<_> =
                weights.iter().filter_map(|tensor| gradients.get(tensor)).collect();
            LayerHistograms {
                weights: Histogram::of(&weights),
                gradients: Histogram::of(&gradients),
                activations: activations[layer].and_then(|tensor| Histogram::of(&[tensor])),
            }
        };
        let histograms: Vec<LayerHistograms> = (0..self.names.len()).map(layer).collect();
        let rectified = |histogram: &LayerHistograms| {
            histogram.activations.as_ref().is_some_and(|activations| activations.min() == 0.0)
        };
        let alive = histograms.iter().zip(&activations).map(|(histogram, activations)| {
            activations.filter(|_| rectified(histogram)).map(alive_units)
        });
        let alive = alive.collect();
        (histograms, alive)
    }

    /// What each layer passes on, as far as the graph of `loss` uses it.
    #[inline(never)]
    fn activations<'a, E: Element>(
        &self,
        parameters: &[Tensor<E>],
        loss: &'a Tensor<E>,
    ) -> Vec<Option<&'a Tensor<E>>> {
        let layer_of: HashMap<u64, usize> =
            parameters.iter().map(Tensor::id).zip(self.layer_of.iter().copied()).collect();
        let mut outputs = vec![None; self.names.len()];
        // From the youngest tensor to the oldest: all that use a tensor come before it.
        let mut waiting = BTreeMap::from([(loss.id(), loss)]);
        // For each tensor that is followed by a single function of it alone, what it becomes.
        let mut becomes: HashMap<u64, Option<&Tensor<E>>> = HashMap::new();
        while let Some((_, tensor)) = waiting.pop_last() {
            let inputs = tensor.operation().map_or(&[][..], Operation::inputs);
            let follows = matches!(inputs, [input] if input.shape() == tensor.shape());
            for input in inputs.iter().filter(|input| input.requires_gradient()) {
                if let Some(&layer) = layer_of.get(&input.id()) {
                    outputs[layer].get_or_insert_with(|| followed(tensor, &becomes));
                } else {
                    let next = follows.then(|| followed(tensor, &becomes));
                    becomes.entry(input.id()).and_modify(|next| *next = None).or_insert(next);
                    waiting.insert(input.id(), input);
                }
            }
        }
        outputs
    }
}

fn followed<'a, E: Element>(
    tensor: &'a Tensor<E>,
    becomes: &HashMap<u64, Option<&'a Tensor<E>>>,
) -> &'a Tensor<E> {
    becomes.get(&tensor.id()).copied().flatten().unwrap_or(tensor)
}

/// Which units pass on anything but 0: of images, `[N, C, H, W]`, the channels, otherwise the entries
/// of the last axis.
fn alive_units<E: Element>(activations: &Tensor<E>) -> Vec<bool> {
    let shape = activations.shape();
    let (units, each) = match *shape {
        [_, channels, height, width] => (channels, height * width),
        [.., units] => (units, 1),
        [] => (1, 1),
    };
    let mut alive = vec![false; units];
    for (index, part) in activations.values().chunks(each.max(1)).enumerate() {
        alive[index % units] |= part.iter().any(|value| *value != E::zero());
    }
    alive
}

/// Σ f(xᵢ, yᵢ), with eight sums side by side, which a processor adds at once.
fn sum<E: Element>(x: &[E], y: &[E], f: impl Fn(f64, f64) -> f64) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let add = |sum, x: E, y: E| sum + f(x.as_f64(), y.as_f64());
            let sums: [f64; 8] = lanes::fold_pairs(x, y, 0.0, add);
            sums.iter().sum()
        },
    )
}

#[cfg(test)]
mod tests {
    use downhill_tensor::{parameters, without_recording};

    use super::*;

    /// Two linear layers and a bias of the model's own.
    struct Model {
        layers: Vec<Linear>,
        offset: Tensor<f64>,
    }
    struct Linear {
        weight: Tensor<f64>,
        bias: Tensor<f64>,
    }

    impl Parameters<f64> for Linear {
        fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<f64>)) {
            visitor(path.field("weight"), &self.weight);
            visitor(path.field("bias"), &self.bias);
        }
        fn visit_mut(
            &mut self,
            path: Path<'_>,
            visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<f64>),
        ) {
            visitor(path.field("weight"), &mut self.weight);
            visitor(path.field("bias"), &mut self.bias);
        }
    }

    impl Parameters<f64> for Model {
        fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<f64>)) {
            self.layers.visit(path.field("layers"), visitor);
            self.offset.visit(path.field("offset"), visitor);
        }
        fn visit_mut(
            &mut self,
            path: Path<'_>,
            visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<f64>),
        ) {
            self.layers.visit_mut(path.field("layers"), visitor);
            self.offset.visit_mut(path.field("offset"), visitor);
        }
    }

    fn model() -> Model {
        let linear = |weight| Linear {
            weight: Tensor::parameter([[weight]]),
            bias: Tensor::parameter([0.5]),
        };
        Model { layers: vec![linear(3.0), linear(-2.0)], offset: Tensor::parameter([0.0]) }
    }

    fn tensors(model: &Model) -> Vec<Tensor<f64>> {
        model.named().into_iter().map(|(_, tensor)| tensor).collect()
    }

    #[test]
    fn parameters_are_grouped_by_what_holds_them() {
        let layers = Layers::of(&model());
        assert_eq!(layers.names, ["layers.0", "layers.1", "model"]);
        assert_eq!(layers.layer_of, [0, 0, 1, 1, 2]);
    }

    #[test]
    fn norms_are_taken_over_all_parameters_of_a_layer() {
        let model = model();
        let layers = Layers::of(&model);
        let before = tensors(&model);
        let mut after = before.clone();
        after[0].update(|values| values[0] += 0.6);
        after[1].update(|values| values[0] += 0.8);
        let mut gradients = Gradients::default();
        gradients.insert(&before[0], Tensor::from([[6.0]]));
        gradients.insert(&before[1], Tensor::from([8.0]));
        let measured = layers.measure(&before, &after, &gradients);
        assert_eq!(measured[0].gradient_norm, Some(10.0));
        assert_eq!(measured[0].update_ratio, Some((1.0 / 9.25_f64).sqrt()));
        assert_eq!(measured[1].gradient_norm, None);
        assert_eq!(measured[1].update_ratio, Some(0.0));
        assert_eq!(measured[2].update_ratio, None, "a ratio to zero is undefined");
    }

    #[test]
    fn sums_of_ragged_lengths_are_complete() {
        for length in [0, 1, 7, 8, 9, 16, 23] {
            let x: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let expected: f64 = (0..length).map(|i| f64::from(i * i)).sum();
            assert_eq!(sum(&x, &x, |x, y| x * y), expected);
        }
    }

    #[test]
    fn activations_are_found_behind_the_functions_that_follow_a_layer() {
        let model = model();
        let [first, second] = &model.layers[..] else { unreachable!() };
        let x = Tensor::from([[1.0], [-1.0]]);
        let hidden = (x.matmul(&first.weight) + &first.bias).relu();
        let output = hidden.matmul(&second.weight) + &second.bias + &model.offset;
        let loss = output.square().mean();
        let layers = Layers::of(&model);
        let found = layers.activations(&tensors(&model), &loss);
        assert_eq!(found[0].unwrap().id(), hidden.id());
        // The sum with the offset is no function of the layer's output alone, its square is one
        // of what the offset's sum passes on.
        let of_second = hidden.matmul(&second.weight) + &second.bias;
        assert_eq!(found[1].unwrap().to_vec(), of_second.to_vec());
        assert_eq!(found[2].unwrap().to_vec(), output.square().to_vec());
    }

    #[test]
    fn a_fork_ends_the_search_for_what_a_layer_passes_on() {
        let weight = Tensor::parameter([2.0]);
        let output = &weight * &Tensor::from([3.0]);
        let loss = (output.tanh() + output.exp()).sum();
        let layers = Layers::of(&weight);
        assert_eq!(layers.names, ["model"]);
        let found = layers.activations(std::slice::from_ref(&weight), &loss);
        assert_eq!(found[0].unwrap().id(), output.id());
    }

    #[test]
    fn a_loss_without_a_graph_has_no_activations() {
        struct Pair {
            a: Tensor,
        }
        parameters!(Pair { a });
        let pair = Pair { a: Tensor::parameter([1.0]) };
        let loss = without_recording(|| pair.a.sum());
        let layers = Layers::of(&pair);
        assert!(layers.activations(&[pair.a.clone()], &loss)[0].is_none());
    }
}
