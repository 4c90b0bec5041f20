//! The attention of all heads as one operation.

use downhill_tensor::kernels::{buffer, matmul, matmul_onto, vectorize};
use downhill_tensor::{Element, Tensor};
use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewMut2, Axis, Slice};

use crate::fused::{self, Fused};
use crate::lanes::{self, LANES};
use crate::parallel::each_chunk;

/// Fewer values than this are not worth waking another thread for.
const WORTH_THREADS: usize = 1 << 12;

/// Queries, keys and values `[N, T, 3 · width]` to what each place finds, `[N, T, width]`.
pub(super) fn causal_attention<E: Element>(x: &Tensor<E>, heads: usize) -> Tensor<E> {
    let &[sequences, places, triple] = x.shape() else {
        unreachable!("the layer has checked the shape")
    };
    let plan = Plan { sequences, places, heads, width: triple / 3 };
    let xs = x.values();
    let mut weights = vec![E::zero(); sequences * heads * places * plan.padded()];
    plan.each_sequence(&mut weights, |sequence, weights| {
        plan.weigh(plan.of(&xs, 3, sequence), weights);
    });
    let mut out = buffer(sequences * places * plan.width);
    plan.each_sequence(&mut out, |sequence, out| {
        let mut out = plan.matrix_mut(out, 1);
        for head in 0..heads {
            let values = plan.part(plan.of(&xs, 3, sequence), VALUE, head);
            let found = matmul(plan.weights_of(&weights, sequence, head), values);
            out.slice_axis_mut(Axis(1), plan.columns(0, head)).assign(&found);
        }
    });
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
    /// How much each place takes from each, `[N, heads, T, T]` with its rows [padded](Plan::padded).
    weights: Vec<E>,
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
        plan.each_sequence(&mut out, |sequence, out| {
            let mut out = plan.matrix_mut(out, 3);
            for head in 0..plan.heads {
                let part = |part| plan.part(plan.of(&xs, 3, sequence), part, head);
                let gradient = plan.part(plan.of(&gradients, 1, sequence), 0, head);
                let weights = plan.weights_of(&self.weights, sequence, head);
                let mut scores = matmul(gradient, part(VALUE).t());
                plan.through_softmax(&mut scores, weights);
                for (index, product) in [
                    (QUERY, matmul(scores.view(), part(KEY))),
                    (KEY, matmul(scores.t(), part(QUERY))),
                    (VALUE, matmul(weights.t(), gradient)),
                ] {
                    out.slice_axis_mut(Axis(1), plan.columns(index, head)).assign(&product);
                }
            }
        });
        ArrayD::from_shape_vec(inputs[0].shape(), out).expect("one for each input").into()
    }
}

impl Plan {
    fn scale<E: Element>(&self) -> E {
        E::from_usize(self.width / self.heads).sqrt().recip()
    }

    /// Calls `f(sequence, out)` with the part of `out` that belongs to each sequence.
    fn each_sequence<E: Element>(&self, out: &mut [E], f: impl Fn(usize, &mut [E]) + Sync) {
        let worth_threads = out.len() >= WORTH_THREADS;
        each_chunk(out, out.len() / self.sequences.max(1), worth_threads, f);
    }

    /// The matrix of one sequence, of several `[N, T, parts · width]`.
    fn of<'a, E>(&self, values: &'a [E], parts: usize, sequence: usize) -> ArrayView2<'a, E> {
        let shape = (self.places, parts * self.width);
        let len = shape.0 * shape.1;
        ArrayView2::from_shape(shape, &values[sequence * len..][..len])
            .expect("the slice has the shape's length")
    }

    fn matrix_mut<'a, E>(&self, values: &'a mut [E], parts: usize) -> ArrayViewMut2<'a, E> {
        ArrayViewMut2::from_shape((self.places, parts * self.width), values)
            .expect("the slice has the shape's length")
    }

    /// The columns that belong to one head, in one of several parts.
    fn columns(&self, part: usize, head: usize) -> Slice {
        let len = self.width / self.heads;
        let start = part * self.width + head * len;
        Slice::from(start..start + len)
    }

    fn part<'a, E>(&self, x: ArrayView2<'a, E>, part: usize, head: usize) -> ArrayView2<'a, E> {
        x.slice_axis_move(Axis(1), self.columns(part, head))
    }

    /// The number of places, rounded up so that a row of weights fills the processor's vector
    /// registers.
    fn padded(&self) -> usize {
        self.places.next_multiple_of(LANES)
    }

    fn weights_of<'a, E>(
        &self,
        weights: &'a [E],
        sequence: usize,
        head: usize,
    ) -> ArrayView2<'a, E> {
        let shape = (self.places, self.padded());
        let len = shape.0 * shape.1;
        ArrayView2::from_shape(shape, &weights[(sequence * self.heads + head) * len..][..len])
            .expect("the slice has the shape's length")
            .slice_axis_move(Axis(1), Slice::from(..self.places))
    }

    /// The weights of each head, in place of zeros: the softmax of the scores of the places up to
    /// each place, and 0 for those after it.
    fn weigh<E: Element>(&self, x: ArrayView2<'_, E>, weights: &mut [E]) {
        let (scale, padded): (E, _) = (self.scale(), self.padded());
        let mut keys = Array2::zeros((self.width / self.heads, padded));
        for (head, weights) in weights.chunks_exact_mut((self.places * padded).max(1)).enumerate() {
            let places = Slice::from(..self.places);
            keys.slice_axis_mut(Axis(1), places).assign(&self.part(x, KEY, head).t());
            matmul_onto(weights, self.part(x, QUERY, head), keys.view());
            vectorize(|| {
                for (place, row) in weights.chunks_exact_mut(padded).enumerate() {
                    row[place + 1..].fill(E::neg_infinity());
                    let (blocks, _) = row.as_chunks_mut::<LANES>();
                    let max = lanes::maximum(blocks.as_flattened());
                    for score in blocks.iter_mut().flatten() {
                        *score = ((*score - max) * scale).exponential();
                    }
                    let total = lanes::sum(row, row, |weight, _| weight);
                    let share = total.recip();
                    for weight in row.as_chunks_mut::<LANES>().0.iter_mut().flatten() {
                        *weight *= share;
                    }
                }
            });
        }
    }

    /// From the gradient of the weights w to that of the scores before they were scaled:
    /// w (g − Σ w g) · scale.
    fn through_softmax<E: Element>(&self, gradients: &mut Array2<E>, weights: ArrayView2<'_, E>) {
        let scale: E = self.scale();
        for (mut gradients, weights) in gradients.rows_mut().into_iter().zip(weights.rows()) {
            let gradients = gradients.as_slice_mut().expect("products are in row-major order");
            let weights = weights.to_slice().expect("the weights are in row-major order");
            vectorize(|| {
                let mean = lanes::sum(gradients, weights, |gradient, weight| gradient * weight);
                for (gradient, &weight) in gradients.iter_mut().zip(weights) {
                    *gradient = (*gradient - mean) * weight * scale;
                }
            });
        }
    }
}
