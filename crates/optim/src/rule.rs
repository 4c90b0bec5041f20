//! What an optimizer is written as: a formula for one parameter.

use downhill_tensor::{Element, Tensor};

use crate::error::Error;
use crate::in_lanes::replace_each;

/// How an optimizer computes new weights: its hyper-parameters and its formula.
///
/// [`FirstOrder`](crate::FirstOrder) does the rest. A rule of your own is written as ours are:
///
/// ```
/// use downhill_optim::{Error, FirstOrder, Optimizer, Rule, Update, check};
/// use downhill_tensor::{Element, Tensor};
///
/// /// Averages the gradients and follows the sign of the average.
/// struct SignDescent {
///     beta: f64,
/// }
///
/// impl Rule for SignDescent {
///     fn validate<E: Element>(&self) -> Result<(), Error> {
///         check("beta", self.beta, 0.0..1.0)
///     }
///
///     fn state(&self) -> &'static [&'static str] {
///         &["average"]
///     }
///
///     fn update<E: Element>(&self, update: Update<'_, E>) {
///         let (learning_rate, beta) = (E::from_f64(update.learning_rate), E::from_f64(self.beta));
///         update.each(|weight, gradient, [average]| {
///             let average = beta * average + (E::one() - beta) * gradient;
///             (weight - learning_rate * average.signum(), [average])
///         });
///     }
/// }
///
/// let mut x = Tensor::parameter([1.0, -1.0]);
/// let gradients = x.square().sum().backward();
/// FirstOrder::with_rule(0.25, SignDescent { beta: 0.9 }).step(&mut x, &gradients)?;
/// assert_eq!(x.to_vec(), [0.75, -0.75]);
/// # Ok::<(), Error>(())
/// ```
pub trait Rule {
    /// Checks the hyper-parameters before every step: each with [`check`](crate::check), or with
    /// [`check_in`](crate::check_in) if it must not be rounded to 0 or an infinity in `E`.
    ///
    /// # Errors
    ///
    /// [`Error::HyperParameter`] for one that is outside its range.
    fn validate<E: Element>(&self) -> Result<(), Error>;

    /// The names of the arrays, each of the parameter's shape, that the rule remembers of a
    /// parameter from step to step. They hold 0 at first.
    fn state(&self) -> &'static [&'static str];

    /// Whether the rule can update parameters of this shape, as it can unless it is overridden.
    fn accepts(&self, _shape: &[usize]) -> bool {
        true
    }

    /// Replaces the weights of one parameter and what is remembered of it.
    fn update<E: Element>(&self, update: Update<'_, E>);
}

/// What a [`Rule`] is given of one parameter.
#[derive(Debug)]
pub struct Update<'a, E: Element> {
    /// The learning rate, by which the rule should multiply the whole step.
    pub learning_rate: f64,
    /// How strongly the weights are drawn towards 0.
    pub weight_decay: f64,
    /// How often this parameter has been updated, this time included: 1 at first.
    pub step: u64,
    /// The parameter.
    pub weight: &'a mut Tensor<E>,
    /// The loss' gradient with respect to it, of the same shape. All values are finite.
    pub gradient: &'a Tensor<E>,
    /// What is remembered, in the order of [`Rule::state`], in row-major order.
    pub state: &'a mut [Vec<E>],
}

impl<E: Element> Update<'_, E> {
    /// Replaces each weight and what is remembered of it, in one pass.
    ///
    /// `formula` gets a weight, its gradient and its state, and returns the weight and the state
    /// that replace them.
    ///
    /// # Panics
    ///
    /// If `formula` takes another number of values than the rule remembers.
    #[track_caller]
    pub fn each<const N: usize>(self, formula: impl Fn(E, E, [E; N]) -> (E, [E; N]) + Sync) {
        let remembered = self.state.len();
        let Ok(state) = <&mut [Vec<E>; N]>::try_from(self.state) else {
            panic!(
                "Update::each: the formula takes {N} values of state, but the rule names \
                 {remembered}"
            );
        };
        let state = state.each_mut().map(Vec::as_mut_slice);
        let gradient = self.gradient.values();
        self.weight
            .update_from(|old, weight| replace_each(old, weight, &gradient, state, &formula));
    }
}
