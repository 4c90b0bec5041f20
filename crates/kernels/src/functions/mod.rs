//! Functions of one number, in a form that vectorises.

pub(crate) mod elementary;
mod exponential;
pub(crate) mod gate;
mod logarithm;
pub(crate) mod named;
mod normal;
mod polynomial;
mod sigmoid;

/// The distance between a result and the true value, in units of the last place of the
/// result's type at the true value.
#[cfg(test)]
fn error_in_ulps(result: f32, truth: f64) -> f64 {
    let rounded = truth as f32;
    if !rounded.is_finite() || rounded == 0.0 {
        return if is_same(result, rounded) { 0.0 } else { f64::INFINITY };
    }
    let ulp = f64::from(rounded.abs().next_up()) - f64::from(rounded.abs());
    (f64::from(result) - truth).abs() / ulp
}

/// Whether the numbers are equal, the signs of zeros included, or both NaN.
#[cfg(test)]
fn is_same<E: num_traits::Float>(x: E, y: E) -> bool {
    (x == y && x.is_sign_negative() == y.is_sign_negative()) || (x.is_nan() && y.is_nan())
}
