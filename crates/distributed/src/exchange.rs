//! How gradients are added.
//!
//! All numbers are cut into as many segments as there are processes. Every process gives each other
//! one the segment that it adds up, in the order of [`cut`], and gets the sum of each
//! segment back from the one that has it. So each number travels to and fro once, as in a ring, and
//! each process adds its share.
//!
//! On one machine rows and sums lie in memory that [all can read](Shared), and all meet twice: when
//! the rows are written, and when the sums are. Between machines segments are messages.

use std::borrow::Cow;
use std::cell::RefMut;
use std::ops::Range;

use downhill_kernels::{buffer, recycle};
use mpi::Rank;
use mpi::collective::{CommunicatorCollectives, SystemOperation};
use mpi::point_to_point::{Destination, Source};
use mpi::request::scope;
use mpi::topology::Communicator;

use crate::cut::{self, Node, cut, largest_nodes};
use crate::group::{Group, Number};
use crate::shared::Shared;

const PIECES: mpi::Tag = 1;
const SUMS: mpi::Tag = 2;

/// How many numbers are worked on at a time, while they are near the processor.
pub(crate) const BLOCK: usize = 4096;

/// Rows and sums of all processes of a machine.
#[derive(Debug)]
pub(crate) struct Common {
    rows: Shared,
    sums: Shared,
}

/// Numbers that are added up over the parts of a batch, for all processes.
pub(crate) struct Exchange<'a, E: Number> {
    group: &'a Group,
    what: &'a str,
    len: usize,
    /// The largest nodes of each process that have items, each with a row of `len` numbers.
    nodes: Vec<Vec<Node>>,
    place: Place<'a, E>,
}

enum Place<'a, E> {
    Common(RefMut<'a, Common>),
    Own { rows: Vec<Vec<E>>, sums: Vec<E> },
}

impl Group {
    /// A place for `len` numbers of each part that `has_items`, to be [written](Exchange::rows) before
    /// all meet.
    pub(crate) fn exchange<'a, E: Number>(
        &'a self,
        what: &'a str,
        len: usize,
        has_items: &dyn Fn(&Node) -> bool,
    ) -> Exchange<'a, E> {
        let nodes = |rank| largest_nodes(self.parts, &self.parts_of(rank));
        let place = match self.common::<E>(what, len, &|rank| nodes(rank).len()) {
            Some(common) => Place::Common(common),
            None => {
                let rows = nodes(self.rank()).iter().map(|_| buffer(len)).collect();
                Place::Own { rows, sums: buffer(len) }
            }
        };
        let nodes = (0..self.ranks()).map(|rank| {
            let mut nodes = nodes(rank);
            nodes.retain(has_items);
            nodes
        });
        Exchange { group: self, what, len, nodes: nodes.collect(), place }
    }

    /// Memory for rows and sums that all processes can read, if there is any.
    fn common<E: Number>(
        &self,
        what: &str,
        len: usize,
        rows: &dyn Fn(usize) -> usize,
    ) -> Option<RefMut<'_, Common>> {
        if !self.is_on_one_machine() {
            return None;
        }
        let bytes_of_rows = |rank| rows(rank) * stride(len) * size_of::<E>();
        let bytes_of_sums = |rank| cut(len, self.ranks(), rank).len() * size_of::<E>();
        let mut known = self.common.borrow_mut();
        let fits =
            |common: &Common| common.rows.holds(bytes_of_rows) && common.sums.holds(bytes_of_sums);
        if known.as_ref().is_none_or(|common| common.as_ref().is_some_and(|common| !fits(common))) {
            let open = || {
                let rows = Shared::open(self, what, bytes_of_rows);
                let sums = Shared::open(self, what, bytes_of_sums);
                Some(Common { rows: rows?, sums: sums? })
            };
            *known = Some(open());
        }
        RefMut::filter_map(known, |known| known.as_mut()?.as_mut()).ok()
    }
}

