//! From images to vectors.

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor};

use crate::description::Description;
use crate::error::Error;
use crate::module::same_in_training;

/// Makes each example of a batch one vector: input `[N, …]`, output `[N, D]` with D the product
/// of the other axes.
///
/// ```
/// use downhill_nn::Flatten;
/// use downhill_tensor::Tensor;
///
/// let x: Tensor = Tensor::zeros(&[5, 32, 4, 4]);
/// assert_eq!(Flatten.forward(&x).shape(), [5, 512]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flatten;

impl Flatten {
    /// The vectors.
    ///
    /// # Panics
    ///
    /// If x has no axis.
    #[track_caller]
    pub fn forward<E: Element>(&self, x: &Tensor<E>) -> Tensor<E> {
        let Some((&examples, rest)) = x.shape().split_first() else {
            panic!("Flatten: a tensor of shape [] holds no examples");
        };
        x.reshape(&[examples, rest.iter().product()])
    }
}
impl Flatten {
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        Ok(export.node("Flatten", &[&x], vec![("axis", Attribute::Integer(1))]))
    }
}

same_in_training!(Flatten, |_: &Flatten| Description::new("Flatten"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_apart_and_in_order() {
        let x = Tensor::from((0..12).map(f64::from).collect::<Vec<_>>()).reshape(&[2, 3, 1, 2]);
        let y = Flatten.forward(&x);
        assert_eq!(y.shape(), [2, 6]);
        assert_eq!(y.to_vec(), x.to_vec());
        assert_eq!(Flatten.forward(&Tensor::<f64>::zeros(&[0, 3, 2])).shape(), [0, 6]);
        assert_eq!(Flatten.forward(&Tensor::<f64>::zeros(&[4])).shape(), [4, 1]);
    }
}
