//! A step: which part of a batch is whose, and the gradients of all.

use std::error::Error as StdError;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use downhill_kernels::buffer;
use downhill_nn::{Part, Peers, in_part};
use downhill_tensor::{Element, Gradients, Parameters, Path, Tensor};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::cut::{Node, cut};
use crate::error::Error;
use crate::exchange::{BLOCK, Exchange};
use crate::group::{Group, Number};
use crate::layout::{Computed, Layout, Shares, blocks};
use crate::meeting::Nobody;

/// The mean loss of a part of a batch, and how much it weighs in the mean over the whole batch.
#[derive(Debug)]
pub struct PartLoss<E: Element = f32, const N: usize = 0> {
    loss: Tensor<E>,
    weight: f64,
    counts: [f64; N],
}

impl<E: Element> PartLoss<E> {
    /// A loss, a single number, that weighs as much as what it is the mean over: the number of the
    /// part's rows or, where rows have weights or may be ignored, the loss's
    /// [divisor](https://docs.rs/downhill-losses/latest/downhill_losses/struct.CrossEntropy.html#method.divisor).
    pub fn new(loss: Tensor<E>, weight: f64) -> Self {
        Self { loss, weight, counts: [] }
    }

    /// With numbers to be added up over the whole batch, such as how many answers are right.
    pub fn counts<const N: usize>(self, counts: [f64; N]) -> PartLoss<E, N> {
        PartLoss { loss: self.loss, weight: self.weight, counts }
    }
}

/// What all processes know after a batch, to the same bytes.
#[derive(Debug)]
pub struct Step<E: Element = f32, const N: usize = 0> {
    /// The mean loss of the batch, of shape `[]`, a constant.
    pub loss: Tensor<E>,
    /// What it is the mean over: the sum of the parts' weights.
    pub weight: f64,
    /// The sums of the parts' [counts](PartLoss::counts).
    pub counts: [f64; N],
    /// The gradients of the mean loss.
    pub gradients: Gradients<E>,
}

type Problem = Box<dyn StdError + Send + Sync>;

/// A generator for a part differs from those of its samples.
const OF_PARTS: u64 = 1 << 63;

/// How many steps it takes until all tensors of the model have been compared.
const TURNS: u64 = 16;

impl Group {
    /// The gradients of the mean loss of a batch. Each process computes its own parts of the batch.
    ///
    /// `forward` is given the model, the items of a part, and a generator of the part's own; it
    /// gives the part's [mean loss and weight](PartLoss). `batch` is the whole batch, the same on
    /// all processes: numbers of rows, or whatever else a batch is made of. From `rng`, which must
    /// be in the same state on all processes, one number is drawn. Running averages in the model
    /// are moved; parameters are not.
    ///
    /// # Errors
    ///
    /// [`Error::Part`] if `forward` fails. [`Error::NotFinite`] if a gradient holds NaN or an
    /// infinity, [`Error::Drift`] if a process has another batch, generator or model than the
    /// others; these all processes return alike. In each step one in 16 of the model's tensors is
    /// compared. The error is meant to leave `main`, so that [`run`](crate::run) ends all processes.
    ///
    /// # Panics
    ///
    /// If a loss is not a single number or depends on no parameter, or its weight is negative or not
    /// finite.
    pub fn gradients<M, E, T, X, const N: usize>(
        &self,
        model: &mut M,
        batch: &[T],
        rng: &mut impl Rng,
        forward: impl Fn(&mut M, &[T], &mut Xoshiro256PlusPlus) -> Result<PartLoss<E, N>, X> + Sync,
    ) -> Result<Step<E, N>, Error>
    where
        M: Parameters<E> + Clone + Send,
        E: Number,
        T: Hash + Sync,
        X: Into<Problem>,
    {
        self.check_parts()?;
        let step = self.steps.get();
        self.steps.set(step + 1);
        let what = format!("step {}", step + 1);
        let layout = Layout::of(model);
        let (len, seed) = (batch.len(), rng.next_u64());
        let parts = self.parts;
        let items = move |part: usize| cut(len, parts, part);
        let tensors = fingerprint(model, step);
        let compute = |model: &mut M, part: usize, peers: Box<dyn Peers>| {
            compute(model, batch, items(part), (seed, part), peers, &forward)
        };
        let own: Vec<usize> =
            self.parts_of(self.rank()).filter(|&part| !items(part).is_empty()).collect();
        let mut computed = match own[..] {
            _ if !layout.has_buffers => {
                let each = own.iter().map(|&part| compute(model, part, Box::new(Nobody)));
                each.collect::<Result<Vec<_>, _>>().map_err(Error::Part)?
            }
            [] => {
                self.attend(len);
                Vec::new()
            }
            [part] => {
                let one = self.alone(len, part, |peers| compute(model, part, peers));
                vec![one.map_err(Error::Part)?]
            }
            _ => {
                let parts = own.iter().map(|&part| (part, model.clone())).collect();
                let together = self.together(len, parts, |part, mut model: M, peers| {
                    Ok::<_, Problem>((compute(&mut model, part, peers)?, model))
                })?;
                let (computed, models): (Vec<_>, Vec<M>) = together.into_iter().unzip();
                // All have moved their running averages alike.
                *model = models.into_iter().next().expect("there are several parts");
                computed
            }
        };
        if layout.has_buffers && len < self.parts && self.ranks() > 1 {
            self.share_buffers(&what, model);
        }

        let has_items = |node: &Node| node.clone().any(|part| !items(part).is_empty());
        let mut exchange =
            (self.ranks() > 1).then(|| self.exchange::<E>(&what, layout.len, &has_items));
        let mut rows: Vec<_> = exchange.iter_mut().flat_map(Exchange::rows).collect();
        let zeros = vec![E::zero(); BLOCK.min(layout.len)];
        let mut found = Found { present: vec![0; layout.words()], not_finite: None };
        layout.visit(model, |index, parameter, place| {
            let shares = Shares::of(parameter, &computed, &zeros);
            found.present[index / 64] |= u64::from(shares.are_present()) << (index % 64);
            for block in blocks(place.len()) {
                if !shares.are_finite(&block) {
                    found.not_finite.get_or_insert(index);
                }
                for (node, row) in &mut rows {
                    let to = &mut row[place.start..][block.clone()];
                    shares.write_sum(to, node.clone(), E::one(), &block);
                }
            }
        });
        drop(rows);

        let place = [step, seed, hash(batch), tensors];
        let known = self.compare(&what, place, &found, &computed, N);
        let known = known.map_err(|fault| fault.at(model, step + 1))?;
        let figures = self.sum_slots(len, 2 + N, &known.figures);
        let (weight, loss) = (figures[0], figures[1]);
        let divisor = if weight > 0.0 { weight } else { 1.0 };
        let factor = E::from_f64(divisor.recip());
        if let Some(exchange) = &mut exchange {
            // Their memory is used again for the sums.
            computed.clear();
            exchange.sum(factor);
        }
        let mut gradients = Gradients::default();
        layout.visit(model, |index, parameter, place| {
            if known.present[index / 64] >> (index % 64) & 1 == 0 {
                return;
            }
            let mut values = buffer(place.len());
            if let Some(exchange) = &exchange {
                exchange.copy_sums(place.clone(), &mut values);
            } else {
                let shares = Shares::of(parameter, &computed, &zeros);
                for block in blocks(place.len()) {
                    let to = &mut values[block.clone()];
                    shares.write_sum(to, 0..self.parts, factor, &block);
                }
            }
            let values = Tensor::from_shape_vec(parameter.shape(), values);
            gradients.insert(parameter, values.expect("as many as the parameter has"));
        });
        let counts = std::array::from_fn(|count| figures[2 + count]);
        Ok(Step { loss: Tensor::scalar(E::from_f64(loss / divisor)), weight, counts, gradients })
    }

