//! The attention of all heads as one operation.

use std::ops::Range;

use downhill_kernels::lanes::LANES;
use downhill_kernels::{
    Arithmetic, Vectorized, all_finite, all_within, buffer, each_chunk, each_pair_of_chunks,
    vectorize_arithmetic,
};
use downhill_tensor::{
    Element, Fused, Tensor, fused, operation, vjp_by_definition, without_recording,
};
use ndarray::{Array2, Array4, ArrayD};

use super::blocks::{Block, Blocks, Matrix, blocks, product};

/// Fewer values than this are not worth waking another thread for.
const WORTH_THREADS: usize = 1 << 12;

/// Queries, keys and values `[N, T, 3 · width]` to what each place finds, `[N, T, width]`. No place
/// sees those where `padding` `[N, T]` is true and, if `causal`, those after itself.
#[inline(never)]
pub(super) fn attention<E: Element>(
    x: &Tensor<E>,
    heads: usize,
    causal: bool,
    padding: Option<&Array2<bool>>,
) -> Tensor<E> {
    let &[sequences, places, triple] = x.shape() else {
        unreachable!("the layer has checked the shape")
    };
    let plan = Plan { sequences, places, heads, width: triple / 3, causal };
    let xs = x.values();
    // Beyond, scores leave the range of numbers, and the operations of the definition know best what
    // to make of infinities.
    let largest = (E::max_value() / E::from_usize(4 * plan.size())).sqrt();
    if !all_within(&xs, largest) {
        return match all_finite(&xs) {
            true => plan.definition(x, padding),
            false => plan.definition_by_place(x, padding),
        };
    }
    let mut weights = buffer(sequences * heads * plan.weights_len() * LANES);
    let mut out = buffer(sequences * places * plan.width);
    each_pair_of_chunks(
        (&mut out, places * plan.width),
        (weights.as_chunks_mut().0, heads * plan.weights_len()),
        plan.is_worth_threads(),
        || Workspace::new(&plan),
        |workspace, sequence, out, weights| {
            let x = plan.of(&xs, 3, sequence);
            let padding: Option<Vec<bool>> =
                padding.map(|padding| padding.row(sequence).iter().copied().collect());
            let padding = padding.as_deref();
            vectorize_arithmetic(Attend { plan, workspace, x, padding, out, weights });
        },
    );
    let value = ArrayD::from_shape_vec(&[sequences, places, plan.width][..], out)
        .expect("one value for each place and each of the width");
    let weights =
        ArrayD::from_shape_vec(&[weights.len()][..], weights).expect("as many as there are");
    fused(&[x], value, || {
        let padding = padding.cloned();
        Attention { plan, padding, weights: weights.into() }
    })
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
    /// Whether a place does not see those after it.
    causal: bool,
}

struct Attention<E: Element> {
    plan: Plan,
    /// The places that nobody sees, `[N, T]`.
    padding: Option<Array2<bool>>,
    /// How much of each place (a row of whole blocks) each place takes, `[N, heads, T, T]`.
    weights: Tensor<E>,
}

impl<E: Element> Fused<E> for Attention<E> {
    fn name(&self) -> &str {
        if self.plan.causal { "causal_attention" } else { "attention" }
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        self.plan.definition(&inputs[0], self.padding.as_ref())
    }

    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        _output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        let plan = self.plan;
        let (xs, gradients) = (inputs[0].values(), gradient.values());
        let weights = self.weights.values();
        let (weights, _) = weights.as_chunks();
        let mut out = buffer(xs.len());
        each_chunk(
            &mut out,
            plan.places * 3 * plan.width,
            plan.is_worth_threads(),
            || Workspace::new(&plan),
            |workspace, sequence, out| {
                let (x, gradient) = (plan.of(&xs, 3, sequence), plan.of(&gradients, 1, sequence));
                let weights = &weights[sequence * plan.heads * plan.weights_len()..];
                let sequence = AttendBackwards { plan, workspace, x, gradient, weights, out };
                vectorize_arithmetic(sequence);
            },
        );
        if !all_finite(&out) {
            return vjp_by_definition(self, index, &gradient, inputs);
        }
        ArrayD::from_shape_vec(inputs[0].shape(), out).expect("one for each input").into()
    }
}

