//! What layers have in common.

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Parameters, Tensor};
use rand::Rng;

use crate::description::Description;
use crate::error::Error;

/// A layer or model from one tensor to one tensor, which can be put into a
/// [`Sequential`](crate::Sequential).
///
/// Training and evaluation are two methods, not a switch that can be forgotten: dropping values
/// at random and normalising by the batch are things that
/// [`forward_training`](Self::forward_training) does and [`evaluate`](Self::evaluate) does not,
/// and only `forward_training` can change the layer's running statistics. A layer for which the
/// two are the same, a [`SameInTraining`], has a plain `forward`; one for which they differ, or a
/// container that may hold one, has none.
///
/// ```
/// use downhill_nn::{Dropout, Linear, Module};
/// use downhill_tensor::{Tensor, parameters};
/// use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// /// A linear map of noisy inputs.
/// struct Robust {
///     dropout: Dropout,
///     linear: Linear,
/// }
/// parameters!(Robust { linear, dropout: _ });
///
/// impl Module<f32> for Robust {
///     fn forward_training(&mut self, x: &Tensor, rng: &mut dyn Rng) -> Tensor {
///         self.linear.forward(&self.dropout.forward_training(x, rng))
///     }
///
///     fn evaluate(&self, x: &Tensor) -> Tensor {
///         self.linear.forward(x)
///     }
/// }
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let model = Robust { dropout: Dropout::new(0.5)?, linear: Linear::new(2, 1, &mut rng) };
/// assert_eq!(model.evaluate(&Tensor::ones(&[3, 2])).shape(), [3, 1]);
/// assert_eq!(model.describe().to_string(), "Robust  3  linear.weight [2, 1], linear.bias [1]");
/// # Ok::<(), downhill_nn::Error>(())
/// ```
///
/// # Panics
///
/// A layer that is given a shape that it does not take panics at the line of its caller, also through a
/// `Box<dyn Module>`. A [`Sequential`](crate::Sequential) panics twice: as the layer does, at a line of
/// its own, and then at the line of its caller, with the layer's place.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no module",
    note = "a module names its tensors with `downhill_tensor::parameters!` and implements \
            `downhill_nn::Module`: `forward_training` and `evaluate`"
)]
pub trait Module<E: Element = f32>: Parameters<E> + Send + Sync {
    /// The output while training: random where the layer is, and updating running statistics
    /// where it has some.
    #[track_caller]
    fn forward_training(&mut self, x: &Tensor<E>, rng: &mut dyn Rng) -> Tensor<E>;

    /// The output in use: a function of the input alone.
    #[track_caller]
    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E>;

    /// The output of a layer that computes the same in training and in use.
    #[track_caller]
    fn forward(&self, x: &Tensor<E>) -> Tensor<E>
    where
        Self: Sized + SameInTraining,
    {
        self.evaluate(x)
    }

    /// Writes down what [`evaluate`](Self::evaluate) computes of the value `x`, and returns the name
    /// of the result.
    ///
    /// # Errors
    ///
    /// [`Error::NoCounterpart`] unless the layer says how.
    fn export(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let _ = x;
        Err(Error::NoCounterpart { part: export.part(), layer: type_name::<Self>().to_owned() })
    }

    /// What is printed of the layer: by default the name of its type and its tensors.
    fn describe(&self) -> Description {
        Description::new(type_name::<Self>()).tensors(self)
    }
}

/// The name of a type without its path and its parameters.
fn type_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// A module that computes the same in training and in use, so that it needs no more than a plain
/// [`forward`](Module::forward).
///
/// Neither [`Dropout`](crate::Dropout), [`BatchNorm`](crate::BatchNorm) nor a
/// [`Sequential`](crate::Sequential), which may hold them, is one:
///
/// ```compile_fail,E0277
/// use downhill_nn::{Dropout, Module};
/// use downhill_tensor::Tensor;
///
/// let dropout = Dropout::new(0.5)?;
/// // error: `Dropout` does not compute the same in training and in use
/// dropout.forward(&Tensor::<f32>::ones(&[3]));
/// # Ok::<(), downhill_nn::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not compute the same in training and in use",
    label = "is this training, or use?",
    note = "in the training loop call `forward_training(&x, &mut rng)`, elsewhere `evaluate(&x)`"
)]
pub trait SameInTraining {}

impl<E: Element, M: Module<E> + ?Sized> Module<E> for Box<M> {
    fn forward_training(&mut self, x: &Tensor<E>, rng: &mut dyn Rng) -> Tensor<E> {
        self.as_mut().forward_training(x, rng)
    }

    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        self.as_ref().evaluate(x)
    }

    fn export(&self, x: String, export: &mut Export) -> Result<String, Error> {
        self.as_ref().export(x, export)
    }

    fn describe(&self) -> Description {
        self.as_ref().describe()
    }
}

/// Makes a [`Module`] that is [`SameInTraining`] of a layer that has a `forward`, and prints it by
/// its description. The first form is for layers that hold tensors, the second for those that hold
/// none and work on any element.
macro_rules! same_in_training {
    ($layer:ident<E>, $describe:expr) => {
        crate::module::same_in_training!(@module $layer<E>, $describe);
        impl<E: Element> crate::module::SameInTraining for $layer<E> {}

        impl<E: Element> std::fmt::Display for $layer<E> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::module::Module::describe(self).fmt(f)
            }
        }
    };
    ($layer:ident, $describe:expr) => {
        crate::module::no_tensors!($layer);
        crate::module::same_in_training!(@module $layer, $describe);
        impl crate::module::SameInTraining for $layer {}
    };
    (@module $layer:ty, $describe:expr) => {
        impl<E: Element> crate::module::Module<E> for $layer {
            #[inline(never)]
            fn forward_training(&mut self, x: &Tensor<E>, _rng: &mut dyn rand::Rng) -> Tensor<E> {
                self.forward(x)
            }

            #[inline(never)]
            fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
                self.forward(x)
            }

            #[inline(never)]
            fn export(
                &self,
                x: String,
                export: &mut downhill_tensor::export::Export,
            ) -> Result<String, crate::error::Error> {
                self.write_to(x, export)
            }

            #[inline(never)]
            fn describe(&self) -> crate::description::Description {
                $describe(self)
            }
        }
    };
}
pub(crate) use same_in_training;

/// Visits nothing, for a layer that holds no tensors and works on any element.
macro_rules! no_tensors {
    ($layer:ident) => {
        impl<E: Element> downhill_tensor::Parameters<E> for $layer {
            fn visit(
                &self,
                _path: downhill_tensor::Path<'_>,
                _visitor: &mut dyn FnMut(downhill_tensor::Path<'_>, &Tensor<E>),
            ) {
            }

            fn visit_mut(
                &mut self,
                _path: downhill_tensor::Path<'_>,
                _visitor: &mut dyn FnMut(downhill_tensor::Path<'_>, &mut Tensor<E>),
            ) {
            }
        }
    };
}
pub(crate) use no_tensors;
