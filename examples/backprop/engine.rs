//! The same network in tensors, and the derivatives that the engine finds.

use downhill::losses::Error;
use downhill::prelude::*;

use crate::board::{Name, Symbol};
use crate::{Arguments, Function, HIDDEN, OUTPUT};

/// The tensors of a forward pass, by their letters, and the loss's gradients.
pub(crate) struct Engine {
    tensors: Vec<(char, Tensor<f64>)>,
    gradients: Gradients<f64>,
}

impl Engine {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, Error> {
        let x = Tensor::parameter(arguments.input.to_vec());
        let (u, c) = (Tensor::parameter(HIDDEN.0), Tensor::parameter(HIDDEN.1));
        let (v, d) = (Tensor::parameter(OUTPUT.0), Tensor::parameter(OUTPUT.1));

        let a = x.linear(&u, &c);
        let h = match arguments.activation {
            Function::Tanh => a.tanh(),
            Function::Sigmoid => a.sigmoid(),
            Function::Relu => a.relu(),
        };
        let z = h.linear(&v, &d);
        let loss = CrossEntropy::new().forward(&z, &[arguments.target])?;
        let gradients = loss.backward();

        let letters = ['x', 'u', 'c', 'a', 'h', 'v', 'd', 'z', 'L'];
        let tensors = letters.into_iter().zip([x, u, c, a, h, v, d, z, loss]).collect();
        Ok(Self { tensors, gradients })
    }

    /// ∂`output`/∂`input`: from `backward()` where the loss's gradient with respect to a parameter
    /// is wanted, and otherwise from `grad`, which also knows the tensors on the way.
    pub(crate) fn derivative(&self, output: Symbol, input: Symbol) -> f64 {
        let (output, input) = (output.of, input.of);
        let (from, to) = (self.tensor(output), self.tensor(input));
        let gradient = match self.gradients.get(to) {
            Some(gradient) if output.letter == 'L' => gradient.clone(),
            _ => {
                let place = output.position();
                let one = from.reshape(&[from.len()]).slice(0, place..=place).sum();
                grad(&one, &[to]).remove(0)
            }
        };
        gradient.to_vec()[input.position()]
    }

    fn tensor(&self, name: Name) -> &Tensor<f64> {
        let found = self.tensors.iter().find(|(letter, _)| *letter == name.letter);
        &found.expect("every letter has its tensor").1
    }
}