/// The matrices of one head after the other.
struct Workspace<E> {
    /// `[width / heads, T]`.
    transposed: Blocks<E>,
    /// `[T, T]`.
    scores: Vec<Block<E>>,
    /// `[T, width / heads]`.
    right: Blocks<E>,
    found: Blocks<E>,
}

impl<E: Element> Workspace<E> {
    fn new(plan: &Plan) -> Self {
        Self {
            transposed: Blocks::zeros([plan.size(), plan.places]),
            scores: vec![[E::zero(); LANES]; plan.weights_len()],
            right: Blocks::zeros([plan.places, plan.size()]),
            found: Blocks::zeros([plan.places, plan.size()]),
        }
    }
}

/// What is done for one sequence: `x` are its queries, keys and values, `[T, 3 · width]`.
struct Attend<'a, E> {
    plan: Plan,
    workspace: &'a mut Workspace<E>,
    x: &'a [E],
    /// Which of its places nobody sees.
    padding: Option<&'a [bool]>,
    out: &'a mut [E],
    weights: &'a mut [Block<E>],
}

impl<E: Element> Vectorized for Attend<'_, E> {
    type Output = ();

    /// Writes the weights of each head, the softmax of the scores of the places that each place
    /// sees and 0 for the others; and the means of the values that are weighted so.
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { plan, workspace, x, padding, out, weights } = self;
        let Workspace { transposed: queries, right: values, found, .. } = workspace;
        for (head, weights) in weights.chunks_exact_mut(plan.weights_len()).enumerate() {
            queries.assign(plan.part(x, 3, QUERY, head).t());
            product::<A, E>(weights, plan.part(x, 3, KEY, head), queries);
            plan.softmax::<A, E>(weights, padding);
            values.assign(plan.part(x, 3, VALUE, head));
            found.assign_product::<A>(plan.weights_of(weights).t(), values);
            found.copy_to(&mut out[head * plan.size()..], plan.width);
        }
    }
}

/// What is done for one sequence on the way back.
struct AttendBackwards<'a, E> {
    plan: Plan,
    workspace: &'a mut Workspace<E>,
    x: &'a [E],
    gradient: &'a [E],
    weights: &'a [Block<E>],
    out: &'a mut [E],
}

impl<E: Element> Vectorized for AttendBackwards<'_, E> {
    type Output = ();

    /// Writes the gradients of queries, keys and values.
    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Self { plan, workspace, x, gradient, weights, out } = self;
        let Workspace { transposed: gradients, scores, right, found } = workspace;
        for head in 0..plan.heads {
            let weights = &weights[head * plan.weights_len()..][..plan.weights_len()];
            let gradient = plan.part(gradient, 1, 0, head);
            gradients.assign(gradient.t());
            product::<A, E>(scores, plan.part(x, 3, VALUE, head), gradients);
            plan.through_softmax(scores, weights);
            let scores = plan.weights_of(scores);
            for (part, left, matrix) in [
                (QUERY, scores.t(), plan.part(x, 3, KEY, head)),
                (KEY, scores, plan.part(x, 3, QUERY, head)),
                (VALUE, plan.weights_of(weights), gradient),
            ] {
                right.assign(matrix);
                found.assign_product::<A>(left, right);
                found.copy_to(&mut out[part * plan.width + head * plan.size()..], 3 * plan.width);
            }
        }
    }
}

impl Plan {
    /// What each place finds, in tensor operations.
    fn definition<E: Element>(&self, x: &Tensor<E>, padding: Option<&Array2<bool>>) -> Tensor<E> {
        self.found(x, padding, 0..self.places)
    }

