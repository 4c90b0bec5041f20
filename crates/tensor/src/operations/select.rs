//! Choosing between tensors by a mask.

use std::sync::Arc;

use ndarray::{ArrayD, Zip};

use super::broadcast::expect_broadcast;
use crate::export::{Numbers, written};
use crate::operation;
use crate::tensor::Tensor;
use downhill_kernels::Element;

impl<E: Element> Tensor<E> {
    /// Where each value satisfies `predicate`. Not differentiable.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let mask = Tensor::from([-1.0, 2.0]).mask(|x| x > 0.0);
    /// assert_eq!(mask, ndarray::array![false, true].into_dyn());
    /// ```
    pub fn mask(&self, predicate: impl Fn(E) -> bool) -> ArrayD<bool> {
        self.array().mapv(predicate)
    }

    /// x where `mask` holds and y where it does not, with broadcasting: NumPy's `where`.
    ///
    /// The one that is not chosen gets a gradient of exactly 0 at that place, and by the rule of
    /// [`times`](Self::times) that stays 0 through every function of single values, at any order
    /// and whatever it holds there, as the root of −1 below. It stays 0 through sums, reductions
    /// and changes of shape, too; only a product of matrices mixes values, so that one which is
    /// not finite must be kept out of it by [`masked_fill`](Self::masked_fill) beforehand.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::parameter([-1.0, 4.0]);
    /// let root = Tensor::select(&x.mask(|x| x > 0.0), &x.sqrt(), &Tensor::scalar(0.0));
    /// assert_eq!(root.to_vec(), [0.0, 2.0]);
    /// assert_eq!(root.sum().backward().get(&x).unwrap().to_vec(), [0.0, 0.25]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn select(mask: &ArrayD<bool>, x: &Self, y: &Self) -> Self {
        let shape = expect_broadcast::<E>("select", x.shape(), y.shape());
        let shape = expect_broadcast::<E>("select", mask.shape(), &shape);
        let mut value =
            y.array().broadcast(&shape[..]).expect("the shape was just checked").to_owned();
        let chosen = mask.broadcast(&shape[..]).expect("the shape was just checked");
        let xs = x.array();
        let xs = xs.broadcast(&shape[..]).expect("the shape was just checked");
        Zip::from(&mut value).and(chosen).and(xs).for_each(|out, &chosen, &x| {
            if chosen {
                *out = x;
            }
        });
        let for_x = Arc::new(mask.clone());
        let [for_y, chosen] = [&for_x; 2].map(Arc::clone);
        operation::binary(
            written("select", move |x, _, export| {
                let mask = Numbers::Bool(chosen.iter().copied().collect());
                let mask = export.fixed("mask", chosen.shape(), mask);
                export.node("Where", &[&mask, x[0], x[1]], vec![])
            }),
            [x, y],
            value,
            move |gradient, _, _, _| Self::select(&for_x, &gradient, &Self::scalar(E::zero())),
            move |gradient, _, _, _| Self::select(&for_y, &Self::scalar(E::zero()), &gradient),
        )
    }

    /// `value` where `mask` holds and x elsewhere, with broadcasting. What is replaced gets no
    /// gradient.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let scores = Tensor::from([1.0, 2.0]);
    /// let future = ndarray::array![false, true].into_dyn();
    /// assert_eq!(scores.masked_fill(&future, f32::NEG_INFINITY).softmax(-1).to_vec(), [1.0, 0.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn masked_fill(&self, mask: &ArrayD<bool>, value: E) -> Self {
        let shape = expect_broadcast::<E>("masked_fill", mask.shape(), self.shape());
        match mask.iter().any(|&masked| masked) {
            true => Self::select(mask, &Self::scalar(value), self),
            false => self.broadcast_to(&shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broadcastable, check, random, rng, shapes};

    #[test]
    fn derivatives_agree_with_differences_over_shapes_that_broadcast() {
        let rng = &mut rng(16);
        for shape in shapes(8, rng) {
            let mask = random(&broadcastable(&shape, rng), -1.0, 1.0, rng).mask(|x| x > 0.0);
            let x = random(&broadcastable(&shape, rng), -2.0, 2.0, rng);
            let y = random(&shape, -2.0, 2.0, rng);
            check(&|x| Tensor::select(&mask, &x[0].square(), &x[1].sin()), &[x, y]);
        }
    }

    #[test]
    fn filled_places_get_no_gradient_and_the_mask_broadcasts() {
        let x = Tensor::parameter([1.0, 2.0]);
        let mask = ndarray::array![[false, true], [false, false]].into_dyn();
        let filled = x.masked_fill(&mask, 9.0);
        assert_eq!(filled.to_vec(), [1.0, 9.0, 1.0, 2.0]);
        assert_eq!(filled.sum().backward().get(&x).unwrap().to_vec(), [2.0, 1.0]);
        let none = ndarray::array![[false], [false]].into_dyn();
        assert_eq!(x.masked_fill(&none, 9.0).shape(), [2, 2]);
    }

    #[test]
    fn what_is_not_chosen_gets_no_gradient_whatever_it_holds() {
        let y = Tensor::parameter([f32::INFINITY, f32::NAN, 2.0]);
        let mask = y.mask(|y| y != 2.0);
        let chosen = Tensor::select(&mask, &Tensor::scalar(1.0), &y);
        assert_eq!(chosen.to_vec(), [1.0, 1.0, 2.0]);
        assert_eq!(chosen.sum().backward().get(&y).unwrap().to_vec(), [0.0, 0.0, 1.0]);
    }
}
