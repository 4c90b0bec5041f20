//! The gated recurrent unit.

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::initializer::{Fans, Initializer, checked_len};
use crate::linear::Linear;
use crate::module::same_in_training;
use crate::recurrent;

/// A gated recurrent unit (Cho et al., "Learning phrase representations using RNN
/// encoder–decoder", 2014), unrolled over time: input `[N, T, inputs]`, output `[N, T, width]`,
/// the state after each step.
///
/// With gates from the input x and the state h, in the form of cuDNN and PyTorch:
///
/// - reset r = σ(x · Wᵣ + bᵣ + h · Uᵣ + cᵣ);
/// - update z = σ(x · W_z + b_z + h · U_z + c_z);
/// - candidate n = tanh(x · Wₙ + bₙ + r ∘ (h · Uₙ + cₙ));
/// - the next state is (1 − z) ∘ n + z ∘ h.
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `input.weight` (Wᵣ, W_z, Wₙ side by side) | `[inputs, 3 · width]` | `weight_ih_l0`, the transpose |
/// | `input.bias` | `[3 · width]` | `bias_ih_l0` |
/// | `state.weight` (Uᵣ, U_z, Uₙ side by side) | `[width, 3 · width]` | `weight_hh_l0`, the transpose |
/// | `state.bias` | `[3 · width]` | `bias_hh_l0` |
///
/// ```
/// use downhill_nn::Gru;
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let gru = Gru::new(3, 8, &mut rng);
/// let x: Tensor = Tensor::ones(&[5, 4, 3]);
/// let states = gru.forward(&x);
/// assert_eq!(states.shape(), [5, 4, 8]);
///
/// // One step after the other comes to the same.
/// let first = gru.step(&Tensor::ones(&[5, 3]), &gru.start(5));
/// assert_eq!(first.to_vec(), states.slice(1, ..1).to_vec());
/// ```
#[derive(Debug, Clone)]
pub struct Gru<E: Element = f32> {
    /// What the input adds to each gate: reset, update, candidate.
    pub input: Linear<E>,
    /// What the state adds to each gate.
    pub state: Linear<E>,
}
parameters!(Gru<E> { input, state });

impl<E: Element> Gru<E> {
    /// A layer with PyTorch's start: weights and biases uniform between ±1/√width.
    ///
    /// # Panics
    ///
    /// If either size is 0.
    #[track_caller]
    pub fn new(inputs: usize, width: usize, rng: &mut impl Rng) -> Self {
        assert!(
            inputs > 0 && width > 0,
            "Gru: {inputs} inputs and a state of {width}; there must be at least one of each"
        );
        let gates = width.saturating_mul(3);
        checked_len::<E>("Gru", &[inputs.max(width), gates]);
        let initializer = Initializer::uniform((width as f64).sqrt().recip());
        let mut linear = |inputs| {
            let fans = Fans { inputs, outputs: gates };
            Linear {
                weight: initializer.draw(&[inputs, gates], fans, rng),
                bias: Some(initializer.draw(&[gates], fans, rng)),
            }
        };
        Self { input: linear(inputs), state: linear(width) }
    }

    /// The number of values in the state.
    pub fn width(&self) -> usize {
        self.state.inputs()
    }

    /// The state before the first step of `sequences` sequences: zeros, `[N, width]`.
    pub fn start(&self, sequences: usize) -> Tensor<E> {
        Tensor::zeros(&[sequences, self.width()])
    }

