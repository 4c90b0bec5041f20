//! Orthogonalised momentum, for matrices.

use downhill_kernels::vectorize;
use downhill_tensor::{Element, Tensor, without_recording};

use crate::error::{Error, above, check, check_in};
use crate::first_order::FirstOrder;
use crate::norm::norm;
use crate::rule::{Rule, Update};

/// Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024): momentum
/// whose singular values are all made about 1, so that no direction of a weight matrix is starved.
/// In PyTorch's formulation:
///
/// ```text
/// momentum ← mu · momentum + (1 − mu) · gradient
/// update   = orthogonalize((1 − mu) · gradient + mu · momentum)      (without nesterov: momentum)
/// weight   ← (1 − learning_rate · weight_decay) · weight − learning_rate · scale · update
/// ```
///
/// `orthogonalize` divides by the Frobenius norm and takes five steps of the Newton–Schulz
/// iteration X ← a·X + (b·A + c·A²)·X, A = X·Xᵀ, whose coefficients drive singular values quickly
/// to between 0.7 and 1.2 rather than slowly to 1.
///
/// It updates matrices only, `[inputs, outputs]` as [`Tensor::linear`] takes them. What else a
/// model holds (biases, and by the paper also embeddings and the output layer) is frozen in a
/// [`ParameterGroup`](crate::ParameterGroup) and left to another optimizer:
///
/// ```
/// use downhill_optim::{AdamW, Muon, Optimizer, ParameterGroup};
/// use downhill_tensor::{Parameters, Path, Tensor, parameters};
///
/// struct Layer {
///     weight: Tensor,
///     bias: Tensor,
/// }
/// parameters!(Layer { weight, bias });
///
/// let mut layer = Layer {
///     weight: Tensor::parameter([[0.5, -1.0], [2.0, 0.25]]),
///     bias: Tensor::parameter([0.0, 0.0]),
/// };
/// let mut muon = Muon::new(0.02).group(ParameterGroup::matching("bias").frozen());
/// let mut adam_w = AdamW::new(1e-3).group(ParameterGroup::matching("weight").frozen());
///
/// let output = Tensor::from([[1.0, 2.0]]).linear(&layer.weight, &layer.bias);
/// let gradients = output.square().sum().backward();
/// muon.step(&mut layer, &gradients)?;
/// adam_w.step(&mut layer, &gradients)?;
/// # Ok::<(), downhill_optim::Error>(())
/// ```
///
/// | default | |
/// | --- | --- |
/// | `momentum` (mu) | 0.95 |
/// | `nesterov` | true |
/// | `weight_decay` | 0.1 |
/// | `coefficients` (a, b, c) | 3.4445, −4.775, 2.0315 |
/// | `iterations` | 5 |
/// | `epsilon`, the least norm divided by | 1e-7 |
/// | `scale` | [`MuonScale::Spectral`] |
pub type Muon<E = f32> = FirstOrder<MuonRule, E>;

/// The rule of [`Muon`].
#[derive(Debug, Clone, PartialEq)]
pub struct MuonRule {
    momentum: f64,
    nesterov: bool,
    coefficients: [f64; 3],
    iterations: usize,
    epsilon: f64,
    scale: MuonScale,
}

/// What [`Muon`]'s updates are multiplied with besides the learning rate, for a matrix
/// `[inputs, outputs]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MuonScale {
    /// √max(1, outputs / inputs) (Jordan et al. 2024; PyTorch's `original`).
    Spectral,
    /// 0.2 · √max(inputs, outputs), so that learning rates and weight decays found for
    /// [`AdamW`](crate::AdamW) carry over (Liu et al., "Muon is scalable for LLM training", 2025;
    /// PyTorch's `match_rms_adamw`).
    MatchAdamW,
}

impl<E: Element> Muon<E> {
    /// Muon with PyTorch's defaults.
    pub fn new(learning_rate: f64) -> Self {
        let rule = MuonRule {
            momentum: 0.95,
            nesterov: true,
            coefficients: [3.4445, -4.775, 2.0315],
            iterations: 5,
            epsilon: 1e-7,
            scale: MuonScale::Spectral,
        };
        Self::with_rule(learning_rate, rule).weight_decay(0.1)
    }

