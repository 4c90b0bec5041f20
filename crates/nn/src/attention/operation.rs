//! The attention of all heads as one operation.

use downhill_tensor::kernels::buffer;
use downhill_tensor::{Element, Tensor};
use ndarray::{Array2, ArrayD};

use super::blocks::{Block, Blocks, Matrix, blocks, product};
use crate::fused::{self, Fused};
use crate::lanes::{self, LANES};
use crate::parallel::{each_chunk, each_pair_of_chunks};

/// Fewer values than this are not worth waking another thread for.
const WORTH_THREADS: usize = 1 << 12;

/// Queries, keys and values `[N, T, 3 · width]` to what each place finds, `[N, T, width]`.
pub(super) fn causal_attention<E: Element>(x: &Tensor<E>, heads: usize) -> Tensor<E> {
    let &[sequences, places, triple] = x.shape() else {
        unreachable!("the layer has checked the shape")
    };
    let plan = Plan { sequences, places, heads, width: triple / 3 };
    let xs = x.values();
    let mut weights = vec![[E::zero(); LANES]; sequences * heads * plan.weights_len()];
    let mut out = buffer(sequences * places * plan.width);
    each_pair_of_chunks(
        (&mut out, places * plan.width),
        (&mut weights, heads * plan.weights_len()),
        plan.is_worth_threads(),
        |sequence, out, weights| plan.attend(plan.of(&xs, 3, sequence), out, weights),
    );
    let value = ArrayD::from_shape_vec(&[sequences, places, plan.width][..], out)
        .expect("one value for each place and each of the width");
    fused::record(&[x], value, || Attention { plan, weights })
}

const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;

#[derive(Debug, Clone, Copy)]
struct Plan {
    sequences: usize,
    places: usize,
    heads: usize,
    width: usize,
}

struct Attention<E> {
    plan: Plan,
    /// How much each place takes from each, `[N, heads, T, T]` with rows of whole blocks.
    weights: Vec<Block<E>>,
}

impl<E: Element> Fused<E> for Attention<E> {
    const NAME: &'static str = "causal_attention";

    fn compose(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let Plan { sequences, places, heads, width } = self.plan;
        let parts = inputs[0]
            .reshape(&[sequences, places, 3, heads, width / heads])
            .permute(&[2, 0, 3, 1, 4]);
        let part = |index| parts.slice(0, index..index + 1).squeeze(0);
        let future = Array2::from_shape_fn((places, places), |(place, seen)| {
            if seen > place { E::neg_infinity() } else { E::zero() }
        });
        let scores = part(QUERY).matmul(&part(KEY).transpose()) * self.plan.scale::<E>();
        let weights = (scores + Tensor::<E>::from(future)).softmax(-1);
        let found = weights.matmul(&part(VALUE));
        found.permute(&[0, 2, 1, 3]).reshape(&[sequences, places, width])
    }

    fn vjp(&self, _index: usize, gradient: Tensor<E>, inputs: &[Tensor<E>]) -> Tensor<E> {
        let plan = self.plan;
        let (xs, gradients) = (inputs[0].values(), gradient.values());
        let mut out = buffer(xs.len());
        each_chunk(
            &mut out,
            plan.places * 3 * plan.width,
            plan.is_worth_threads(),
            |sequence, out| {
                let (x, gradient) = (plan.of(&xs, 3, sequence), plan.of(&gradients, 1, sequence));
                let weights = &self.weights[sequence * plan.heads * plan.weights_len()..];
                plan.attend_backwards(x, gradient, weights, out);
            },
        );
        ArrayD::from_shape_vec(inputs[0].shape(), out).expect("one for each input").into()
    }
}

/// What is done for one sequence: `x` are its queries, keys and values, `[T, 3 · width]`.
impl Plan {
    /// Writes the weights of each head, the softmax of the scores of the places up to each place
    /// and 0 for those after it; and the means of the values that are weighted so.
    fn attend<E: Element>(&self, x: &[E], out: &mut [E], weights: &mut [Block<E>]) {
        let mut keys = Blocks::zeros([self.size(), self.places]);
        let mut values = Blocks::zeros([self.places, self.size()]);
        let mut found = Blocks::zeros([self.places, self.size()]);
        for (head, weights) in weights.chunks_exact_mut(self.weights_len()).enumerate() {
            keys.assign(self.part(x, 3, KEY, head).t());
            product(weights, self.part(x, 3, QUERY, head), &keys);
            self.softmax(weights);
            values.assign(self.part(x, 3, VALUE, head));
            found.assign_product(self.weights_of(weights), &values);
            found.copy_to(&mut out[head * self.size()..], self.width);
        }
    }

