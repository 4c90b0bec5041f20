//! Checks of options and inputs, for the losses of this crate and your own. Each returns an error
//! that names the place and the value.

use downhill_tensor::{Element, Tensor};

use crate::error::Error;

/// Checks an option against its range, which `range` describes and `holds` tells.
///
/// # Errors
///
/// [`Error::OptionValue`] if the value is outside.
///
/// ```
/// use downhill_losses::checks;
///
/// let error = checks::option("margin", -1.0, "1 or more", |value| value >= 1.0).unwrap_err();
/// assert_eq!(error.to_string(), "margin is -1; it must be 1 or more");
/// ```
pub fn option(
    option: &'static str,
    value: f64,
    range: &'static str,
    holds: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    if holds(value) { Ok(()) } else { Err(Error::OptionValue { option, value, range }) }
}

/// Checks that an option is 0 or more, and finite.
///
/// # Errors
///
/// [`Error::OptionValue`] if it is not.
pub fn not_negative(name: &'static str, value: f64) -> Result<(), Error> {
    option(name, value, "0 or more and finite", |value| value >= 0.0 && value.is_finite())
}

/// Checks that an option is greater than 0, and finite.
///
/// # Errors
///
/// [`Error::OptionValue`] if it is not.
pub fn positive(name: &'static str, value: f64) -> Result<(), Error> {
    option(name, value, "greater than 0 and finite", |value| value > 0.0 && value.is_finite())
}

/// Checks that an option is greater than 0, and finite, and stays so when it is rounded to `E`.
///
/// # Errors
///
/// [`Error::OptionValue`] if it is not.
///
/// ```
/// use downhill_losses::checks;
///
/// assert!(checks::positive_in::<f64>("epsilon", 1e-60).is_ok());
/// let error = checks::positive_in::<f32>("epsilon", 1e-60).unwrap_err().to_string();
/// assert!(error.ends_with("it must be greater than 0 and finite in the type of the numbers"));
/// ```
pub fn positive_in<E: Element>(name: &'static str, value: f64) -> Result<(), Error> {
    positive(name, value)?;
    option(name, value, "greater than 0 and finite in the type of the numbers", |value| {
        let rounded = E::from_f64(value);
        rounded > E::zero() && rounded.is_finite()
    })
}

/// Checks a temperature, which logits are divided by: that it and its reciprocal are numbers of `E`.
pub(crate) fn temperature<E: Element>(value: f64) -> Result<(), Error> {
    positive_in::<E>("temperature", value)?;
    option("temperature", value, "greater than 0 and finite in the type of the numbers", |value| {
        let inverse = E::from_f64(value.recip());
        inverse > E::zero() && inverse.is_finite()
    })
}

/// Checks that an option is from 0 to 1.
///
/// # Errors
///
/// [`Error::OptionValue`] if it is not.
pub fn fraction(name: &'static str, value: f64) -> Result<(), Error> {
    option(name, value, "from 0 to 1", |value| (0.0..=1.0).contains(&value))
}

/// Checks that a tensor has the expected shape. `what` names in the plural what it holds.
///
/// # Errors
///
/// [`Error::Shape`] if it has another.
pub fn shape<E: Element>(
    what: &'static str,
    tensor: &Tensor<E>,
    expected: &[usize],
) -> Result<(), Error> {
    match tensor.shape() == expected {
        true => Ok(()),
        false => {
            let (found, expected) = (tensor.shape().to_vec(), expected.to_vec());
            Err(Error::Shape { what, found, expected })
        }
    }
}

/// Checks every number of a tensor against its range, which `range` describes and `holds` tells.
/// `what` names in the plural what the tensor holds.
///
/// # Errors
///
/// [`Error::Value`] for the first that is outside.
pub fn values<E: Element>(
    what: &'static str,
    tensor: &Tensor<E>,
    range: &'static str,
    holds: impl Fn(E) -> bool,
) -> Result<(), Error> {
    match tensor.values().iter().position(|&value| !holds(value)) {
        None => Ok(()),
        Some(position) => {
            let value = tensor.values()[position].as_f64();
            Err(Error::Value { what, index: index_of(position, tensor.shape()), value, range })
        }
    }
}

/// Checks that there is a weight for each class, finite and not negative.
///
/// # Errors
///
/// [`Error::WeightCount`] or [`Error::Value`] if not.
pub fn class_weights(option: &'static str, weights: &[f64], classes: usize) -> Result<(), Error> {
    if weights.len() != classes {
        return Err(Error::WeightCount { option, found: weights.len(), classes });
    }
    self::weights(option, weights, &[classes])
}

/// The range of a weight, with the reason why it ends at 0.
const WEIGHT: &str =
    "finite and not negative (a negative weight leaves the loss without a minimum)";

/// Checks that weights are finite and not negative.
pub(crate) fn weights<'a>(
    what: &'static str,
    weights: impl IntoIterator<Item = &'a f64>,
    shape: &[usize],
) -> Result<(), Error> {
    let wrong = |(_, weight): &(usize, &f64)| !(**weight >= 0.0 && weight.is_finite());
    match weights.into_iter().enumerate().find(wrong) {
        None => Ok(()),
        Some((position, &value)) => {
            let index = index_of(position, shape);
            Err(Error::Value { what, index, value, range: WEIGHT })
        }
    }
}

/// How far from 1 a row of probabilities may sum to.
pub(crate) fn tolerance<E: Element>() -> f64 {
    // An f32 softmax over many classes is off by this much when it was summed in a plain loop.
    if E::epsilon().as_f64() < 1e-10 { 1e-6 } else { 1e-5 }
}

/// Checks that the numbers of a row are probabilities whose sum in `f64` is near 1.
pub(crate) fn distribution<E: Element>(
    what: &'static str,
    row: usize,
    values: &[E],
) -> Result<(), Error> {
    let sum: f64 = values.iter().map(|p| p.as_f64()).sum();
    match values.iter().position(|&p| p < E::zero() || p.is_nan()) {
        Some(column) => Err(Error::Value {
            what,
            index: vec![row, column],
            value: values[column].as_f64(),
            range: "a probability, from 0 to 1",
        }),
        None if (sum - 1.0).abs() <= tolerance::<E>() => Ok(()),
        None => Err(Error::Sum { what, row, sum }),
    }
}

/// The number of rows and the length of each, of logits `[…, C]`.
pub(crate) fn rows_and_classes(
    what: &'static str,
    shape: &[usize],
) -> Result<(usize, usize), Error> {
    let rows = |rows: &[usize]| rows.iter().product();
    match shape.split_last() {
        Some((&classes, leading)) if classes > 0 || rows(leading) == 0 => {
            Ok((rows(leading), classes))
        }
        _ => Err(Error::NoClasses { what, found: shape.to_vec() }),
    }
}

/// The index along each axis of a position in row-major order.
fn index_of(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (index, length) in index.iter_mut().zip(shape).rev() {
        (*index, position) = (position % length, position / length);
    }
    index
}