/// From the beginning of one row to that of the next: each begins at a page.
fn stride(len: usize) -> usize {
    len.next_multiple_of(4096)
}

impl<E: Number> Exchange<'_, E> {
    /// The nodes of this process, each with its row.
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = (&Node, &mut [E])> {
        let (len, nodes) = (self.len, &self.nodes[self.group.rank()]);
        let rows: Vec<&mut [E]> = match &mut self.place {
            Place::Common(common) => {
                let all = common.rows.own(0..nodes.len() * stride(len));
                all.chunks_mut(stride(len).max(1)).map(|row| &mut row[..len]).collect()
            }
            Place::Own { rows, .. } => rows.iter_mut().map(|row| &mut row[..]).collect(),
        };
        nodes.iter().zip(rows)
    }

    /// Adds the rows of all processes, times `factor`. All have met since they wrote them.
    pub(crate) fn sum(&mut self, factor: E) {
        let Self { group, what, len, nodes, place } = self;
        match place {
            Place::Common(common) => {
                let Common { rows, sums } = &mut **common;
                let own = cut(*len, group.ranks(), group.rank());
                let row = |rank: usize, row: usize| {
                    let start = row * stride(*len);
                    rows.of(rank, start + own.start..start + own.end)
                };
                add_rows(sums.own(0..own.len()), group.parts, nodes, &row, factor);
                group.meet(what);
            }
            Place::Own { rows, sums } if group.is_fast => {
                match nodes[group.rank()].is_empty() {
                    false => group.all_reduce(what, &rows[0], sums),
                    true => group.all_reduce(what, &vec![E::zero(); *len], sums),
                }
                sums.iter_mut().for_each(|value| *value *= factor);
            }
            Place::Own { rows, sums } => group.send_rows(what, rows, sums, nodes, factor),
        }
    }

    /// Copies a range of the [sums](Self::sum).
    pub(crate) fn copy_sums(&self, range: Range<usize>, to: &mut [E]) {
        let sums = match &self.place {
            Place::Common(common) => &common.sums,
            Place::Own { sums, .. } => return to.copy_from_slice(&sums[range]),
        };
        for rank in 0..self.group.ranks() {
            let segment = cut(self.len, self.group.ranks(), rank);
            let (start, end) = (range.start.max(segment.start), range.end.min(segment.end));
            if start < end {
                let values = sums.of(rank, start - segment.start..end - segment.start);
                to[start - range.start..end - range.start].copy_from_slice(values);
            }
        }
    }
}

impl<E: Number> Drop for Exchange<'_, E> {
    fn drop(&mut self) {
        if let Place::Own { rows, sums } = &mut self.place {
            rows.drain(..).for_each(recycle);
            recycle(std::mem::take(sums));
        }
    }
}

impl Group {
    /// Adds the rows of all processes by messages.
    fn send_rows<E: Number>(
        &self,
        what: &str,
        rows: &[Vec<E>],
        sums: &mut [E],
        nodes: &[Vec<Node>],
        factor: E,
    ) {
        let (rank, ranks, len) = (self.rank(), self.ranks(), sums.len());
        let own = cut(len, ranks, rank);
        let others = || (0..ranks).filter(move |&other| other != rank);
        let mut pieces: Vec<Vec<Vec<E>>> = Vec::new();
        for (other, nodes) in nodes.iter().enumerate() {
            let count = if other == rank { 0 } else { nodes.len() };
            pieces.push((0..count).map(|_| buffer(own.len())).collect());
        }
        let world = Self::world();
        let process = |rank: usize| world.process_at_rank(rank as Rank);
        scope(|scope| {
            let mut requests = Vec::new();
            for (sender, pieces) in pieces.iter_mut().enumerate() {
                for piece in pieces {
                    let (sender, piece) = (process(sender), &mut piece[..]);
                    requests.push(sender.immediate_receive_into_with_tag(scope, piece, PIECES));
                }
            }
            for other in others() {
                for (_, row) in nodes[rank].iter().zip(rows) {
                    let segment = &row[cut(len, ranks, other)];
                    requests.push(process(other).immediate_send_with_tag(scope, segment, PIECES));
                }
            }
            requests.into_iter().for_each(|request| self.wait(what, request));
        });
        let (mut segments, mut rest) = (Vec::new(), sums);
        for other in 0..ranks {
            let (segment, later) = rest.split_at_mut(cut(len, ranks, other).len());
            rest = later;
            segments.push(segment);
        }
        let segment = segments.remove(rank);
        let row = |of: usize, row: usize| match of == rank {
            true => &rows[row][own.clone()],
            false => &pieces[of][row][..],
        };
        add_rows(segment, self.parts, nodes, &row, factor);
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
        pieces.into_iter().flatten().for_each(recycle);
    }

