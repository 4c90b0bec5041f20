//! Layers one after the other.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Parameters, Path, Tensor};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::module::Module;

/// Layers one after the other, each fed with what the one before gave.
///
/// The layers are numbered as in PyTorch's `nn.Sequential`, those without parameters included:
/// parameters are called `0.weight`, `2.weight` … There is no `forward`, because a layer may
/// differ between training and evaluation.
///
/// ```
/// use downhill_nn::{Activation, Dropout, Linear, Module, Sequential};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let mut model: Sequential = Sequential::new()
///     .then(Linear::new(64, 32, &mut rng))
///     .then(Activation::Relu)
///     .then(Dropout::new(0.2)?)
///     .then(Linear::new(32, 10, &mut rng));
/// let x = Tensor::ones(&[5, 64]);
/// let logits = model.forward_training(&x, &mut rng);
/// assert_eq!(logits.shape(), [5, 10]);
/// assert_ne!(logits.to_vec(), model.evaluate(&x).to_vec());
/// # Ok::<(), downhill_nn::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential<E: Element = f32> {
    layers: Vec<Box<dyn Layer<E>>>,
}

/// A module of a type that has been forgotten, which can be cloned none the less.
trait Layer<E: Element>: Module<E> {
    fn boxed_clone(&self) -> Box<dyn Layer<E>>;
}

impl<E: Element, M: Module<E> + Clone + 'static> Layer<E> for M {
    fn boxed_clone(&self) -> Box<dyn Layer<E>> {
        Box::new(self.clone())
    }
}

impl<E: Element> Clone for Sequential<E> {
    fn clone(&self) -> Self {
        Self { layers: self.layers.iter().map(|layer| layer.as_ref().boxed_clone()).collect() }
    }
}

impl<E: Element> Sequential<E> {
    /// No layers yet: the input comes out unchanged.
    pub fn new() -> Self {
        Self { layers: Vec::new() }
    }

    /// With one more layer at the end.
    pub fn then(mut self, layer: impl Module<E> + Clone + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }
}

impl<E: Element> Parameters<E> for Sequential<E> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        self.layers.visit(path, visitor);
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        self.layers.visit_mut(path, visitor);
    }
}

impl<E: Element> Module<E> for Sequential<E> {
    #[track_caller]
    fn forward_training(&mut self, x: &Tensor<E>, rng: &mut dyn Rng) -> Tensor<E> {
        let mut x = x.clone();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            // Not in a closure, which does not know the caller.
            x = match catch_unwind(AssertUnwindSafe(|| layer.forward_training(&x, rng))) {
                Ok(y) => y,
                Err(panic) => panic_in(index, layer.describe(), panic),
            };
        }
        x
    }

    #[track_caller]
    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        let mut x = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            // Not in a closure, which does not know the caller.
            x = match catch_unwind(AssertUnwindSafe(|| layer.evaluate(&x))) {
                Ok(y) => y,
                Err(panic) => panic_in(index, layer.describe(), panic),
            };
        }
        x
    }

    fn export(&self, mut x: String, export: &mut Export) -> Result<String, Error> {
        for (index, layer) in self.layers.iter().enumerate() {
            x = export.scope(index.to_string(), |export| layer.export(x, export))?;
        }
        Ok(x)
    }

    fn describe(&self) -> Description {
        let whole = Description::new("Sequential");
        self.layers
            .iter()
            .enumerate()
            .fold(whole, |whole, (index, layer)| whole.part(index.to_string(), layer.describe()))
    }
}

/// Goes on with the panic of a layer, at the caller's line and with the layer's place. The layer's own
/// panic, which is printed before, names the line above that called it.
#[track_caller]
fn panic_in(index: usize, layer: Description, panic: Box<dyn Any + Send>) -> ! {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    match text.or_else(|| panic.downcast_ref::<&str>().copied()) {
        Some(text) => panic!("Sequential: layer {index}, {}: {text}", layer.layer()),
        None => resume_unwind(panic),
    }
}

impl<E: Element> fmt::Display for Sequential<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Activation;
    use crate::dropout::Dropout;
    use crate::linear::Linear;
    use crate::testing::{random, rng};

    fn model() -> Sequential<f64> {
        Sequential::new()
            .then(Linear::new(3, 4, &mut rng()))
            .then(Activation::Tanh)
            .then(Dropout::new(0.5).unwrap())
            .then(Sequential::new().then(Linear::new(4, 2, &mut rng())))
    }

    #[test]
    fn layers_are_applied_in_order() {
        let (first, second) = (Linear::new(3, 4, &mut rng()), Linear::new(4, 2, &mut rng()));
        let x = random(&[5, 3], &mut rng());
        let expected = second.forward(&first.forward(&x).tanh());
        assert_eq!(model().evaluate(&x).to_vec(), expected.to_vec());
    }

    #[test]
    fn training_reaches_the_layers_that_differ_and_evaluation_does_not() {
        let mut model: Sequential<f64> =
            Sequential::new().then(Sequential::new().then(Dropout::new(0.5).unwrap()));
        let x = Tensor::ones(&[100]);
        let dropped = model.forward_training(&x, &mut rng()).to_vec();
        assert!(dropped.contains(&0.0) && dropped.contains(&2.0));
        assert_eq!(model.evaluate(&x).to_vec(), x.to_vec());
    }

    #[test]
    fn parameters_are_named_by_position() {
        let names: Vec<String> = model().named().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["0.weight", "0.bias", "3.0.weight", "3.0.bias"]);
    }

    #[test]
    #[should_panic(
        expected = "Sequential: layer 3, Sequential: Sequential: layer 0, Linear(4 → 2): \
                               linear: [5, 3] × [4, 2]: inner dimensions 3 and 4 differ"
    )]
    fn a_layer_that_does_not_fit_is_named_with_its_place() {
        let mut layers = model().layers;
        layers[0] = Box::new(Activation::Tanh);
        Sequential { layers }.evaluate(&random(&[5, 3], &mut rng()));
    }

    #[test]
    fn a_nested_model_prints_as_a_tree() {
        assert_eq!(
            model().to_string(),
            "\
Sequential            26
  0: Linear(3 → 4)    16  weight [3, 4], bias [4]
  1: Tanh              0
  2: Dropout(0.5)      0
  3: Sequential       10
    0: Linear(4 → 2)  10  weight [4, 2], bias [2]"
        );
    }
}
