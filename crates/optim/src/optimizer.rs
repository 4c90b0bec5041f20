//! The interface of all optimizers that make one step from one gradient.

use downhill_tensor::{Element, Gradients, Parameters, Tensor};

use crate::error::Error;

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
    /// If a hyper-parameter is outside its range or a gradient holds NaN or an infinity. Then no
    /// weight has been changed.
    fn step(
        &mut self,
        model: &mut dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error>;

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate for the steps to come, as a schedule does.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// What the optimizer has remembered of each parameter of `model`, by name: arrays such as
    /// `hidden.0.weight.velocity`, and under `hidden.0.weight.step` how often the parameter has
    /// been updated. A parameter that has not been is left out. Hyper-parameters are not state.
    fn state(&self, model: &dyn Parameters<E>) -> Vec<(String, Tensor<E>)>;

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
    /// let state = optimizer.state(&x);
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
