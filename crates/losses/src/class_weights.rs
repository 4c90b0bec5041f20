//! Weights for classes with many samples or few.

use crate::checks;
use crate::error::Error;

/// How many samples each class has.
///
/// # Errors
///
/// [`Error::Label`] if a label is not below `classes`.
///
/// ```
/// use downhill_losses::class_weights;
///
/// assert_eq!(class_weights::counts(&[0, 2, 0], 3)?, [2, 0, 1]);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub fn counts(labels: &[usize], classes: usize) -> Result<Vec<usize>, Error> {
    let mut counts = vec![0; classes];
    for (position, &label) in labels.iter().enumerate() {
        *counts.get_mut(label).ok_or(Error::Label { position, label, classes })? += 1;
    }
    Ok(counts)
}

/// Weights in inverse proportion to the classes' numbers of samples, N / (C · n_c), by which all
/// classes count alike. Their mean over the samples is 1.
///
/// # Errors
///
/// [`Error::Value`] if a class has no samples.
///
/// ```
/// use downhill_losses::class_weights;
///
/// assert_eq!(class_weights::inverse_frequency(&[6, 2])?, [8.0 / 12.0, 2.0]);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub fn inverse_frequency(counts: &[usize]) -> Result<Vec<f64>, Error> {
    check_counts(counts)?;
    let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    Ok(counts.iter().map(|&count| mean / count as f64).collect())
}

/// Weights in inverse proportion to the effective number of samples, (1 − βⁿ) / (1 − β), of each
/// class (Cui et al., "Class-balanced loss based on effective number of samples", 2019). They sum
/// to the number of classes. β = 0 gives equal weights, β near 1 those of inverse frequency.
///
/// # Errors
///
/// [`Error`] if β is not from 0 to below 1, or a class has no samples.
///
/// ```
/// use downhill_losses::class_weights;
///
/// let weights = class_weights::effective_number(&[1, 2], 0.5)?;
/// assert!((weights[0] - 1.2).abs() < 1e-15 && (weights[1] - 0.8).abs() < 1e-15);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub fn effective_number(counts: &[usize], beta: f64) -> Result<Vec<f64>, Error> {
    checks::option("beta", beta, "from 0 to below 1", |beta| (0.0..1.0).contains(&beta))?;
    check_counts(counts)?;
    // 1 − βⁿ without the rounding error of βⁿ near 1.
    let inverse = |&count: &usize| -1.0 / (count as f64 * beta.ln()).exp_m1();
    let weights: Vec<f64> = counts.iter().map(inverse).collect();
    let sum: f64 = weights.iter().sum();
    Ok(weights.iter().map(|weight| weight * counts.len() as f64 / sum).collect())
}

fn check_counts(counts: &[usize]) -> Result<(), Error> {
    match counts.iter().position(|&count| count == 0) {
        None => Ok(()),
        Some(class) => {
            Err(Error::Value { what: "counts", index: vec![class], value: 0.0, range: "1 or more" })
        }
    }
}