    /// What the places `looking` find.
    fn found<E: Element>(
        &self,
        x: &Tensor<E>,
        padding: Option<&Array2<bool>>,
        looking: Range<usize>,
    ) -> Tensor<E> {
        let Plan { sequences, places, heads, width, causal } = *self;
        let parts =
            x.reshape(&[sequences, places, 3, heads, width / heads]).permute(&[2, 0, 3, 1, 4]);
        let part = |index: usize| parts.slice(0, index..index + 1).squeeze(0);
        let (first, count) = (looking.start, looking.len());
        let end = if causal { looking.end } else { places };
        let sees = |n: usize, place: usize, seen: usize| self.sees(padding, n, first + place, seen);
        let masks = if padding.is_some() { sequences } else { 1 };
        let sees_any = Array4::from_shape_fn((masks, 1, count, 1), |(n, _, place, _)| {
            (0..end).any(|seen| sees(n, place, seen))
        });
        // A place that sees none has weights of 0: its softmax, of other scores, is not chosen.
        let mask = Array4::from_shape_fn((masks, 1, count, end), |(n, _, place, seen)| {
            sees(n, place, seen) || !sees_any[[n, 0, place, 0]]
        });
        // Nor does what is hidden by padding come into a product, whatever it holds.
        let unseen = padding.map(|padding| {
            Array4::from_shape_fn((sequences, 1, places, 1), |(n, _, seen, _)| padding[[n, seen]])
                .into_dyn()
        });
        let seen = |index| match &unseen {
            Some(unseen) => part(index).masked_fill(unseen, E::zero()).slice(2, ..end),
            None => part(index).slice(2, ..end),
        };
        let queries = part(QUERY).slice(2, looking);
        let scores = queries.matmul(&seen(KEY).transpose()) * self.scale::<E>();
        let hidden = Tensor::scalar(E::neg_infinity());
        let weights = Tensor::select(&mask.into_dyn(), &scores, &hidden).softmax(-1);
        let weights = Tensor::select(&sees_any.into_dyn(), &weights, &Tensor::scalar(E::zero()));
        let found = weights.matmul(&seen(VALUE));
        found.permute(&[0, 2, 1, 3]).reshape(&[sequences, count, width])
    }

    /// What each place finds where some hold NaN or infinities, so that 0 times what one holds is
    /// not 0: a product with what is not seen, or whose result the loss leaves out, does not come
    /// about.
    fn definition_by_place<E: Element>(
        self,
        x: &Tensor<E>,
        padding: Option<&Array2<bool>>,
    ) -> Tensor<E> {
        let value = without_recording(|| match self.causal {
            false => self.definition(x, padding),
            true => {
                let found = |place| self.found(x, padding, place..place + 1);
                let found: Vec<Tensor<E>> = (0..self.places).map(found).collect();
                Tensor::concat(&found.iter().collect::<Vec<_>>(), 1)
            }
        });
        let padding = padding.cloned();
        let attention = Attention { plan: self, padding, weights: Tensor::zeros(&[0]) };
        operation::unary("attention", x, value.array().to_owned(), move |gradient, _, x| {
            let mut x = self.without_unused(x, &gradient, attention.padding.as_ref());
            if !x.requires_gradient() {
                // Where nothing is recorded, there is something to differentiate all the same.
                x = Tensor::parameter(x);
            }
            vjp_by_definition(&attention, 0, &gradient, &[x])
        })
    }

    /// Queries, keys and values with 0 for those that are not finite and that no place uses whose
    /// gradient is not 0.
    fn without_unused<E: Element>(
        &self,
        x: &Tensor<E>,
        gradient: &Tensor<E>,
        padding: Option<&Array2<bool>>,
    ) -> Tensor<E> {
        let Plan { sequences, places, width, .. } = *self;
        let gradients = gradient.values();
        let looks: Vec<bool> =
            gradients.chunks(width).map(|row| row.iter().any(|&g| g != E::zero())).collect();
        let looks = |n: usize, place: usize| looks[n * places + place];
        let shape = (sequences, places, 3, 1);
        let xs = x.values();
        let unused = Array4::from_shape_fn(shape, |(n, place, part, _)| {
            let start = ((n * places + place) * 3 + part) * width;
            let is_used = match part {
                QUERY => looks(n, place),
                _ => (0..places).any(|by| looks(n, by) && self.sees(padding, n, by, place)),
            };
            !is_used && !all_finite(&xs[start..start + width])
        });
        x.reshape(&[sequences, places, 3, width])
            .masked_fill(&unused.into_dyn(), E::zero())
            .reshape(x.shape())
    }