    /// Sums over `items` that each process computes for its parts, such as the losses and right
    /// answers of a validation: `compute` gives them for the items of a part. All processes get the
    /// same.
    ///
    /// # Errors
    ///
    /// [`Error::Part`] if `compute` fails.
    pub fn total<T, X: Into<Problem>, const N: usize>(
        &self,
        items: &[T],
        mut compute: impl FnMut(&[T]) -> Result<[f64; N], X>,
    ) -> Result<[f64; N], Error> {
        self.check_parts()?;
        let mut slots = Vec::with_capacity(self.most_parts() * N);
        for part in self.parts_of(self.rank()) {
            let part = &items[cut(items.len(), self.parts, part)];
            if part.is_empty() {
                slots.extend([0.0; N]);
            } else {
                slots.extend(compute(part).map_err(|error| Error::Part(error.into()))?);
            }
        }
        slots.resize(self.most_parts() * N, 0.0);
        let all = self.gather("a sum over all items", &slots);
        let sums = self.sum_slots(items.len(), N, &all);
        Ok(std::array::from_fn(|index| sums[index]))
    }

    /// Lets processes know what each has found, and whether they are still at the same place.
    fn compare<E: Number>(
        &self,
        what: &str,
        place: [u64; 4],
        found: &Found,
        computed: &[Computed<E>],
        counts: usize,
    ) -> Result<Known, Fault> {
        let mut header = place.to_vec();
        header.push(found.not_finite.map_or(u64::MAX, |index| index as u64));
        header.extend(&found.present);
        let before_figures = header.len();
        let first = self.parts_of(self.rank()).start;
        header.resize(before_figures + self.most_parts() * (2 + counts), 0);
        for part in computed {
            let slot = &mut header[before_figures + (part.part - first) * (2 + counts)..];
            slot.iter_mut().zip(&part.figures).for_each(|(to, figure)| *to = figure.to_bits());
        }
        let all = self.gather(what, &header);
        let of = |rank: usize| &all[rank * header.len()..][..header.len()];
        for (index, what) in
            ["the number of its steps", "its random generator", "its batch", "its model"]
                .into_iter()
                .enumerate()
        {
            let values: Vec<u64> = (0..self.ranks()).map(|rank| of(rank)[index]).collect();
            let ranks = odd_ones(&values);
            if !ranks.is_empty() {
                return Err(Fault::Drift { ranks, what });
            }
        }
        let mut known = Known { present: vec![0; found.present.len()], figures: Vec::new() };
        for rank in 0..self.ranks() {
            let header = of(rank);
            if header[4] != u64::MAX {
                return Err(Fault::NotFinite { rank, index: header[4] as usize });
            }
            let (present, figures) = header[5..].split_at(found.present.len());
            known.present.iter_mut().zip(present).for_each(|(all, present)| *all |= present);
            known.figures.extend(figures.iter().map(|&figure| f64::from_bits(figure)));
        }
        Ok(known)
    }

