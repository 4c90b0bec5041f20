//! The interface of all optimizers that make one step from one gradient.

use downhill_tensor::{Element, Gradients, Parameters, Tensor};

use crate::error::Error;
use crate::visit::each_parameter;

/// What changes the parameters of a model to make its loss smaller, given the loss' gradients.
///
/// ```
/// use downhill_optim::{Optimizer, Sgd};
/// use downhill_tensor::Tensor;
///
/// let mut x = Tensor::parameter(0.0_f64);
/// let mut optimizer = Sgd::new(0.1);
/// for _ in 0..100 {
///     let loss = (&x - 3.0).square();
///     let gradients = loss.backward();
///     optimizer.step(&mut x, &gradients)?;
/// }
/// assert!((x.item() - 3.0).abs() < 1e-8);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
pub trait Optimizer<E: Element> {
    /// Makes one step: changes each parameter of `model` that has a gradient. A parameter without
    /// one is left alone, and so is what has been remembered of it.
    ///
    /// # Errors
    ///
    /// If a hyper-parameter is outside its range, no parameter has a gradient, all that have one are
    /// frozen, or a number in a gradient, or kept from it, is not finite. Then no weight is changed.
    fn step(
        &mut self,
        model: &mut dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error>;

    /// The names of the parameters that no step has updated yet, but for those that are frozen:
    /// after an epoch they are most likely of no use to the loss, or cut off from it.
    ///
    /// ```
    /// use downhill_optim::{Optimizer, Sgd};
    /// use downhill_tensor::Tensor;
    ///
    /// let mut model = [Tensor::parameter(1.0_f64), Tensor::parameter(2.0)];
    /// let mut optimizer = Sgd::new(0.1);
    /// let gradients = model[0].square().backward();
    /// optimizer.step(&mut model, &gradients)?;
    /// assert_eq!(optimizer.never_updated(&model), ["1"]);
    /// # Ok::<(), downhill_optim::Error>(())
    /// ```
    fn never_updated(&self, model: &dyn Parameters<E>) -> Vec<String>;

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate for the steps to come, as a schedule does.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// What is remembered of each parameter of `model` that has been updated, by name: arrays such
    /// as `hidden.0.weight.velocity`, and under `hidden.0.weight.step` how often it has been, as two
    /// digits `[2]` with 2²⁴ for ten, exact in `f32`. Hyper-parameters are not state.
    ///
    /// # Errors
    ///
    /// [`Error::OtherModel`] if parameters have been updated, and none of them is one of `model`.
    fn state(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Tensor<E>)>, Error>;

    /// Takes back what [`state`](Self::state) returned, in any order, so that stepping goes on as
    /// it would have.
    ///
    /// ```
    /// use downhill_optim::{Adam, Optimizer};
    /// use downhill_tensor::Tensor;
    ///
    /// let mut x = Tensor::parameter([3.0, -1.0]);
    /// let mut optimizer = Adam::new(0.1);
    /// let gradients = x.square().sum().backward();
    /// optimizer.step(&mut x, &gradients)?;
    ///
    /// let state = optimizer.state(&x)?;
    /// let mut resumed = Adam::new(0.1);
    /// resumed.restore(&x, &state)?;
    ///
    /// let mut y = x.clone();
    /// optimizer.step(&mut x, &gradients)?;
    /// resumed.step(&mut y, &gradients)?;
    /// assert_eq!(x.to_vec(), y.to_vec());
    /// # Ok::<(), downhill_optim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::State`] if a part is missing, of another shape, not finite, or of no use: the
    /// state is that of another optimizer, of another model, or of other options. Nothing is
    /// changed then.
    fn restore(
        &mut self,
        model: &dyn Parameters<E>,
        state: &[(String, Tensor<E>)],
    ) -> Result<(), Error>;
}

/// The gradients that belong to no parameter of `model`: those of another model, or of fields that
/// its [`parameters!`](downhill_tensor::parameters) leaves out.
///
/// ```
/// use downhill_optim::unclaimed;
/// use downhill_tensor::Tensor;
///
/// let (weight, forgotten) = (Tensor::parameter([1.0_f32]), Tensor::parameter([2.0, 3.0]));
/// let gradients = (&weight * &forgotten).sum().backward();
/// let shapes: Vec<&[usize]> =
///     unclaimed(&weight, &gradients).into_iter().map(Tensor::shape).collect();
/// assert_eq!(shapes, [[2]]);
/// ```
pub fn unclaimed<'a, E: Element>(
    model: &(impl Parameters<E> + ?Sized),
    gradients: &'a Gradients<E>,
) -> Vec<&'a Tensor<E>> {
    let mut unclaimed: Vec<&Tensor<E>> = gradients.iter().collect();
    each_parameter(model, |_, _, parameter| {
        if let Some(claimed) = gradients.get(parameter) {
            unclaimed.retain(|gradient| !std::ptr::eq(*gradient, claimed));
        }
    });
    unclaimed
}
