//! Where the gradients of a model stand in one row of numbers, and what the parts give to them.

use std::borrow::Cow;
use std::ops::Range;

use downhill_kernels::all_finite;
use downhill_tensor::{Element, Gradients, Parameters, Path, Tensor};

use crate::cut::Node;
use crate::exchange::{BLOCK, write_sum};
use crate::group::Number;

/// Where the gradients of a model stand in one row of numbers.
pub(crate) struct Layout {
    /// The place of each parameter, in the order of visiting.
    places: Vec<Range<usize>>,
    pub(crate) len: usize,
    /// Whether the model holds tensors that are no parameters, such as running averages.
    pub(crate) has_buffers: bool,
}

impl Layout {
    pub(crate) fn of<E: Element>(model: &impl Parameters<E>) -> Self {
        let mut layout = Self { places: Vec::new(), len: 0, has_buffers: false };
        model.visit(Path::ROOT, &mut |_, tensor| {
            if tensor.is_parameter() {
                layout.places.push(layout.len..layout.len + tensor.len());
                layout.len += tensor.len();
            } else {
                layout.has_buffers = true;
            }
        });
        layout
    }

    /// Visits the parameters, each with its number and place.
    pub(crate) fn visit<E: Element>(
        &self,
        model: &impl Parameters<E>,
        mut visit: impl FnMut(usize, &Tensor<E>, &Range<usize>),
    ) {
        let mut places = self.places.iter().enumerate();
        model.visit(Path::ROOT, &mut |_, tensor| {
            if tensor.is_parameter()
                && let Some((index, place)) = places.next()
            {
                visit(index, tensor, place);
            }
        });
    }

    /// The number of words that have a bit for each parameter.
    pub(crate) fn words(&self) -> usize {
        self.places.len().div_ceil(64)
    }
}

/// What comes of a part.
pub(crate) struct Computed<E: Element> {
    pub(crate) part: usize,
    pub(crate) gradients: Gradients<E>,
    /// Weight, loss times weight, and the counts.
    pub(crate) figures: Vec<f64>,
}

/// The gradients of one parameter by the parts of this process.
pub(crate) struct Shares<'a, E: Element> {
    by_part: Vec<(usize, Option<Cow<'a, [E]>>)>,
    /// In the place of a gradient that there is none of.
    zeros: &'a [E],
}

impl<'a, E: Number> Shares<'a, E> {
    pub(crate) fn of(parameter: &Tensor<E>, computed: &'a [Computed<E>], zeros: &'a [E]) -> Self {
        let share = |part: &'a Computed<E>| {
            (part.part, part.gradients.get(parameter).map(|gradient| gradient.values()))
        };
        Self { by_part: computed.iter().map(share).collect(), zeros }
    }

    pub(crate) fn are_present(&self) -> bool {
        self.by_part.iter().any(|(_, share)| share.is_some())
    }

    pub(crate) fn are_finite(&self, block: &Range<usize>) -> bool {
        let mut shares = self.by_part.iter().filter_map(|(_, share)| share.as_ref());
        shares.all(|share| all_finite(&share[block.clone()]))
    }

    /// Writes a block of the sum over the parts of a node, times `factor`.
    pub(crate) fn write_sum(&self, to: &mut [E], node: Node, factor: E, block: &Range<usize>) {
        write_sum(to, node, factor, &mut |node| {
            if node.len() > 1 {
                return None;
            }
            let share = self.by_part.iter().find(|(part, _)| *part == node.start);
            Some(share.map(|(_, share)| match share {
                Some(values) => &values[block.clone()],
                None => &self.zeros[..block.len()],
            }))
        });
    }
}

/// The ranges of [`BLOCK`] numbers, or what is left of them.
pub(crate) fn blocks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(BLOCK).map(move |start| start..len.min(start + BLOCK))
}
