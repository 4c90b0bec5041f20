//! Gradients made smaller where they are too large.

use downhill_kernels::vectorize;
use downhill_tensor::{Element, Gradients, Tensor};

use crate::error::{Error, above, check, check_in};
use crate::norm::norm;

/// Scales all gradients together so that their norm, √Σ gradient² over all parameters, is no more
/// than `max_norm`, and returns the norm they had (Pascanu, Mikolov & Bengio, "On the difficulty
/// of training recurrent neural networks", 2013).
///
/// In PyTorch's formulation the factor is min(1, max_norm / (norm + 1e-6)). Gradients that hold
/// NaN or an infinity are left as they are, for [`Optimizer::step`](crate::Optimizer::step) to
/// refuse by name, and the norm is not finite then.
///
/// # Errors
///
/// [`Error::HyperParameter`] if `max_norm` is not above 0.
///
/// ```
/// use downhill_optim::clip_by_global_norm;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::parameter([3.0, -4.0]);
/// let mut gradients = (x.square() * 0.5).sum().backward();
/// assert_eq!(clip_by_global_norm(&mut gradients, 1.0)?, 5.0);
/// assert!((gradients.get(&x).unwrap().to_vec()[1] + 0.8_f64).abs() < 1e-6);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
#[inline(never)]
pub fn clip_by_global_norm<E: Element>(
    gradients: &mut Gradients<E>,
    max_norm: f64,
) -> Result<f64, Error> {
    clip_by_global_p_norm(gradients, 2.0, max_norm)
}

/// [`clip_by_global_norm`] by another norm, (Σ |gradient|ᵖ)^(1/p): with p = 1 the sum of all sizes,
/// with p = ∞ the largest.
///
/// # Errors
///
/// [`Error::HyperParameter`] if `max_norm` is not above 0, or p not at least 1.
///
/// ```
/// use downhill_optim::clip_by_global_p_norm;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::parameter([3.0, -4.0]);
/// let mut gradients = (x.square() * 0.5).sum().backward();
/// assert_eq!(clip_by_global_p_norm(&mut gradients, 1.0, 10.0)?, 7.0);
/// assert_eq!(clip_by_global_p_norm(&mut gradients, f64::INFINITY, 2.0)?, 4.0);
/// assert!((gradients.get(&x).unwrap().to_vec()[1] + 2.0_f64).abs() < 1e-6);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
#[inline(never)]
pub fn clip_by_global_p_norm<E: Element>(
    gradients: &mut Gradients<E>,
    p: f64,
    max_norm: f64,
) -> Result<f64, Error> {
    check_in::<E>("max_norm", max_norm, above(0.0))?;
    if p != f64::INFINITY {
        check("p", p, 1.0..)?;
    }
    let norms: Vec<f64> = gradients.iter().map(|gradient| p_norm(&gradient.values(), p)).collect();
    let norm = p_norm(&norms, p);
    for gradient in gradients.iter_mut() {
        limit(gradient, norm, max_norm);
    }
    Ok(norm)
}

/// (Σ |value|ᵖ)^(1/p); NaN if there is one among the values.
fn p_norm<E: Element>(values: &[E], p: f64) -> f64 {
    if p == 2.0 {
        return norm(values);
    }
    let sizes = || values.iter().map(|value| value.as_f64().abs());
    if p == 1.0 {
        return sizes().sum();
    }
    let largest = sizes().fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
    if p.is_infinite() || largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    // Neither overflows nor vanishes.
    largest * sizes().map(|size| (size / largest).powf(p)).sum::<f64>().powf(p.recip())
}

/// Scales the gradient of each parameter so that its own norm is no more than `max_norm`, as
/// [`clip_by_global_norm`] does for all of them.
///
/// # Errors
///
/// [`Error::HyperParameter`] if `max_norm` is not above 0.
#[inline(never)]
pub fn clip_by_norm<E: Element>(gradients: &mut Gradients<E>, max_norm: f64) -> Result<(), Error> {
    check_in::<E>("max_norm", max_norm, above(0.0))?;
    for gradient in gradients.iter_mut() {
        let norm = norm(&gradient.values());
        limit(gradient, norm, max_norm);
    }
    Ok(())
}

