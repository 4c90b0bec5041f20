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

        let mut known = |node: &Node| {
            if !has_items(node) {
                return Some(None);
            }
            if let Some(place) = pieces.iter().position(|(of, _)| of == node) {
                return Some(Some(std::mem::take(&mut pieces[place].1)));
            }
            let (_, values) = mine.iter().find(|(of, _)| of == node)?;
            let mut segment = buffer(own.len());
            segment.copy_from_slice(&values[own.clone()]);
            Some(Some(segment))
        };
        let segment = cut::sum(0..self.parts, &mut known, &add);
        let mut segment = segment.unwrap_or_else(|| vec![E::zero(); own.len()]);
        divide(&mut segment);

        let mut sum = buffer(len);
        sum[own.clone()].copy_from_slice(&segment);
        let mut rest = &mut sum[..];
        let mut segments = Vec::new();
        for other in 0..ranks {
            let (segment, later) = rest.split_at_mut(cut(len, ranks, other).len());
            rest = later;
            segments.push(segment);
        }
        scope(|scope| {
            let mut requests = Vec::new();
            for (other, part) in segments.into_iter().enumerate().filter(|(it, _)| *it != rank) {
                let owner = process(other);
                requests.push(owner.immediate_receive_into_with_tag(scope, part, SUMS));
            }
            for other in others() {
                let segment = &segment[..];
                requests.push(process(other).immediate_send_with_tag(scope, segment, SUMS));
            }
            requests.into_iter().for_each(|request| self.wait(what, request));
        });
        recycle(segment);
        mine.into_iter().for_each(|(_, values)| recycle(values));
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
