//! What can be wrong with hyper-parameters and gradients.

use std::ops::{Bound, RangeBounds};

use downhill_tensor::Element;

/// Any error, into which `?` turns every other.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error about values that an optimizer was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hyper-parameter outside its range.
    #[error("{name} is {value}; it must be {range}")]
    HyperParameter {
        /// The hyper-parameter's name.
        name: String,
        /// The value it was given.
        value: f64,
        /// The values it may have, in words.
        range: String,
    },

    /// A parameter group whose pattern fits no parameter: most likely misspelt.
    #[error("the parameter group `{pattern}` matches no parameter of the model")]
    EmptyGroup {
        /// The group's pattern.
        pattern: String,
    },

    /// A parameter that the optimizer's formula is not made for.
    #[error(
        "this optimizer cannot update `{parameter}`, of shape {shape:?}; freeze it in a parameter \
         group, and let another optimizer update it"
    )]
    UnsuitableParameter {
        /// The parameter's name.
        parameter: String,
        /// Its shape.
        shape: Vec<usize>,
    },

    /// A step in which no parameter of the model has a gradient, so that nothing would be learned.
    /// No weight was changed.
    #[error("no parameter of the model has a gradient: {}", cause(*.parameters, *.gradients))]
    NoGradient {
        /// How many parameters the model has.
        parameters: usize,
        /// How many gradients the step was given.
        gradients: usize,
    },

    /// A step in which every parameter that has a gradient is frozen, so that nothing would be
    /// learned.
    #[error(
        "all parameters that have a gradient are frozen, {frozen} in number; nothing would be learned"
    )]
    AllFrozen {
        /// How many parameters have a gradient.
        frozen: usize,
    },

    /// No parameter of the model has an average: the averages are of another model. Nothing was changed.
    #[error("no parameter of the model has been averaged: {}", no_average(*.parameters, *.averages))]
    NoAverage {
        /// How many parameters the model has.
        parameters: usize,
        /// How many averages there are.
        averages: usize,
    },

    /// What is remembered is of the parameters of another model.
    #[error(
        "nothing is remembered of the parameters of this model, but of {remembered} others; are \
         they those of another model?"
    )]
    OtherModel {
        /// Of how many parameters something is remembered.
        remembered: usize,
    },

    /// A gradient, or a weight that decays, so large that a number that the optimizer keeps would
    /// become NaN or an infinity. No weight was changed.
    #[error(
        "the `{kept}` of `{parameter}` would not be finite in {element}: its gradient reaches \
         {gradient:e}, its weights {weight:e}; clip the gradients, or scale the loss"
    )]
    Overflow {
        /// The parameter's name.
        parameter: String,
        /// The largest size of an entry of its gradient.
        gradient: f64,
        /// The largest size of an entry of the parameter.
        weight: f64,
        /// What would overflow: an array that the optimizer remembers, or the `weights`.
        kept: &'static str,
        /// The type of the numbers.
        element: &'static str,
    },

    /// A gradient that holds NaN or an infinity. No weight was changed.
    #[error("the gradient of `{parameter}` is {value} at {position:?}")]
    NonFiniteGradient {
        /// The parameter's name.
        parameter: String,
        /// The place of the first of them: an index for each axis.
        position: Vec<usize>,
        /// The value.
        value: f64,
    },

    /// A loss that is NaN or an infinity at the weights to start from.
    #[error("the loss is {value} before the first step")]
    NonFiniteLoss {
        /// The loss.
        value: f64,
    },

    /// What the closure that computes loss and gradients returned as its error.
    #[error(transparent)]
    Closure(BoxError),

    /// A saved state that does not fit the optimizer or the model. Nothing was restored.
    #[error("the saved state `{name}` {problem}")]
    State {
        /// The name of the part that does not fit.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Checks that a hyper-parameter is a finite number in `range`.
///
/// # Errors
///
/// [`Error::HyperParameter`].
///
/// ```
/// use downhill_optim::check;
///
/// assert!(check("momentum", 0.9, 0.0..=1.0).is_ok());
/// let error = check("momentum", 1.5, 0.0..=1.0).unwrap_err();
/// assert_eq!(error.to_string(), "momentum is 1.5; it must be at least 0 and at most 1");
/// ```
pub fn check(name: &str, value: f64, range: impl RangeBounds<f64>) -> Result<(), Error> {
    if value.is_finite() && range.contains(&value) {
        return Ok(());
    }
    Err(Error::HyperParameter { name: name.to_owned(), value, range: words(&range) })
}

/// Checks that a hyper-parameter is in `range` ([`check`]) and stays there when it is rounded to
/// `E`.
///
/// # Errors
///
/// [`Error::HyperParameter`].
///
/// ```
/// use std::ops::Bound;
///
/// use downhill_optim::check_in;
///
/// let above_zero = (Bound::Excluded(0.0), Bound::Unbounded);
/// assert!(check_in::<f64>("epsilon", 1e-60, above_zero).is_ok());
/// let error = check_in::<f32>("epsilon", 1e-60, above_zero).unwrap_err().to_string();
/// assert!(error.ends_with("it must be above 0 and finite in f32, where it is 0"));
/// ```
pub fn check_in<E: Element>(
    name: &str,
    value: f64,
    range: impl RangeBounds<f64>,
) -> Result<(), Error> {
    let rounded = E::from_f64(value).as_f64();
    if !value.is_finite()
        || !range.contains(&value)
        || rounded.is_finite() && range.contains(&rounded)
    {
        return check(name, value, range);
    }
    let element = std::any::type_name::<E>();
    let range = format!("{} in {element}, where it is {rounded}", words(&range));
    Err(Error::HyperParameter { name: name.to_owned(), value, range })
}

/// The finite numbers of a range, in words.
fn words(range: &impl RangeBounds<f64>) -> String {
    let low = match range.start_bound() {
        Bound::Included(low) => format!("at least {low}"),
        Bound::Excluded(low) => format!("above {low}"),
        Bound::Unbounded => String::new(),
    };
    let high = match range.end_bound() {
        Bound::Included(high) => format!("at most {high}"),
        Bound::Excluded(high) => format!("below {high}"),
        Bound::Unbounded => "finite".to_owned(),
    };
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(low), Bound::Included(high)) if low == high => low.to_string(),
        (Bound::Unbounded, _) => high,
        _ => format!("{low} and {high}"),
    }
}

const NO_PARAMETERS: &str = "it has no parameters; are its tensors made with `Tensor::parameter`, and named in \
     `parameters!`?";

/// Why averages are most likely of no parameter of a model.
fn no_average(parameters: usize, averages: usize) -> String {
    match (parameters, averages) {
        (0, _) => NO_PARAMETERS.to_owned(),
        (_, 0) => "there are no averages yet; is `update` called?".to_owned(),
        _ => format!("the averages, {averages} in number, are those of another model"),
    }
}

/// What most likely kept the gradients of a step from the parameters of its model.
fn cause(parameters: usize, gradients: usize) -> String {
    match (parameters, gradients) {
        (0, _) => NO_PARAMETERS.to_owned(),
        (_, 0) => "there are no gradients at all; was the loss computed under \
                   `without_recording`, or from detached tensors?"
            .to_owned(),
        _ => format!(
            "the gradients, {gradients} in number, are those of other parameters; do they belong \
             to another model, or to fields that `parameters!` does not name?"
        ),
    }
}

/// The numbers above `low`.
pub(crate) fn above(low: f64) -> (Bound<f64>, Bound<f64>) {
    (Bound::Excluded(low), Bound::Unbounded)
}
