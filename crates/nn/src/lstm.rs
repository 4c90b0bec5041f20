//! The long short-term memory.

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;
use crate::initializer::{Fans, Initializer, checked_len};
use crate::linear::Linear;
use crate::module::same_in_training;
use crate::recurrent;

/// A long short-term memory (Hochreiter & Schmidhuber, "Long short-term memory", 1997; with the
/// forget gate of Gers, Schmidhuber & Cummins, "Learning to forget", 2000), unrolled over time:
/// input `[N, T, inputs]`, output `[N, T, width]`, the hidden state after each step.
///
/// With gates from the input x and the hidden state h, in the form of cuDNN and PyTorch:
///
/// - input i = σ(x · Wᵢ + bᵢ + h · Uᵢ + cᵢ), forget f and output o alike;
/// - candidate g = tanh(x · W_g + b_g + h · U_g + c_g);
/// - the next cell state is f ∘ cell + i ∘ g;
/// - the next hidden state is o ∘ tanh(the next cell state).
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `input.weight` (Wᵢ, W_f, W_g, Wₒ side by side) | `[inputs, 4 · width]` | `weight_ih_l0`, the transpose |
/// | `input.bias` | `[4 · width]` | `bias_ih_l0` |
/// | `state.weight` (Uᵢ, U_f, U_g, Uₒ side by side) | `[width, 4 · width]` | `weight_hh_l0`, the transpose |
/// | `state.bias` | `[4 · width]` | `bias_hh_l0` |
///
/// ```
/// use downhill_nn::Lstm;
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let lstm = Lstm::new(3, 8, &mut rng);
/// let x: Tensor = Tensor::ones(&[5, 4, 3]);
/// let hidden = lstm.forward(&x);
/// assert_eq!(hidden.shape(), [5, 4, 8]);
///
/// // In two parts it comes to the same.
/// let (first, state) = lstm.forward_from(&x.slice(1, ..2), &lstm.start(5));
/// let (second, _) = lstm.forward_from(&x.slice(1, 2..), &state);
/// assert_eq!(Tensor::concat(&[&first, &second], 1).to_vec(), hidden.to_vec());
/// ```
#[derive(Debug, Clone)]
pub struct Lstm<E: Element = f32> {
    /// What the input adds to each gate: input, forget, candidate, output.
    pub input: Linear<E>,
    /// What the hidden state adds to each gate.
    pub state: Linear<E>,
}
parameters!(Lstm<E> { input, state });

/// What an [`Lstm`] remembers between two steps, each `[N, width]`.
#[derive(Debug, Clone)]
pub struct LstmState<E: Element = f32> {
    /// The hidden state, which is the output.
    pub hidden: Tensor<E>,
    /// The cell state.
    pub cell: Tensor<E>,
}

