//! Dropout.

use std::fmt;

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Tensor};
use rand::{Rng, RngExt};

use crate::description::Description;
use crate::error::Error;
use crate::module::{Module, no_tensors};
use crate::part;

/// Sets values to 0 at random while training, and scales the others up by 1 / (1 − rate), so that
/// the mean stays; in evaluation it changes nothing (Srivastava et al., "Dropout: a simple way to
/// prevent neural networks from overfitting", 2014). Input and output have the same shape.
///
/// In a [part](crate::in_part) of a batch what is dropped depends on the sample, not on the part.
///
/// ```
/// use downhill_nn::{Dropout, Module};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let mut dropout = Dropout::new(0.5)?;
/// let x = Tensor::from([1.0; 100]);
/// assert!(dropout.forward_training(&x, &mut rng).to_vec().iter().all(|&y| y == 0.0 || y == 2.0));
/// assert_eq!(dropout.evaluate(&x).to_vec(), x.to_vec());
/// # Ok::<(), downhill_nn::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    rate: f64,
}
no_tensors!(Dropout);

impl Dropout {
    /// Drops each value with probability `rate`.
    ///
    /// # Errors
    ///
    /// [`Error::DropoutRate`] unless 0 ≤ `rate` < 1.
    pub fn new(rate: f64) -> Result<Self, Error> {
        match (0.0..1.0).contains(&rate) {
            true => Ok(Self { rate }),
            false => Err(Error::DropoutRate(rate)),
        }
    }
}

impl<E: Element> Module<E> for Dropout {
    #[inline(never)]
    fn forward_training(&mut self, x: &Tensor<E>, rng: &mut dyn Rng) -> Tensor<E> {
        if self.rate == 0.0 {
            return x.clone();
        }
        let scale = E::from_f64(1.0 / (1.0 - self.rate));
        // A value is kept if 32 random bits, as a fraction of 2³², are at least the rate.
        let threshold = (self.rate * 2.0_f64.powi(32)) as u32;
        let keep = |rng: &mut dyn Rng, count: usize, mask: &mut Vec<E>| {
            let kept = |_| if rng.random::<u32>() < threshold { E::zero() } else { scale };
            mask.extend((0..count).map(kept));
        };
        let mut mask = Vec::with_capacity(x.len());
        let rows = x.shape().first().copied().unwrap_or(1);
        match part::generators(rows) {
            Some(generators) => {
                let count = x.len() / rows.max(1);
                generators.for_each(|mut rng| keep(&mut rng, count, &mut mask));
            }
            None => keep(rng, x.len(), &mut mask),
        }
        x * Tensor::from_shape_vec(x.shape(), mask).expect("one factor for each value")
    }

    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        x.clone()
    }

    fn export(&self, x: String, _export: &mut Export) -> Result<String, Error> {
        Ok(x)
    }

    fn describe(&self) -> Description {
        Description::new(self.to_string())
    }
}

impl fmt::Display for Dropout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dropout({})", self.rate)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use downhill_tensor::gradcheck;

    use super::*;
    use crate::part::tests::in_two_parts;
    use crate::testing::{random, rng};

    #[test]
    fn what_is_dropped_of_a_sample_does_not_depend_on_the_part() {
        let cut = |first: usize| {
            let masks = in_two_parts([first, 6 - first], |part| {
                let (mut dropout, mut rng) = (Dropout::new(0.5).unwrap(), rng());
                let x = Tensor::<f64>::ones(&[if part == 0 { first } else { 6 - first }, 20]);
                let mut draw = || dropout.forward_training(&x, &mut rng).to_vec();
                [draw(), draw()]
            });
            [0, 1].map(|draw| [&masks[0][draw][..], &masks[1][draw]].concat())
        };
        let masks = cut(3);
        assert_eq!([cut(1), cut(2), cut(6)], [masks.clone(), masks.clone(), masks.clone()]);
        assert_ne!(masks[0], masks[1]);
        let samples: std::collections::HashSet<_> =
            masks[0].chunks(20).map(|mask| format!("{mask:?}")).collect();
        assert_eq!(samples.len(), 6);
    }

    #[test]
    fn the_share_of_zeros_is_the_rate_and_the_mean_stays() {
        let mut dropout = Dropout::new(0.3).unwrap();
        let y: Tensor<f64> = dropout.forward_training(&Tensor::ones(&[100, 1000]), &mut rng());
        let zeros = y.to_vec().iter().filter(|&&y| y == 0.0).count();
        // Five standard errors of 100,000 draws.
        assert_relative_eq!(zeros as f64 / 1e5, 0.3, epsilon = 0.0073);
        assert_relative_eq!(y.mean().item(), 1.0, epsilon = 0.0104);
        assert_relative_eq!(y.max().item(), 1.0 / 0.7);
    }

    #[test]
    fn gradients_pass_where_values_do() {
        let x = random(&[20], &mut rng());
        let training = |x: &Tensor<f64>| Dropout::new(0.5).unwrap().forward_training(x, &mut rng());
        gradcheck(|x| training(&x[0]), std::slice::from_ref(&x)).unwrap();
        let x = Tensor::parameter(x);
        let y = training(&x);
        let gradient = y.sum().backward().get(&x).unwrap().to_vec();
        for (gradient, y) in gradient.into_iter().zip(y.to_vec()) {
            assert_eq!(gradient, if y == 0.0 { 0.0 } else { 2.0 });
        }
    }

    #[test]
    fn a_rate_of_zero_changes_nothing_and_draws_nothing() {
        let x = random(&[5], &mut rng());
        let (mut used, mut fresh) = (rng(), rng());
        let y = Dropout::new(0.0).unwrap().forward_training(&x, &mut used);
        assert_eq!(y.to_vec(), x.to_vec());
        assert_eq!(used.next_u64(), fresh.next_u64());
    }

    #[test]
    fn a_rate_that_is_no_probability_below_one_is_refused() {
        for rate in [-0.1, 1.0, 1.5, f64::INFINITY] {
            assert_eq!(Dropout::new(rate), Err(Error::DropoutRate(rate)));
        }
        let error = Dropout::new(f64::NAN).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the dropout rate is NaN; it must be at least 0 and less than 1"
        );
    }
}