    /// Writes the gradients of queries, keys and values.
    fn attend_backwards<E: Element>(
        &self,
        x: &[E],
        gradient: &[E],
        weights: &[Block<E>],
        out: &mut [E],
    ) {
        let mut values = Blocks::zeros([self.size(), self.places]);
        let mut scores = vec![[E::zero(); LANES]; self.weights_len()];
        let mut right = Blocks::zeros([self.places, self.size()]);
        let mut found = Blocks::zeros([self.places, self.size()]);
        for head in 0..self.heads {
            let weights = &weights[head * self.weights_len()..][..self.weights_len()];
            let gradient = self.part(gradient, 1, 0, head);
            values.assign(self.part(x, 3, VALUE, head).t());
            product(&mut scores, gradient, &values);
            self.through_softmax(&mut scores, weights);
            let scores = self.weights_of(&scores);
            for (part, left, matrix) in [
                (QUERY, scores, self.part(x, 3, KEY, head)),
                (KEY, scores.t(), self.part(x, 3, QUERY, head)),
                (VALUE, self.weights_of(weights).t(), gradient),
            ] {
                right.assign(matrix);
                found.assign_product(left, &right);
                found.copy_to(&mut out[part * self.width + head * self.size()..], 3 * self.width);
            }
        }
    }

    /// From scores to weights.
    fn softmax<E: Element>(&self, scores: &mut [Block<E>]) {
        let scale: E = self.scale();
        for (place, row) in scores.chunks_exact_mut(blocks(self.places)).enumerate() {
            let (seen, future) = row.as_flattened_mut().split_at_mut((place / LANES + 1) * LANES);
            future.fill(E::zero());
            seen[place + 1..].fill(E::neg_infinity());
            let max = lanes::maximum(seen);
            lanes::map(
                seen,
                #[inline(always)]
                |score| ((score - max) * scale).exponential(),
            );
            let share = lanes::sum(seen, seen, |weight, _| weight).recip();
            lanes::map(seen, |weight| weight * share);
        }
    }

    /// From the gradient of the weights w to that of the scores before they were scaled:
    /// w (g − Σ w g) · scale.
    fn through_softmax<E: Element>(&self, gradients: &mut [Block<E>], weights: &[Block<E>]) {
        let (scale, blocks): (E, _) = (self.scale(), blocks(self.places));
        for (gradients, weights) in
            gradients.chunks_exact_mut(blocks).zip(weights.chunks_exact(blocks))
        {
            let (gradients, weights) = (gradients.as_flattened_mut(), weights.as_flattened());
            let mean = lanes::sum(gradients, weights, |gradient, weight| gradient * weight);
            lanes::zip(gradients, weights, |gradient, weight| (gradient - mean) * weight * scale);
        }
    }

    fn scale<E: Element>(&self) -> E {
        E::from_usize(self.size()).sqrt().recip()
    }

    /// The length of a head's vectors.
    fn size(&self) -> usize {
        self.width / self.heads
    }

    /// The number of blocks that the weights of a head fill.
    fn weights_len(&self) -> usize {
        self.places * blocks(self.places)
    }

    fn is_worth_threads(&self) -> bool {
        self.sequences * self.places * self.width >= WORTH_THREADS
    }

    /// What belongs to a sequence, of several `[N, T, parts · width]`.
    fn of<'a, E>(&self, values: &'a [E], parts: usize, sequence: usize) -> &'a [E] {
        let len = self.places * parts * self.width;
        &values[sequence * len..][..len]
    }

    /// What belongs to a head in one of several parts, `[T, width / heads]`.
    fn part<'a, E: Element>(
        &self,
        x: &'a [E],
        parts: usize,
        part: usize,
        head: usize,
    ) -> Matrix<'a, E> {
        let start = part * self.width + head * self.size();
        Matrix::new(&x[start..], [self.places, self.size()], parts * self.width)
    }

    /// The weights of a head as a matrix, `[T, T]`.
    fn weights_of<'a, E: Element>(&self, weights: &'a [Block<E>]) -> Matrix<'a, E> {
        let pitch = blocks(self.places) * LANES;
        Matrix::new(weights.as_flattened(), [self.places; 2], pitch)
    }
}
