//! A model of two weights: is a penguin of this mass a Gentoo?
//!
//! ```text
//! p = σ(w·m + b)       cross-entropy −y · ln p − (1 − y) · ln(1 − p)       squared error (p − y)²
//! ```

use std::error::Error;
use std::path::Path;

use downhill::datasets::Csv;
use downhill::losses::{BinaryCrossEntropyWithLogits, MeanSquaredError};
use downhill::optim::Lbfgs;
use downhill::prelude::*;

use crate::curvature::largest_eigenvalue;

/// p = σ(w·m + b), where m is the body mass in kilograms above 4.
pub(crate) struct Logistic {
    /// `[N, 2]`: m, and 1.
    features: Tensor<f64>,
    /// `[N]`: 1 for a Gentoo, 0 for any other.
    targets: Tensor<f64>,
}

/// What is minimised.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Loss {
    CrossEntropy,
    SquaredError,
}

/// w and b.
pub(crate) type Weights = [f64; 2];

impl Logistic {
    /// The weights before and after each of `steps` steps of an optimizer.
    pub(crate) fn descend(
        &self,
        start: Weights,
        loss: Loss,
        optimizer: &mut dyn Optimizer<f64>,
        steps: usize,
    ) -> Result<Vec<Weights>, Box<dyn Error>> {
        let mut model = [Tensor::parameter(start)];
        let mut path = vec![start];
        for _ in 0..steps {
            let gradients = self.loss(&model[0], loss).backward();
            optimizer.step(&mut model, &gradients)?;
            path.push(pair(&model[0]));
        }
        Ok(path)
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let birds = Csv::new(path)
            .target("species")
            .features(&["body_mass_g"])
            .drop_missing(true)
            .read_classification::<f64>()?;
        let gentoo = birds.class_names().iter().position(|name| name == "Gentoo");
        let gentoo = gentoo.ok_or_else(|| format!("{}: no Gentoo penguins", path.display()))?;
        let rows = birds.features().iter().flat_map(|grams| [grams / 1000.0 - 4.0, 1.0]).collect();
        let targets = birds.labels().iter().map(|&label| f64::from(u8::from(label == gentoo)));
        Ok(Self {
            features: Tensor::from_shape_vec(&[birds.len(), 2], rows)?,
            targets: Tensor::from(targets.collect::<Vec<_>>()),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }

    /// The mean loss of all birds; `weights` is `[2]`.
    pub(crate) fn loss(&self, weights: &Tensor<f64>, loss: Loss) -> Tensor<f64> {
        let logits = self.features.matmul(&weights.reshape(&[2, 1])).reshape(&[self.len()]);
        let loss = match loss {
            Loss::CrossEntropy => {
                BinaryCrossEntropyWithLogits::new().forward(&logits, &self.targets)
            }
            Loss::SquaredError => MeanSquaredError::new().forward(&logits.sigmoid(), &self.targets),
        };
        loss.expect("each logit has a target of 0 or 1")
    }

    pub(crate) fn value(&self, weights: Weights, loss: Loss) -> f64 {
        without_recording(|| self.loss(&Tensor::from(weights), loss)).item()
    }

    /// The share of the birds that are told right.
    pub(crate) fn accuracy(&self, [w, b]: Weights) -> f64 {
        let rows = self.features.array();
        let logits = rows.outer_iter().map(|row| w * row[0] + b * row[1]);
        let right = |(logit, &target): (f64, &f64)| (logit > 0.0) == (target == 1.0);
        logits.zip(&*self.targets.values()).filter(|pair| right(*pair)).count() as f64
            / self.len() as f64
    }

    /// The length of the gradient.
    pub(crate) fn slope(&self, weights: Weights, loss: Loss) -> f64 {
        let weights = Tensor::parameter(weights);
        let gradients = self.loss(&weights, loss).backward();
        let gradient = gradients.get(&weights).expect("the loss depends on the weights");
        gradient.square().sum().item().sqrt()
    }

    /// The same with L-BFGS, which asks for the loss as often as it likes. It ends early where no
    /// step makes the loss smaller.
    pub(crate) fn descend_lbfgs(
        &self,
        start: Weights,
        steps: usize,
    ) -> Result<Vec<Weights>, Box<dyn Error>> {
        let mut model = [Tensor::parameter(start)];
        let mut optimizer = Lbfgs::new()
            .max_iterations(1)
            .max_evaluations(26)
            .gradient_tolerance(1e-12)
            .change_tolerance(0.0);
        let mut path = vec![start];
        for _ in 0..steps {
            optimizer.step(&mut model, |[weights]| {
                let loss = self.loss(weights, Loss::CrossEntropy);
                let gradients = loss.backward();
                Ok((loss, gradients))
            })?;
            path.push(pair(&model[0]));
        }
        Ok(path)
    }

    /// The eigenvalue of greatest size of the Hessian, and its eigenvector.
    pub(crate) fn sharpness(&self, weights: Weights, loss: Loss) -> (f64, Weights) {
        let weights = Tensor::parameter(weights);
        let mut vectors = vec![Tensor::from([1.0, 0.3])];
        let loss = self.loss(&weights, loss);
        let eigenvalue = largest_eigenvalue(&loss, &[&weights], &mut vectors, 1e-14);
        let [x, y] = pair(&vectors[0]);
        let length = x.hypot(y);
        (eigenvalue, [x / length, y / length])
    }
}

fn pair(weights: &Tensor<f64>) -> Weights {
    let values = weights.values();
    [values[0], values[1]]
}