    /// The states after each step, from a start of zeros.
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, inputs]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        self.forward_from(x, &self.start(x.shape().first().copied().unwrap_or(0)))
    }

    /// The states after each step, from a given state `[N, width]`.
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, inputs]`, T is 0, or the state has another shape.
    #[inline(never)]
    #[track_caller]
    pub fn forward_from(&self, x: &Tensor<E>, state: &Tensor<E>) -> Tensor<E> {
        let inputs = self.input.inputs();
        assert!(
            x.ndim() == 3 && x.shape()[1] > 0 && x.shape()[2] == inputs,
            "Gru: the input has shape {:?}; [N, T, {inputs}] is needed, of at least one step",
            x.shape()
        );
        let mut states: Vec<Tensor<E>> = Vec::with_capacity(x.shape()[1]);
        for time in 0..x.shape()[1] {
            let x = x.slice(1, time..time + 1).squeeze(1);
            states.push(self.step(&x, states.last().unwrap_or(state)));
        }
        Tensor::stack(&states.iter().collect::<Vec<_>>(), 1)
    }

    /// One step: the next state `[N, width]`, from an input `[N, inputs]` and a state.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    #[inline(never)]
    #[track_caller]
    pub fn step(&self, x: &Tensor<E>, state: &Tensor<E>) -> Tensor<E> {
        let width = self.width();
        let (from_input, from_state) = (self.input.forward(x), self.state.forward(state));
        let gates = |gates: &Tensor<E>| gates.slice(-1, ..2 * width);
        let candidate = |gates: &Tensor<E>| gates.slice(-1, 2 * width..);
        let opened = (gates(&from_input) + gates(&from_state)).sigmoid();
        let (reset, update) = (opened.slice(-1, ..width), opened.slice(-1, width..));
        let candidate = (candidate(&from_input) + reset * candidate(&from_state)).tanh();
        &candidate + update * (state - &candidate)
    }
}

impl<E: Element> Gru<E> {
    /// ONNX has the update gate before the reset gate.
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let attributes = vec![("linear_before_reset", Attribute::Integer(1))];
        let layers = [&self.input, &self.state];
        Ok(recurrent::write("GRU", layers, &[1, 0, 2], attributes, &x, export))
    }
}

same_in_training!(Gru<E>, |gru: &Gru<E>| {
    Description::new(format!("Gru({} → {})", gru.input.inputs(), gru.width()))
        .part("input", gru.input.describe())
        .part("state", gru.state.describe())
});

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use downhill_tensor::{Parameters, gradcheck};

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    #[test]
    fn gradients_agree_with_differences() {
        let gru = Gru::new(2, 3, &mut rng());
        let x = random(&[2, 3, 2], &mut rng());
        check_gradients(&gru, &x, |gru, x| gru.forward(x));
        let start = random(&[2, 3], &mut rng());
        gradcheck(|inputs| gru.forward_from(&x, &inputs[0]), &[start]).unwrap();
    }

    #[test]
    fn one_step_is_that_of_the_definition() {
        let gru: Gru<f64> = Gru::new(1, 1, &mut rng());
        let values: Vec<Vec<f64>> =
            gru.named().into_iter().map(|(_, tensor)| tensor.to_vec()).collect();
        let [w, b, u, c] = &values[..] else { panic!("{} tensors", values.len()) };
        let (x, h) = (0.7, -0.4);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let reset = sigmoid(x * w[0] + b[0] + h * u[0] + c[0]);
        let update = sigmoid(x * w[1] + b[1] + h * u[1] + c[1]);
        let candidate = (x * w[2] + b[2] + reset * (h * u[2] + c[2])).tanh();
        let expected = (1.0 - update) * candidate + update * h;
        let next = gru.step(&Tensor::from([[x]]), &Tensor::from([[h]])).item();
        assert_relative_eq!(next, expected, max_relative = 1e-14);
    }

    #[test]
    fn unrolling_is_taking_one_step_after_the_other() {
        let gru: Gru<f64> = Gru::new(2, 3, &mut rng());
        let x = random(&[4, 5, 2], &mut rng());
        let mut state = random(&[4, 3], &mut rng());
        let states = gru.forward_from(&x, &state);
        assert_eq!(states.shape(), [4, 5, 3]);
        for time in 0..5 {
            state = gru.step(&x.slice(1, time..time + 1).squeeze(1), &state);
            assert_eq!(states.slice(1, time..time + 1).to_vec(), state.to_vec());
        }
    }

    #[test]
    fn the_start_is_within_one_over_the_root_of_the_width() {
        let gru: Gru<f64> = Gru::new(50, 16, &mut rng());
        for (name, tensor) in gru.named() {
            let largest = tensor.abs().max().item();
            assert!((0.24..=0.25).contains(&largest), "{name}: {largest}");
        }
    }

    #[test]
    #[should_panic(expected = "Gru: the input has shape [2, 0, 3]; [N, T, 3] is needed")]
    fn a_sequence_without_steps_is_refused() {
        Gru::<f32>::new(3, 4, &mut rng()).forward(&Tensor::zeros(&[2, 0, 3]));
    }
}