impl<E: Element> Lstm<E> {
    /// A layer with PyTorch's start: weights and biases uniform between ±1/√width.
    ///
    /// # Panics
    ///
    /// If either size is 0.
    #[track_caller]
    pub fn new(inputs: usize, width: usize, rng: &mut impl Rng) -> Self {
        assert!(
            inputs > 0 && width > 0,
            "Lstm: {inputs} inputs and a state of {width}; there must be at least one of each"
        );
        let gates = width.saturating_mul(4);
        checked_len::<E>("Lstm", &[inputs.max(width), gates]);
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

    /// The number of values in the hidden state, and in the cell state.
    pub fn width(&self) -> usize {
        self.state.inputs()
    }

    /// The state before the first step of `sequences` sequences: zeros.
    pub fn start(&self, sequences: usize) -> LstmState<E> {
        let zeros = Tensor::zeros(&[sequences, self.width()]);
        LstmState { hidden: zeros.clone(), cell: zeros }
    }

    /// The hidden states after each step, from a start of zeros.
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, inputs]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        self.forward_from(x, &self.start(x.shape().first().copied().unwrap_or(0))).0
    }

    /// The hidden states after each step, from a given state, and the state after the last.
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, inputs]`, T is 0, or the state has another shape.
    #[inline(never)]
    #[track_caller]
    pub fn forward_from(&self, x: &Tensor<E>, state: &LstmState<E>) -> (Tensor<E>, LstmState<E>) {
        let inputs = self.input.inputs();
        assert!(
            x.ndim() == 3 && x.shape()[1] > 0 && x.shape()[2] == inputs,
            "Lstm: the input has shape {:?}; [N, T, {inputs}] is needed, of at least one step",
            x.shape()
        );
        let mut state = state.clone();
        let mut hidden = Vec::with_capacity(x.shape()[1]);
        for time in 0..x.shape()[1] {
            state = self.step(&x.slice(1, time..time + 1).squeeze(1), &state);
            hidden.push(state.hidden.clone());
        }
        (Tensor::stack(&hidden.iter().collect::<Vec<_>>(), 1), state)
    }

    /// One step: the next state, from an input `[N, inputs]` and a state.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    #[inline(never)]
    #[track_caller]
    pub fn step(&self, x: &Tensor<E>, state: &LstmState<E>) -> LstmState<E> {
        let width = self.width();
        let gates = self.input.forward(x) + self.state.forward(&state.hidden);
        let [input, forget, candidate, output] =
            [0, 1, 2, 3].map(|gate| gates.slice(-1, gate * width..(gate + 1) * width));
        let cell = forget.sigmoid() * &state.cell + input.sigmoid() * candidate.tanh();
        LstmState { hidden: output.sigmoid() * cell.tanh(), cell }
    }
}

impl<E: Element> Lstm<E> {
    /// ONNX has the output gate second, and the candidate last.
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let layers = [&self.input, &self.state];
        Ok(recurrent::write("LSTM", layers, &[0, 3, 1, 2], vec![], &x, export))
    }
}

same_in_training!(Lstm<E>, |lstm: &Lstm<E>| {
    Description::new(format!("Lstm({} → {})", lstm.input.inputs(), lstm.width()))
        .part("input", lstm.input.describe())
        .part("state", lstm.state.describe())
});

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use downhill_tensor::{Parameters, gradcheck};

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    #[test]
    fn gradients_agree_with_differences() {
        let lstm = Lstm::new(2, 3, &mut rng());
        let x = random(&[2, 3, 2], &mut rng());
        check_gradients(&lstm, &x, |lstm, x| lstm.forward(x));
        let start = [random(&[2, 3], &mut rng()), random(&[2, 3], &mut rng()) + 1.0];
        let last = |start: &[Tensor<f64>]| {
            let state = LstmState { hidden: start[0].clone(), cell: start[1].clone() };
            lstm.forward_from(&x, &state).1.cell
        };
        gradcheck(last, &start).unwrap();
    }

    #[test]
    fn one_step_is_that_of_the_definition() {
        let lstm: Lstm<f64> = Lstm::new(1, 1, &mut rng());
        let values: Vec<Vec<f64>> =
            lstm.named().into_iter().map(|(_, tensor)| tensor.to_vec()).collect();
        let [w, b, u, c] = &values[..] else { panic!("{} tensors", values.len()) };
        let (x, h, cell) = (0.7, -0.4, 0.3);
        let gate = |index: usize| x * w[index] + b[index] + h * u[index] + c[index];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let next_cell = sigmoid(gate(1)) * cell + sigmoid(gate(0)) * gate(2).tanh();
        let next = sigmoid(gate(3)) * next_cell.tanh();
        let state = LstmState { hidden: Tensor::from([[h]]), cell: Tensor::from([[cell]]) };
        let found = lstm.step(&Tensor::from([[x]]), &state);
        assert_relative_eq!(found.hidden.item(), next, max_relative = 1e-14);
        assert_relative_eq!(found.cell.item(), next_cell, max_relative = 1e-14);
    }

    #[test]
    #[should_panic(expected = "Lstm: the input has shape [2, 0, 3]; [N, T, 3] is needed")]
    fn a_sequence_without_steps_is_refused() {
        Lstm::<f32>::new(3, 4, &mut rng()).forward(&Tensor::zeros(&[2, 0, 3]));
    }
}
