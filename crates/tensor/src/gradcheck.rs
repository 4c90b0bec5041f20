//! Checking derivatives against central differences.

use std::fmt;

use crate::autodiff::grad;
use crate::gradients::Gradients;
use crate::tensor::Tensor;

/// The greatest accepted difference between a derivative and its estimate, relative to the larger
/// of 1 and the estimate. Central differences in `f64` with the step below are good to some 1e-9
/// for functions of moderate curvature.
const TOLERANCE: f64 = 1e-6;

/// The step of the differences, relative to the larger of 1 and the value: the cube root of the
/// rounding error balances it against the truncation error.
const STEP: f64 = 6e-6;

/// The derivative that disagrees most with its estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct GradcheckError {
    /// The number of the input.
    pub input: usize,
    /// The position in that input.
    pub index: Vec<usize>,
    /// The derivative by automatic differentiation.
    pub derivative: f64,
    /// The estimate by central differences.
    pub estimate: f64,
}

impl fmt::Display for GradcheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "input {} at {:?}: the derivative is {:e}, but central differences give {:e}",
            self.input, self.index, self.derivative, self.estimate
        )
    }
}

impl std::error::Error for GradcheckError {}

/// Compares the gradient of `f` at `inputs` with central differences. An output of several values
/// is reduced to one by a sum with fixed, unequal weights.
///
/// # Errors
///
/// [`GradcheckError`] with the worst entry, if one is off by more than 1e-6 (relative to the
/// larger of 1 and the estimate) or is NaN.
///
/// ```
/// use downhill_tensor::{Tensor, gradcheck};
///
/// let x = Tensor::from([0.5, 1.5]);
/// gradcheck(|x| x[0].sin() * &x[0], &[x]).unwrap();
/// ```
pub fn gradcheck(
    f: impl Fn(&[Tensor<f64>]) -> Tensor<f64>,
    inputs: &[Tensor<f64>],
) -> Result<(), GradcheckError> {
    check(&|inputs| weighted_sum(&f(inputs)), inputs)
}

/// Compares the second derivatives of `f` at `inputs`, as one product of the Hessian with a fixed
/// vector, with central differences of the gradient.
///
/// # Errors
///
/// [`GradcheckError`] as [`gradcheck`].
///
/// ```
/// use downhill_tensor::{Tensor, gradcheck_second_order};
///
/// let x = Tensor::from([0.5, 1.5]);
/// gradcheck_second_order(|x| x[0].sin() * &x[0], &[x]).unwrap();
/// ```
pub fn gradcheck_second_order(
    f: impl Fn(&[Tensor<f64>]) -> Tensor<f64>,
    inputs: &[Tensor<f64>],
) -> Result<(), GradcheckError> {
    check(&|inputs| directional(weighted_sum(&f(inputs)), inputs), inputs)
}

/// The product of the gradient with a fixed vector.
fn directional(output: Tensor<f64>, inputs: &[Tensor<f64>]) -> Tensor<f64> {
    let gradients = grad(&output, &inputs.iter().collect::<Vec<_>>());
    gradients.iter().map(weighted_sum).fold(Tensor::scalar(0.0), |sum, term| sum + term)
}

/// The sum of the values with weights that differ from one another, between 0.5 and 2.5.
fn weighted_sum(x: &Tensor<f64>) -> Tensor<f64> {
    let weights = (0..x.len()).map(|i| 1.5 + (1.0 + i as f64).sin()).collect();
    let weights = Tensor::from_shape_vec(x.shape(), weights).expect("one weight for each value");
    (x * weights).sum()
}

// Of no type of its own for each function, so that it is compiled once.
fn check(
    f: &dyn Fn(&[Tensor<f64>]) -> Tensor<f64>,
    inputs: &[Tensor<f64>],
) -> Result<(), GradcheckError> {
    let parameters: Vec<_> = inputs.iter().map(Tensor::parameter).collect();
    let output = f(&parameters);
    // The derivative of what does not depend on the inputs is 0, as of a second derivative of a
    // linear function.
    let gradients =
        if output.requires_gradient() { output.backward() } else { Gradients::default() };
    let mut worst: Option<(f64, GradcheckError)> = None;
    for (input, parameter) in parameters.iter().enumerate() {
        let positions = ndarray::indices(parameter.shape());
        let gradient = gradients.get(parameter).map_or(vec![0.0; parameter.len()], Tensor::to_vec);
        for ((flat, &derivative), index) in gradient.iter().enumerate().zip(positions) {
            let at = |sign: f64| {
                let mut moved = parameters.clone();
                let mut values = parameter.to_vec();
                values[flat] += sign * STEP * values[flat].abs().max(1.0);
                let x = values[flat];
                moved[input] = Tensor::parameter(
                    Tensor::from_shape_vec(parameter.shape(), values).expect("the shape is kept"),
                );
                (x, f(&moved).item())
            };
            let ((right, above), (left, below)) = (at(1.0), at(-1.0));
            let estimate = (above - below) / (right - left);
            let error = (derivative - estimate).abs() / estimate.abs().max(1.0);
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if worst.as_ref().is_none_or(|(least, _)| error > *least) {
                let index = ndarray::Dimension::slice(&index).to_vec();
                worst = Some((error, GradcheckError { input, index, derivative, estimate }));
            }
        }
    }
    match worst {
        Some((error, mismatch)) if error > TOLERANCE => Err(mismatch),
        _ => Ok(()),
    }
}