/// Moves each value of the gradients to between −`max_value` and `max_value`. NaN stays NaN.
///
/// # Errors
///
/// [`Error::HyperParameter`] if `max_value` is not above 0.
///
/// ```
/// use downhill_optim::clip_by_value;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::parameter([0.5, -4.0]);
/// let mut gradients = x.square().sum().backward();
/// clip_by_value(&mut gradients, 2.0)?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec(), [1.0, -2.0]);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
#[inline(never)]
pub fn clip_by_value<E: Element>(
    gradients: &mut Gradients<E>,
    max_value: f64,
) -> Result<(), Error> {
    check_in::<E>("max_value", max_value, above(0.0))?;
    let high = E::from_f64(max_value);
    for gradient in gradients.iter_mut() {
        gradient.update(|values| {
            vectorize(|| {
                for value in values {
                    // Not `min` and `max`, which would turn NaN into a number.
                    *value = if *value > high { high } else { *value };
                    *value = if *value < -high { -high } else { *value };
                }
            });
        });
    }
    Ok(())
}

fn limit<E: Element>(gradient: &mut Tensor<E>, norm: f64, max_norm: f64) {
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 && norm.is_finite() {
        gradient.update(|values| {
            // A factor that `E` cannot hold is the product of two that it can.
            if factor < E::min_positive_value().as_f64() {
                scale(values, E::from_f64(factor.sqrt()));
                return scale(values, E::from_f64(factor.sqrt()));
            }
            scale(values, E::from_f64(factor));
        });
    }
}

