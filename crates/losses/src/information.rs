//! Measures of information on plain probability arrays, for teaching and checking.
//!
//! A distribution is a slice or `Vec` of probabilities, or an `ndarray` array whose last axis has
//! the classes; of several rows the measure is the mean. Inputs are checked: a negative entry, a
//! row that does not sum to 1 within 1e-6, and shapes that differ are errors.
//!
//! ```
//! use downhill_losses::information::{self, Unit};
//!
//! let (truth, model) = ([0.5, 0.5], [0.9, 0.1]);
//! let entropy = information::entropy(&truth, Unit::Bits)?;
//! let divergence = information::kl_divergence(&truth, &model, Unit::Bits)?;
//! let cross_entropy = information::cross_entropy(&truth, &model, Unit::Bits)?;
//! assert_eq!(entropy, 1.0);
//! assert!((cross_entropy - (entropy + divergence)).abs() < 1e-15);
//! # Ok::<(), downhill_losses::Error>(())
//! ```

use std::borrow::Cow;

use ndarray::{Array, Dimension};

use crate::checks;
use crate::divergence::{jensen_shannon_term, term};
use crate::error::Error;

/// In what information is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Unit {
    /// By natural logarithms.
    #[default]
    Nats,
    /// By logarithms to the base 2.
    Bits,
}

impl Unit {
    fn convert(self, nats: f64) -> f64 {
        match self {
            Self::Nats => nats,
            Self::Bits => nats / std::f64::consts::LN_2,
        }
    }
}

/// One distribution or several, made from a reference to a slice, `Vec` or array.
#[derive(Debug, Clone)]
pub struct Distributions<'a> {
    values: Cow<'a, [f64]>,
    shape: Vec<usize>,
}

impl<'a> From<&'a [f64]> for Distributions<'a> {
    fn from(values: &'a [f64]) -> Self {
        Self { values: values.into(), shape: vec![values.len()] }
    }
}

impl<'a> From<&'a Vec<f64>> for Distributions<'a> {
    fn from(values: &'a Vec<f64>) -> Self {
        values.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [f64; N]> for Distributions<'a> {
    fn from(values: &'a [f64; N]) -> Self {
        values.as_slice().into()
    }
}

impl<'a, D: Dimension> From<&'a Array<f64, D>> for Distributions<'a> {
    fn from(array: &'a Array<f64, D>) -> Self {
        let values = match array.as_slice() {
            Some(values) => values.into(),
            None => array.iter().copied().collect(),
        };
        Self { values, shape: array.shape().to_vec() }
    }
}

impl Distributions<'_> {
    /// The number of classes, if every row is a distribution.
    fn check(&self, what: &'static str) -> Result<usize, Error> {
        let (_, classes) = checks::rows_and_classes(what, &self.shape)?;
        for (row, values) in self.values.chunks_exact(classes.max(1)).enumerate() {
            checks::distribution(what, row, values)?;
        }
        Ok(classes)
    }
}

/// Entropy, −Σ p · ln p (Shannon, "A mathematical theory of communication", 1948): the least mean
/// length of a code for what is distributed as p. 0 · ln 0 is 0.
///
/// # Errors
///
/// [`Error`] if a row is not a distribution.
pub fn entropy<'a>(p: impl Into<Distributions<'a>>, unit: Unit) -> Result<f64, Error> {
    let p = p.into();
    measure(&p, &p, unit, |p, _| if p == 0.0 { 0.0 } else { -p * p.ln() })
}

/// Cross-entropy, −Σ p · ln q: the mean length of a code made for the model q, of what is
/// distributed as the truth p. It is the entropy of p plus the divergence of q from p; ∞ where q
/// rules out what p does not.
///
/// # Errors
///
/// [`Error`] if the shapes differ or a row is not a distribution.
pub fn cross_entropy<'a, 'b>(
    p: impl Into<Distributions<'a>>,
    q: impl Into<Distributions<'b>>,
    unit: Unit,
) -> Result<f64, Error> {
    measure(&p.into(), &q.into(), unit, |p, q| if p == 0.0 { 0.0 } else { -p * q.ln() })
}

/// Kullback–Leibler divergence, Σ p · ln(p / q) (Kullback & Leibler, "On information and
/// sufficiency", 1951): what a code made for the model q wastes on the truth p. It is 0 if they
/// are equal, and never less.
///
/// # Errors
///
/// [`Error`] if the shapes differ or a row is not a distribution.
pub fn kl_divergence<'a, 'b>(
    p: impl Into<Distributions<'a>>,
    q: impl Into<Distributions<'b>>,
    unit: Unit,
) -> Result<f64, Error> {
    measure(&p.into(), &q.into(), unit, |p, q| {
        // Near 1 the quotient would be rounded; far from it, it may be no number.
        let d = match (p - q).abs() < 0.5 * q {
            true => ((p - q) / q).ln_1p(),
            false => p.ln() - q.ln(),
        };
        term(p, q, d)
    })
}

/// Jensen–Shannon divergence, ½ Σ p · ln(p / m) + ½ Σ q · ln(q / m) with m = (p + q) / 2 (Lin,
/// "Divergence measures based on the Shannon entropy", 1991). It is symmetric and at most 1 bit.
///
/// # Errors
///
/// [`Error`] if the shapes differ or a row is not a distribution.
pub fn jensen_shannon_divergence<'a, 'b>(
    p: impl Into<Distributions<'a>>,
    q: impl Into<Distributions<'b>>,
    unit: Unit,
) -> Result<f64, Error> {
    measure(&p.into(), &q.into(), unit, |p, q| {
        let sum = p + q;
        if sum == 0.0 { 0.0 } else { jensen_shannon_term(0.5 * sum, (p - q) / sum) }
    })
}

/// Perplexity, e to the cross-entropy in nats: among how many equally likely outcomes the model q
/// is as uncertain, on the mean, as it is about the truth p. That of p itself is `perplexity(p, p)`.
///
/// # Errors
///
/// [`Error`] if the shapes differ or a row is not a distribution.
///
/// ```
/// use downhill_losses::information::perplexity;
///
/// let fair = [0.25; 4];
/// assert!((perplexity(&fair, &fair)? - 4.0).abs() < 1e-15);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub fn perplexity<'a, 'b>(
    p: impl Into<Distributions<'a>>,
    q: impl Into<Distributions<'b>>,
) -> Result<f64, Error> {
    Ok(cross_entropy(p, q, Unit::Nats)?.exp())
}

/// The sum of `term` over the classes, averaged over the rows.
fn measure(
    p: &Distributions<'_>,
    q: &Distributions<'_>,
    unit: Unit,
    term: impl Fn(f64, f64) -> f64,
) -> Result<f64, Error> {
    if p.shape != q.shape {
        let (found, expected) = (q.shape.clone(), p.shape.clone());
        return Err(Error::Shape { what: "probabilities q", found, expected });
    }
    let classes = p.check("probabilities p")?;
    q.check("probabilities q")?;
    let rows = p.values.len() / classes.max(1);
    let sum: f64 = p.values.iter().zip(&*q.values).map(|(&p, &q)| term(p, q)).sum();
    Ok(unit.convert(if rows == 0 { 0.0 } else { sum / rows as f64 }))
}