    /// What part of the momentum is kept at each step, at least 0 and below 1.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// Whether to look ahead along the momentum.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.rule.nesterov = nesterov;
        self
    }

    /// a, b and c of the Newton–Schulz iteration.
    pub fn coefficients(mut self, coefficients: [f64; 3]) -> Self {
        self.rule.coefficients = coefficients;
        self
    }

    /// How many Newton–Schulz iterations to take.
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.rule.iterations = iterations;
        self
    }

    /// The least norm to divide by, so that a gradient of 0 is no trouble.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule.epsilon = epsilon;
        self
    }

    /// How updates depend on a matrix' shape.
    pub fn scale(mut self, scale: MuonScale) -> Self {
        self.rule.scale = scale;
        self
    }

    /// Sets the momentum for the steps to come, as a one-cycle schedule does
    /// ([`Schedule::momentum`](crate::Schedule::momentum)).
    pub fn set_momentum(&mut self, momentum: f64) {
        self.rule.momentum = momentum;
    }
}

impl MuonRule {
    fn orthogonalize<E: Element>(&self, matrix: Tensor<E>) -> Tensor<E> {
        let [a, b, c] = self.coefficients.map(E::from_f64);
        // The smaller of the two products is X·Xᵀ for a wide matrix.
        let tall = matrix.shape()[0] > matrix.shape()[1];
        // Twice by its root: the norm itself may be infinite in `E`.
        let root = E::from_f64(norm(&matrix.values()).max(self.epsilon).sqrt());
        let mut x = if tall { matrix.transpose() } else { matrix } / root / root;
        for _ in 0..self.iterations {
            let gram = x.matmul(&x.transpose());
            let polynomial = &gram * b + gram.matmul(&gram) * c;
            x = polynomial.matmul(&x) + x * a;
        }
        if tall { x.transpose() } else { x }
    }
}

impl Rule for MuonRule {
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("momentum", self.momentum, 0.0..1.0)?;
        check_in::<E>("epsilon", self.epsilon, above(0.0))?;
        for (name, value) in ["a", "b", "c"].into_iter().zip(self.coefficients) {
            check(&format!("coefficient {name}"), value, ..)?;
        }
        Ok(())
    }

    fn accepts(&self, shape: &[usize]) -> bool {
        shape.len() == 2
    }

    fn state(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn update<E: Element>(&self, update: Update<'_, E>) {
        let [mu, new] = [self.momentum, 1.0 - self.momentum].map(E::from_f64);
        let gradient = update.gradient.values();
        let momentum = &mut update.state[0];
        vectorize(|| {
            for (momentum, &gradient) in momentum.iter_mut().zip(&*gradient) {
                *momentum = mu * *momentum + new * gradient;
            }
        });
        let mut direction = momentum.clone();
        if self.nesterov {
            vectorize(|| {
                for (direction, &gradient) in direction.iter_mut().zip(&*gradient) {
                    *direction = new * gradient + mu * *direction;
                }
            });
        }
        let direction = Tensor::from_shape_vec(update.weight.shape(), direction)
            .expect("the momentum has the parameter's shape");
        let direction = without_recording(|| self.orthogonalize(direction));

        let [inputs, outputs] = [0, 1].map(|axis| update.weight.shape()[axis] as f64);
        let scale = match self.scale {
            MuonScale::Spectral => (outputs / inputs).max(1.0).sqrt(),
            MuonScale::MatchAdamW => 0.2 * inputs.max(outputs).sqrt(),
        };
        let rate = E::from_f64(update.learning_rate * scale);
        let keep = E::from_f64(1.0 - update.learning_rate * update.weight_decay);
        Update { gradient: &direction, state: &mut [], ..update }
            .each(|weight, direction, []| (keep * weight - rate * direction, []));
    }
}