    /// Gives tensors that are no parameters to processes that had nothing to compute them from. The
    /// last process has the last part, which is never empty.
    fn share_buffers<E: Number>(&self, what: &str, model: &mut impl Parameters<E>) {
        let mut bytes = Vec::new();
        model.visit(Path::ROOT, &mut |_, tensor| {
            if !tensor.is_parameter() {
                bytes.extend_from_slice(bytemuck::cast_slice(&tensor.values()));
            }
        });
        self.broadcast(what, self.ranks() - 1, &mut bytes);
        let mut rest = &bytes[..];
        model.visit_mut(Path::ROOT, &mut |_, tensor| {
            if !tensor.is_parameter() {
                let (own, later) = rest.split_at(tensor.len() * size_of::<E>());
                rest = later;
                tensor.update(|values| bytemuck::cast_slice_mut(values).copy_from_slice(own));
            }
        });
    }
}

/// What a process has found in its gradients.
struct Found {
    /// A bit for each parameter that has one.
    present: Vec<u64>,
    /// The index of the first parameter whose gradient is not finite.
    not_finite: Option<usize>,
}

/// What processes have told one another.
struct Known {
    /// A bit for each parameter that has a gradient on any.
    present: Vec<u64>,
    /// The figures of all parts, in slots.
    figures: Vec<f64>,
}

enum Fault {
    Drift { ranks: Vec<usize>, what: &'static str },
    NotFinite { rank: usize, index: usize },
}

impl Fault {
    fn at<E: Element>(self, model: &impl Parameters<E>, step: u64) -> Error {
        match self {
            Self::Drift { ranks, what } => Error::Drift { ranks, what, step },
            Self::NotFinite { rank, index } => {
                let named = model.named().into_iter().filter(|(_, tensor)| tensor.is_parameter());
                let parameter = named.map(|(name, _)| name).nth(index).unwrap_or_default();
                Error::NotFinite { rank, parameter, step }
            }
        }
    }
}

/// Computes a part.
fn compute<M, E, T, X, const N: usize>(
    model: &mut M,
    batch: &[T],
    items: Range<usize>,
    (seed, part): (u64, usize),
    peers: Box<dyn Peers>,
    forward: &impl Fn(&mut M, &[T], &mut Xoshiro256PlusPlus) -> Result<PartLoss<E, N>, X>,
) -> Result<Computed<E>, Problem>
where
    M: Parameters<E>,
    E: Number,
    X: Into<Problem>,
{
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ OF_PARTS ^ part as u64);
    let place = Part { first: items.start, samples: items.len(), seed, peers };
    in_part(place, || {
        let PartLoss { loss, weight, counts } =
            forward(model, &batch[items], &mut rng).map_err(Into::into)?;
        assert!(
            weight >= 0.0 && weight.is_finite(),
            "PartLoss: the weight is {weight}; it must be finite and not negative"
        );
        let gradients = loss.backward_with(&Tensor::full(loss.shape(), E::from_f64(weight)));
        let mut figures = vec![weight, loss.item().as_f64() * weight];
        figures.extend(counts);
        Ok(Computed { part, gradients, figures })
    })
}

fn hash<T: Hash>(batch: &[T]) -> u64 {
    let mut hasher = DefaultHasher::new();
    batch.hash(&mut hasher);
    hasher.finish()
}

/// A checksum of the tensors of the model whose turn it is.
fn fingerprint<E: Number>(model: &impl Parameters<E>, step: u64) -> u64 {
    let (mut digest, mut index) = (crc32fast::Hasher::new(), 0);
    model.visit(Path::ROOT, &mut |_, tensor| {
        if index % TURNS == step % TURNS {
            digest.update(bytemuck::cast_slice(&tensor.values()));
        }
        index += 1;
    });
    u64::from(digest.finalize())
}

/// The places of the values that differ from what most have; of equally many, from the first.
pub(crate) fn odd_ones(values: &[u64]) -> Vec<usize> {
    let count = |value: u64| values.iter().filter(|&&other| other == value).count();
    let most = values.iter().map(|&value| count(value)).max().unwrap_or(0);
    let usual = values.iter().find(|&&value| count(value) == most);
    (0..values.len()).filter(|&index| Some(&values[index]) != usual).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_ones_are_the_fewer() {
        assert_eq!(odd_ones(&[7, 7, 7]), [0; 0]);
        assert_eq!(odd_ones(&[7, 9, 7, 8]), [1, 3]);
        assert_eq!(odd_ones(&[9, 7, 7]), [0]);
        assert_eq!(odd_ones(&[9, 7]), [1]);
    }
}