    /// Whether a place of a sequence sees another.
    fn sees(
        &self,
        padding: Option<&Array2<bool>>,
        sequence: usize,
        place: usize,
        seen: usize,
    ) -> bool {
        let is_padding = padding.is_some_and(|padding| padding[[sequence, seen]]);
        !(is_padding || self.causal && seen > place)
    }

    /// From scores to weights, 16 places at a time: each place that looks has a lane, and the
    /// blocks follow the places that it looks at.
    #[inline(always)]
    fn softmax<A: Arithmetic, E: Element>(
        &self,
        scores: &mut [Block<E>],
        padding: Option<&[bool]>,
    ) {
        let (scale, blocks): (E, _) = (self.scale(), blocks(self.places));
        for block in 0..blocks {
            // The last that the first of these places sees; each other sees one more.
            let last = if self.causal { block * LANES } else { self.places };
            let seen = last.saturating_add(LANES).min(self.places);
            let mut max = [E::neg_infinity(); LANES];
            for (place, scores) in scores[block..].iter_mut().step_by(blocks).enumerate().take(seen)
            {
                let mut visible = *scores;
                let is_padding = padding.is_some_and(|padding| padding[place]);
                let place = if is_padding { usize::MAX } else { place };
                for lane in 0..LANES {
                    let score = if place > last + lane { E::neg_infinity() } else { visible[lane] };
                    visible[lane] = score;
                    max[lane] = if score > max[lane] { score } else { max[lane] };
                }
                *scores = visible;
            }
            let mut total = [E::zero(); LANES];
            for scores in scores[block..].iter_mut().step_by(blocks).take(seen) {
                let mut weights = *scores;
                for lane in 0..LANES {
                    let weight = ((weights[lane] - max[lane]) * scale).decay::<A>();
                    weights[lane] = weight;
                    total[lane] += weight;
                }
                *scores = weights;
            }
            let over_total = total.map(E::recip);
            for weights in scores[block..].iter_mut().step_by(blocks).take(seen) {
                for (weight, over_total) in weights.iter_mut().zip(over_total) {
                    *weight *= over_total;
                }
            }
            for lane in 0..if padding.is_some() { LANES } else { 0 } {
                let sees = (last + lane + 1).min(self.places);
                if padding.is_some_and(|padding| padding[..sees].iter().all(|&is| is)) {
                    for weights in scores[block..].iter_mut().step_by(blocks).take(seen) {
                        weights[lane] = E::zero();
                    }
                }
            }
            for weights in scores[block..].iter_mut().step_by(blocks).skip(seen) {
                weights.fill(E::zero());
            }
        }
    }

    /// From the gradient of the weights w to that of the scores before they were scaled:
    /// w (g − Σ w g) · scale.
    #[inline(always)]
    fn through_softmax<E: Element>(&self, gradients: &mut [Block<E>], weights: &[Block<E>]) {
        let (scale, blocks): (E, _) = (self.scale(), blocks(self.places));
        for block in 0..blocks {
            let weights = || weights[block..].iter().step_by(blocks);
            let mut mean = [E::zero(); LANES];
            for (gradients, weights) in gradients[block..].iter().step_by(blocks).zip(weights()) {
                for lane in 0..LANES {
                    mean[lane] += gradients[lane] * weights[lane];
                }
            }
            for (out, weights) in gradients[block..].iter_mut().step_by(blocks).zip(weights()) {
                let mut gradients = *out;
                for lane in 0..LANES {
                    gradients[lane] = (gradients[lane] - mean[lane]) * weights[lane] * scale;
                }
                *out = gradients;
            }
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

    /// The weights of a head as a matrix, `[T, T]`: a row for each place that is seen.
    fn weights_of<'a, E: Element>(&self, weights: &'a [Block<E>]) -> Matrix<'a, E> {
        let pitch = blocks(self.places) * LANES;
        Matrix::new(weights.as_flattened(), [self.places; 2], pitch)
    }
}
