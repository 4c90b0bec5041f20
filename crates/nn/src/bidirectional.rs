//! A sequence read from both ends.

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Parameters, Path, Tensor};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::module::{Module, SameInTraining};

/// Two layers that read a sequence, one from its beginning and one from its end (Schuster &
/// Paliwal, "Bidirectional recurrent neural networks", 1997): input `[N, T, inputs]`, output
/// `[N, T, 2 · width]`, at each place what the first knows there, and then what the second does.
///
/// In PyTorch it is a layer with `bidirectional=True`: the tensors of `forward` have the same
/// names there, those of `backward` names that end with `_reverse`.
///
/// ```
/// use downhill_nn::{Bidirectional, Gru, Module};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let layer = Bidirectional::new(Gru::new(3, 8, &mut rng), Gru::new(3, 8, &mut rng));
/// let x: Tensor = Tensor::ones(&[5, 4, 3]);
/// assert_eq!(layer.forward(&x).shape(), [5, 4, 16]);
/// ```
#[derive(Debug, Clone)]
pub struct Bidirectional<M> {
    /// Reads from the beginning.
    pub forward: M,
    /// Reads from the end.
    pub backward: M,
}

impl<M> Bidirectional<M> {
    /// Two layers of one kind, each with `[N, T, inputs]` to `[N, T, width]`.
    pub fn new(forward: M, backward: M) -> Self {
        Self { forward, backward }
    }
}

impl<E: Element, M: Parameters<E>> Parameters<E> for Bidirectional<M> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        self.forward.visit(path.field("forward"), visitor);
        self.backward.visit(path.field("backward"), visitor);
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        self.forward.visit_mut(path.field("forward"), visitor);
        self.backward.visit_mut(path.field("backward"), visitor);
    }
}

impl<E: Element, M: Module<E>> Module<E> for Bidirectional<M> {
    #[track_caller]
    fn forward_training(&mut self, x: &Tensor<E>, rng: &mut dyn Rng) -> Tensor<E> {
        let forward = self.forward.forward_training(x, rng);
        join(&forward, &self.backward.forward_training(&reversed(x), rng))
    }

    #[track_caller]
    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        join(&self.forward.evaluate(x), &self.backward.evaluate(&reversed(x)))
    }

    fn export(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let before = export.scope("forward", |export| self.forward.export(x.clone(), export))?;
        let x = write_reversed(&x, export);
        let after = export.scope("backward", |export| self.backward.export(x, export))?;
        let after = write_reversed(&after, export);
        Ok(export.node("Concat", &[&before, &after], vec![("axis", Attribute::Integer(-1))]))
    }

    fn describe(&self) -> Description {
        Description::new("Bidirectional")
            .part("forward", self.forward.describe())
            .part("backward", self.backward.describe())
    }
}

impl<M: SameInTraining> SameInTraining for Bidirectional<M> {}

/// From the last place of axis 1 to before the first.
fn write_reversed(x: &str, export: &mut Export) -> String {
    let [start, end, axis, step] = [("starts", -1), ("ends", i64::MIN), ("axes", 1), ("steps", -1)]
        .map(|(name, value)| export.integers(name, &[value]));
    export.node("Slice", &[x, &start, &end, &axis, &step], vec![])
}

fn join<E: Element>(forward: &Tensor<E>, backward: &Tensor<E>) -> Tensor<E> {
    Tensor::concat(&[forward, &reversed(backward)], -1)
}

/// The places of each sequence, `[N, T, …]`, the last first.
#[track_caller]
fn reversed<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    assert!(
        x.ndim() == 3 && x.shape()[1] > 0,
        "Bidirectional: the input has shape {:?}; [N, T, inputs] is needed, of at least one step",
        x.shape()
    );
    let places: Vec<Tensor<E>> =
        (0..x.shape()[1]).rev().map(|place| x.slice(1, place..place + 1)).collect();
    Tensor::concat(&places.iter().collect::<Vec<_>>(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_gradients, random, rng};
    use crate::{Gru, Lstm};

    #[test]
    fn each_place_knows_what_is_before_and_what_is_after_it() {
        let mut rng = rng();
        let layer = Bidirectional::new(Gru::new(2, 3, &mut rng), Gru::new(2, 3, &mut rng));
        let x = random(&[1, 4, 2], &mut rng);
        let y = layer.forward(&x);
        let mut changed = x.to_vec();
        changed[7] += 1.0;
        let changed = layer.forward(&Tensor::from_shape_vec(&[1, 4, 2], changed).unwrap());
        let half = |y: &Tensor<f64>, half: usize| y.slice(1, ..3).slice(2, 3 * half..3 * half + 3);
        // The last place changed: the first half of those before it does not know, the second does.
        assert_eq!(half(&y, 0).to_vec(), half(&changed, 0).to_vec());
        for (a, b) in half(&y, 1).to_vec().into_iter().zip(half(&changed, 1).to_vec()) {
            assert_ne!(a, b);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        let mut rng = rng();
        let layer = Bidirectional::new(Lstm::new(2, 2, &mut rng), Lstm::new(2, 2, &mut rng));
        let x = random(&[2, 3, 2], &mut rng);
        check_gradients(&layer, &x, |layer, x| layer.forward(x));
    }

    #[test]
    #[should_panic(expected = "Bidirectional: the input has shape [2, 3]; [N, T, inputs]")]
    fn what_is_no_sequence_is_refused() {
        let mut rng = rng();
        let layer = Bidirectional::new(Gru::<f64>::new(3, 2, &mut rng), Gru::new(3, 2, &mut rng));
        layer.backward.forward(&reversed(&Tensor::zeros(&[2, 3])));
    }
}
