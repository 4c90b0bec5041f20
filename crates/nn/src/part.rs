//! What layers must know when a batch is computed in parts.
//!
//! Most layers treat each sample for itself, so that a part of a batch is as good as the whole. Two
//! do not: [`BatchNorm`](crate::BatchNorm) normalises by the mean and variance of the whole batch,
//! and [`Dropout`](crate::Dropout) draws, which must not depend on how the batch was cut. Within
//! [`in_part`] both do what they would do with the whole batch.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use downhill_tensor::{Element, Tensor, operation};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// The other parts of a batch, wherever they are computed.
pub trait Peers {
    /// The sum over all parts of the batch of what each gives, value by value. All parts give
    /// equally many, and ask for the same sums in the same order.
    fn sum(&self, values: Vec<f64>) -> Vec<f64>;
}

/// A part of a batch.
pub struct Part {
    /// The place of its first sample in the batch.
    pub first: usize,
    /// The number of its samples.
    pub samples: usize,
    /// What the generators of all samples are made from, the same for all parts of the batch.
    pub seed: u64,
    /// The other parts.
    pub peers: Box<dyn Peers>,
}

struct Current {
    part: Part,
    /// How often generators have been made.
    draws: Cell<u64>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Current>>> = const { RefCell::new(None) };
}

fn current() -> Option<Rc<Current>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs `compute`, a forward pass and its backward pass, as those of a part of a batch.
///
/// ```
/// use downhill_nn::{BatchNorm, Module, Part, Peers, in_part};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// /// Another part of the same values.
/// struct Twin;
/// impl Peers for Twin {
///     fn sum(&self, values: Vec<f64>) -> Vec<f64> {
///         values.into_iter().map(|value| 2.0 * value).collect()
///     }
/// }
///
/// let part = Part { first: 0, samples: 2, seed: 7, peers: Box::new(Twin) };
/// let mut norm = BatchNorm::new(1).epsilon(0.0);
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let y = in_part(part, || norm.forward_training(&Tensor::from([[3.0], [7.0]]), &mut rng));
/// assert_eq!(y.to_vec(), [-1.0, 1.0]);
/// ```
pub fn in_part<R>(part: Part, compute: impl FnOnce() -> R) -> R {
    /// Also after a panic.
    struct Restore(Option<Rc<Current>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            // Replaced first: to drop peers may ask what is current.
            drop(CURRENT.replace(self.0.take()));
        }
    }
    let entered = Rc::new(Current { part, draws: Cell::new(0) });
    let _restore = Restore(CURRENT.replace(Some(entered)));
    compute()
}

/// Whether a batch is computed in parts.
pub(crate) fn is_part() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// The sum of x over all parts of the batch, in `f64` and then rounded. Every part's result depends
/// on every part's x; so the gradient of x is the sum of the parts' gradients.
///
/// # Panics
///
/// Outside of [`in_part`], where a graph of a part must be differentiated, too.
pub(crate) fn sum_over_parts<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    let current = current().expect(
        "the graph of a part of a batch is differentiated where it was computed, within in_part",
    );
    let values = x.values().iter().map(|value| value.as_f64()).collect();
    let sums = current.part.peers.sum(values).into_iter().map(E::from_f64).collect();
    let sums = Tensor::from_shape_vec(x.shape(), sums).expect("a sum for each value");
    operation::unary("sum over parts", x, sums.array().to_owned(), |gradient, _, _| {
        sum_over_parts(&gradient)
    })
}

/// A generator for each of `rows`, if they are those of a part of a batch: a function of the sample
/// and of how often generators have been asked for, whatever the part. Samples may have several
/// rows each.
pub(crate) fn generators(rows: usize) -> Option<impl Iterator<Item = Xoshiro256PlusPlus>> {
    let current = current()?;
    let Part { first, samples, seed, .. } = current.part;
    if samples == 0 || !rows.is_multiple_of(samples) {
        return None;
    }
    let draw = current.draws.replace(current.draws.get() + 1);
    let first = first as u64 * (rows / samples) as u64;
    let seed = seed.wrapping_add(draw << 40).wrapping_add(first);
    Some((0..rows as u64).map(move |row| Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(row))))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A part that meets one other, which runs in another thread.
    pub(crate) struct Meeting {
        to: Sender<Vec<f64>>,
        from: Receiver<Vec<f64>>,
    }

    impl Meeting {
        pub(crate) fn pair() -> [Self; 2] {
            let ((to_first, of_first), (to_second, of_second)) = (channel(), channel());
            [Self { to: to_second, from: of_first }, Self { to: to_first, from: of_second }]
        }
    }

    impl Peers for Meeting {
        fn sum(&self, values: Vec<f64>) -> Vec<f64> {
            self.to.send(values.clone()).unwrap();
            let others = self.from.recv().unwrap();
            values.iter().zip(others).map(|(a, b)| a + b).collect()
        }
    }

    /// What `compute` makes of each of two parts, the first of `samples.0` samples.
    pub(crate) fn in_two_parts<R: Send>(
        samples: [usize; 2],
        compute: impl Fn(usize) -> R + Sync,
    ) -> [R; 2] {
        let [first, second] = Meeting::pair();
        let run = |index: usize, meeting: Meeting| {
            let first = if index == 0 { 0 } else { samples[0] };
            let peers = Box::new(meeting);
            in_part(Part { first, samples: samples[index], seed: 5, peers }, || compute(index))
        };
        std::thread::scope(|scope| {
            let second = scope.spawn(|| run(1, second));
            [run(0, first), second.join().unwrap()]
        })
    }

    #[test]
    fn a_part_ends_with_its_computation() {
        assert!(!is_part());
        let part = |peers| Part { first: 0, samples: 1, seed: 0, peers };
        assert!(in_part(part(Box::new(Meeting::pair().into_iter().next().unwrap())), is_part));
        assert!(!is_part() && generators(1).is_none());
    }

    #[test]
    fn sums_over_parts_have_gradients_of_both_orders() {
        let [first, _] = in_two_parts([1, 1], |index| {
            let x = Tensor::parameter([1.0 + index as f64, 3.0]);
            // L = Σ over parts of (Σ x₀)² · x₁, which each part computes of its own x₁.
            let sum = sum_over_parts(&x.slice(0, ..1));
            let loss = (sum.square() * x.slice(0, 1..)).sum();
            let gradient = &downhill_tensor::grad(&loss, &[&x])[0];
            let second = downhill_tensor::grad(&gradient.slice(0, ..1).sum(), &[&x]);
            (loss.item(), gradient.to_vec(), second[0].to_vec())
        });
        // Σ x₀ = 3; ∂L/∂x₀ = 2 · 3 · (3 + 3), and what each part adds to it comes back twice.
        assert_eq!(first, (27.0, vec![36.0, 9.0], vec![24.0, 12.0]));
    }
}