    /// Adds one row of each process in MPI's own order.
    fn all_reduce<E: Number>(&self, what: &str, values: &[E], sums: &mut [E]) {
        let world = Self::world();
        scope(|scope| {
            let operation = SystemOperation::sum();
            self.wait(what, world.immediate_all_reduce_into(scope, values, sums, operation));
        });
    }
}

/// The sum over all parts of a segment of the `nodes` of all processes, times `factor`; `row` tells
/// the values of a process's node, by its number.
fn add_rows<'a, E: Number>(
    sum: &mut [E],
    parts: usize,
    nodes: &[Vec<Node>],
    row: &dyn Fn(usize, usize) -> &'a [E],
    factor: E,
) {
    let mut rows = Vec::new();
    for (rank, nodes) in nodes.iter().enumerate() {
        rows.extend(nodes.iter().enumerate().map(|(index, node)| (node, row(rank, index))));
    }
    for (index, block) in sum.chunks_mut(BLOCK).enumerate() {
        let range = index * BLOCK..index * BLOCK + block.len();
        write_sum(block, 0..parts, factor, &mut |node| {
            if let Some((_, row)) = rows.iter().find(|(of, _)| *of == node) {
                return Some(Some(&row[range.clone()]));
            }
            // A part without a node has no items.
            (node.len() == 1).then_some(None)
        });
    }
}

/// Writes the sum over a node, times `factor`. `known` gives `None` for a node that is to be added up
/// from its children, `Some(None)` for one without items, and otherwise its values. The sum of no items
/// is 0.
pub(crate) fn write_sum<'a, E: Number>(
    to: &mut [E],
    node: Node,
    factor: E,
    known: &mut dyn FnMut(&Node) -> Option<Option<&'a [E]>>,
) {
    let mut known = |node: &Node| known(node).map(|values| values.map(Cow::Borrowed));
    match cut::sum(node, &mut known, &add) {
        Some(sum) => {
            to.iter_mut().zip(&*sum).for_each(|(to, &value)| *to = value * factor);
            if let Cow::Owned(sum) = sum {
                recycle(sum);
            }
        }
        None => to.fill(E::zero()),
    }
}

/// The sum of two arrays, in the place of one if it may be written.
pub(crate) fn add<'a, E: Number>(one: Cow<'a, [E]>, other: Cow<'a, [E]>) -> Cow<'a, [E]> {
    Cow::Owned(match (one, other) {
        (Cow::Owned(mut sum), other) | (other, Cow::Owned(mut sum)) => {
            sum.iter_mut().zip(&*other).for_each(|(sum, &other)| *sum += other);
            if let Cow::Owned(other) = other {
                recycle(other);
            }
            sum
        }
        (Cow::Borrowed(one), Cow::Borrowed(other)) => {
            let mut sum = buffer(one.len());
            let pairs = one.iter().zip(other);
            sum.iter_mut().zip(pairs).for_each(|(sum, (&one, &other))| *sum = one + other);
            sum
        }
    })
}