fn scale<E: Element>(values: &mut [E], factor: E) {
    vectorize(|| {
        for value in values {
            *value *= factor;
        }
    });
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn gradients(values: &[&[f64]]) -> (Vec<Tensor<f64>>, Gradients<f64>) {
        let mut gradients = Gradients::default();
        let parameters = values.iter().map(|&values| {
            let parameter = Tensor::parameter(Tensor::zeros(&[values.len()]));
            gradients.insert(&parameter, values.to_vec().into());
            parameter
        });
        (parameters.collect(), gradients)
    }

    fn all(gradients: &Gradients<f64>) -> Vec<f64> {
        gradients.iter().flat_map(Tensor::to_vec).collect()
    }

    #[test]
    fn gradients_that_are_small_enough_are_untouched() {
        let (_parameters, mut clipped) = gradients(&[&[3.0, 4.0], &[12.0]]);
        assert_eq!(clip_by_global_norm(&mut clipped, 13.5).unwrap(), 13.0);
        clip_by_norm(&mut clipped, 12.5).unwrap();
        clip_by_value(&mut clipped, 12.0).unwrap();
        assert_eq!(all(&clipped), [3.0, 4.0, 12.0]);
    }

    #[test]
    fn the_global_norm_is_that_of_all_gradients_together() {
        let (_parameters, mut clipped) = gradients(&[&[3.0, 4.0], &[12.0]]);
        assert_eq!(clip_by_global_norm(&mut clipped, 6.5).unwrap(), 13.0);
        // PyTorch's 1e-6 in the divisor makes a difference of 1e-7.
        assert_relative_eq!(all(&clipped)[..], [1.5, 2.0, 6.0], max_relative = 1e-7);
        let (_parameters, mut clipped) = gradients(&[&[3.0, 4.0], &[12.0]]);
        clip_by_norm(&mut clipped, 6.0).unwrap();
        assert_relative_eq!(all(&clipped)[..], [3.0, 4.0, 6.0], max_relative = 1e-6);
    }

    #[test]
    fn huge_gradients_are_clipped_rather_than_made_0() {
        let (_parameters, mut clipped) = gradients(&[&[3e200], &[-4e200]]);
        assert_relative_eq!(clip_by_global_norm(&mut clipped, 5.0).unwrap(), 5e200);
        assert_relative_eq!(all(&clipped)[..], [3.0, -4.0], max_relative = 1e-6);
    }

    #[test]
    fn a_factor_too_small_for_f32_clips_rather_than_makes_0() {
        for (value, max_norm) in [(3e38_f32, 1e-8), (1e30, 1e-30), (3e38, 1.0)] {
            let parameter = Tensor::parameter([0.0_f32]);
            let mut clipped = Gradients::default();
            clipped.insert(&parameter, Tensor::from([-value]));
            clip_by_global_norm(&mut clipped, max_norm).unwrap();
            let found = f64::from(clipped.get(&parameter).unwrap().item());
            assert_relative_eq!(found, -max_norm, max_relative = 1e-5);
        }
        let mut none = Gradients::<f32>::default();
        let error = clip_by_value(&mut none, 1e-60).unwrap_err().to_string();
        assert!(error.ends_with("above 0 and finite in f32, where it is 0"), "{error}");
    }

    #[test]
    fn any_norm_scales_by_its_own_measure() {
        for (p, expected) in
            [(1.0, 19.0), (2.0, 13.0), (3.0, 1819_f64.cbrt()), (f64::INFINITY, 12.0)]
        {
            for size in [1e-200, 1.0, 1e200] {
                let (_parameters, mut clipped) =
                    gradients(&[&[3.0 * size, -4.0 * size], &[12.0 * size]]);
                let norm = clip_by_global_p_norm(&mut clipped, p, 1e-220).unwrap();
                assert_relative_eq!(norm, expected * size, max_relative = 1e-14);
                let (_parameters, mut clipped) = gradients(&[&[3.0, -4.0], &[12.0]]);
                clip_by_global_p_norm(&mut clipped, p, expected / 2.0).unwrap();
                assert_relative_eq!(all(&clipped)[..], [1.5, -2.0, 6.0], max_relative = 1e-6);
            }
        }
        for bad in [f64::NAN, f64::INFINITY] {
            for p in [1.0, 3.0, f64::INFINITY] {
                let (_parameters, mut clipped) = gradients(&[&[1.0, bad], &[3.0]]);
                let norm = clip_by_global_p_norm(&mut clipped, p, 1.0).unwrap();
                assert_eq!(norm.is_nan(), bad.is_nan(), "{norm}");
                assert!(!norm.is_finite());
                assert_eq!(all(&clipped)[0], 1.0);
            }
        }
        let error = clip_by_global_p_norm(&mut Gradients::<f32>::default(), 0.5, 1.0).unwrap_err();
        assert_eq!(error.to_string(), "p is 0.5; it must be at least 1 and finite");
    }

    #[test]
    fn gradients_that_are_not_finite_are_left_for_the_optimizer_to_refuse() {
        for bad in [f64::NAN, f64::INFINITY] {
            let (_parameters, mut clipped) = gradients(&[&[1.0, bad], &[3.0]]);
            assert!(!clip_by_global_norm(&mut clipped, 1.0).unwrap().is_finite());
            clip_by_norm(&mut clipped, 10.0).unwrap();
            assert_eq!(all(&clipped)[0], 1.0);
            assert_eq!(all(&clipped)[1].to_bits(), bad.to_bits());
            assert_eq!(all(&clipped)[2], 3.0);
        }
        let (_parameters, mut clipped) = gradients(&[&[f64::NAN, f64::NEG_INFINITY]]);
        clip_by_value(&mut clipped, 2.0).unwrap();
        assert!(all(&clipped)[0].is_nan());
        assert_eq!(all(&clipped)[1], -2.0);
    }

    #[test]
    fn no_gradients_have_norm_0() {
        assert_eq!(clip_by_global_norm(&mut Gradients::<f32>::default(), 1.0).unwrap(), 0.0);
    }

    #[test]
    fn limits_are_validated() {
        let mut none = Gradients::<f32>::default();
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = |error: Error, name: &str| {
                let expected = format!("{name} is {bad}; it must be above 0 and finite");
                assert_eq!(error.to_string(), expected);
            };
            refused(clip_by_global_norm(&mut none, bad).unwrap_err(), "max_norm");
            refused(clip_by_norm(&mut none, bad).unwrap_err(), "max_norm");
            refused(clip_by_value(&mut none, bad).unwrap_err(), "max_value");
        }
    }
}
