//! Who sends what to whom when gradients are added.
//!
//! All numbers are cut into as many segments as there are processes. Every process sends each other
//! one the segment that it adds up, in the order of [`cut`], and gets the sum of each
//! segment back from the one that has it. So each number travels to and fro once, as in a ring, and
//! each process adds its share.

use downhill_kernels::{buffer, recycle};
use mpi::Rank;
use mpi::collective::{CommunicatorCollectives, SystemOperation};
use mpi::point_to_point::{Destination, Source};
use mpi::request::scope;
use mpi::topology::Communicator;

use crate::cut::{self, Node, cut, largest_nodes};
use crate::group::{Group, Number};

const PIECES: mpi::Tag = 1;
const SUMS: mpi::Tag = 2;

/// How many numbers are worked on at a time, while they are near the processor.
pub(crate) const BLOCK: usize = 4096;

/// What a process has computed: the sum over the parts of each of its largest nodes.
pub(crate) type Sums<E> = Vec<(Node, Vec<E>)>;

impl Group {
    /// The sum over all parts, divided by `divisor`, of `len` numbers. `has_items` tells which
    /// parts of the batch there is something of.
    pub(crate) fn sum<E: Number>(
        &self,
        what: &str,
        mine: Sums<E>,
        len: usize,
        divisor: E,
        has_items: &dyn Fn(&Node) -> bool,
    ) -> Vec<E> {
        let divide = |values: &mut [E]| values.iter_mut().for_each(|value| *value /= divisor);
        if self.is_fast {
            let mut sum = buffer(len);
            match mine.into_iter().next() {
                Some((_, values)) => self.all_reduce(what, values, &mut sum),
                None => self.all_reduce(what, vec![E::zero(); len], &mut sum),
            }
            divide(&mut sum);
            return sum;
        }
        let (rank, ranks) = (self.rank(), self.ranks());
        if ranks == 1 {
            let Some((_, mut sum)) = mine.into_iter().next() else { return vec![E::zero(); len] };
            divide(&mut sum);
            return sum;
        }
        let own = cut(len, ranks, rank);
        let others = || (0..ranks).filter(move |&other| other != rank);
        // Those that others send, in the order in which they do.
        let mut pieces: Sums<E> = Vec::new();
        let mut senders = Vec::new();
        for other in others() {
            for node in largest_nodes(self.parts, &self.parts_of(other)) {
                if has_items(&node) {
                    pieces.push((node, buffer(own.len())));
                    senders.push(other);
                }
            }
        }
        let world = Self::world();
        let process = |rank: usize| world.process_at_rank(rank as Rank);
        scope(|scope| {
            let mut requests = Vec::new();
            for ((_, piece), &sender) in pieces.iter_mut().zip(&senders) {
                let piece = &mut piece[..];
                let sender = process(sender);
                requests.push(sender.immediate_receive_into_with_tag(scope, piece, PIECES));
            }
            for other in others() {
                for (_, values) in &mine {
                    let segment = &values[cut(len, ranks, other)];
                    requests.push(process(other).immediate_send_with_tag(scope, segment, PIECES));
                }
            }
            requests.into_iter().for_each(|request| self.wait(what, request));
        });

        let mut sum = buffer(len);
        let (mut segments, mut rest) = (Vec::new(), &mut sum[..]);
        for other in 0..ranks {
            let (segment, later) = rest.split_at_mut(cut(len, ranks, other).len());
            rest = later;
            segments.push(segment);
        }
        let segment = segments.remove(rank);
        for start in (0..segment.len()).step_by(BLOCK) {
            let block = start..segment.len().min(start + BLOCK);
            let mut known = |node: &Node| {
                if !has_items(node) {
                    return Some(None);
                }
                let of = |(of, _): &&(Node, Vec<E>)| of == node;
                let values = match pieces.iter().find(of) {
                    Some((_, piece)) => &piece[block.clone()],
                    None => &mine.iter().find(of)?.1[own.clone()][block.clone()],
                };
                let mut copy = buffer(values.len());
                copy.copy_from_slice(values);
                Some(Some(copy))
            };
            let block_of_sum = &mut segment[block.clone()];
            match cut::sum(0..self.parts, &mut known, &add) {
                Some(mut values) => {
                    divide(&mut values);
                    block_of_sum.copy_from_slice(&values);
                    recycle(values);
                }
                None => block_of_sum.fill(E::zero()),
            }
        }
        scope(|scope| {
            let mut requests = Vec::new();
            for (other, part) in others().zip(segments) {
                let owner = process(other);
                requests.push(owner.immediate_receive_into_with_tag(scope, part, SUMS));
            }
            for other in others() {
                let segment = &*segment;
                requests.push(process(other).immediate_send_with_tag(scope, segment, SUMS));
            }
            requests.into_iter().for_each(|request| self.wait(what, request));
        });
        mine.into_iter().chain(pieces).for_each(|(_, values)| recycle(values));
        sum
    }

    fn all_reduce<E: Number>(&self, what: &str, values: Vec<E>, sum: &mut [E]) {
        if self.ranks() == 1 {
            sum.copy_from_slice(&values);
            return recycle(values);
        }
        let world = Self::world();
        scope(|scope| {
            let operation = SystemOperation::sum();
            let request = world.immediate_all_reduce_into(scope, &values[..], sum, operation);
            self.wait(what, request);
        });
        recycle(values);
    }
}

/// The sum of two arrays, in the place of the first.
pub(crate) fn add<E: Number>(mut sum: Vec<E>, other: Vec<E>) -> Vec<E> {
    sum.iter_mut().zip(&other).for_each(|(sum, &other)| *sum += other);
    recycle(other);
    sum
}
