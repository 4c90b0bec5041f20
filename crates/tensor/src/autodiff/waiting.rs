//! The queue of gradients that are still growing.

use std::collections::btree_map::{BTreeMap, Entry};

use crate::tensor::Tensor;
use downhill_kernels::Element;

/// The tensors reached so far, by age, each with the sum of the gradients that have reached it.
///
/// A `BTreeMap` alone would do, but with it a step of `mlp/digits/sgd` takes 1.8 % more instructions,
/// and one of `mlp/moons/sgd` 2.4 %.
pub(super) struct Waiting<'a, E: Element> {
    /// The youngest last. Most graphs never have more waiting at a time than are quickly searched and
    /// moved.
    few: Vec<(&'a Tensor<E>, Tensor<E>)>,
    /// All of them, once they have become too many.
    many: BTreeMap<u64, (&'a Tensor<E>, Tensor<E>)>,
}

impl<'a, E: Element> Waiting<'a, E> {
    /// The largest number of tensors in `few`.
    const FEW: usize = 16;

    pub(super) fn new() -> Self {
        Self { few: Vec::with_capacity(Self::FEW), many: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, tensor: &'a Tensor<E>, gradient: Tensor<E>) {
        if self.many.is_empty() {
            let older = self.few.iter().rposition(|(other, _)| other.id() <= tensor.id());
            match older {
                Some(index) if self.few[index].0.id() == tensor.id() => {
                    return self.few[index].1 += gradient;
                }
                _ if self.few.len() < Self::FEW => {
                    let index = older.map_or(0, |index| index + 1);
                    return self.few.insert(index, (tensor, gradient));
                }
                _ => self.many.extend(self.few.drain(..).map(|entry| (entry.0.id(), entry))),
            }
        }
        match self.many.entry(tensor.id()) {
            Entry::Occupied(mut entry) => entry.get_mut().1 += gradient,
            Entry::Vacant(entry) => {
                entry.insert((tensor, gradient));
            }
        }
    }

    /// The youngest, whose gradient is complete.
    pub(super) fn take(&mut self) -> Option<(&'a Tensor<E>, Tensor<E>)> {
        self.few.pop().or_else(|| self.many.pop_last().map(|(_, entry)| entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_leave_from_the_youngest_to_the_oldest_however_many_there_are() {
        const FEW: usize = Waiting::<f64>::FEW;
        for count in [1, FEW - 1, FEW, FEW + 1, 10 * FEW] {
            let tensors: Vec<_> = (0..count).map(|i| Tensor::parameter(i as f64)).collect();
            let mut waiting = Waiting::new();
            // Out of order the first time, and from the oldest to the youngest the second.
            let mut scattered: Vec<usize> = (0..count).collect();
            scattered.sort_by_key(|i| i * 7 % 31);
            for i in scattered.into_iter().chain(0..count) {
                waiting.add(&tensors[i], Tensor::scalar(i as f64));
            }
            for i in (0..count).rev() {
                let (tensor, gradient) = waiting.take().expect("as many as were added");
                assert_eq!((tensor.id(), gradient.item()), (tensors[i].id(), 2.0 * i as f64));
            }
            assert!(waiting.take().is_none());
        }
    }
}
