//! Rows of a linear layer, in chunks that are computed together.

use std::ops::Range;

use downhill_tensor::Element;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use crate::cross_entropy::kernel::{LANES, Outcome, Rows, Tile};

/// Columns of the right operand of a product that are multiplied together.
pub(super) const PANEL: usize = 64;

/// The linear layer that computes the logits.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a, E> {
    /// The input of each row, as long as the weight has columns.
    pub(super) hidden: &'a [E],
    pub(super) weight: ArrayView2<'a, E>,
    pub(super) bias: Option<&'a [E]>,
}

/// Rows that are computed together, in blocks of [`LANES`].
pub(super) struct Chunk<'a, E> {
    pub(super) range: Range<usize>,
    /// The problem for these rows, without their logits.
    pub(super) rows: Rows<'a, E>,
    /// The input, `[rows, width]`, in [`panels`].
    pub(super) hidden: Vec<Array2<E>>,
    /// The input transposed, `[width, rows]`, in panels, padded with rows of 0 to whole blocks. Empty
    /// once the logits are computed.
    pub(super) transposed: Vec<Array2<E>>,
    pub(super) losses: Vec<E>,
    /// The outcome of each block, once the sums of the rows are known.
    pub(super) outcomes: Vec<Outcome<E>>,
    /// The rows whose gradient has been written already.
    pub(super) is_given: Vec<Tile<bool>>,
}

impl<'a, E: Element> Chunk<'a, E> {
    pub(super) fn new(
        layer: &Layer<'_, E>,
        rows: &'a Rows<'_, E>,
        range: Range<usize>,
        kept: &[usize],
    ) -> Self {
        let (count, width) = (range.len(), layer.weight.ncols());
        let padded = count.next_multiple_of(LANES);
        let (mut hidden, mut transposed) = (panels(count, width), panels(width, padded));
        for (row, &from) in kept[range.clone()].iter().enumerate() {
            let values = ArrayView1::from(&layer.hidden[from * width..][..width]);
            for (panel, values) in hidden.iter_mut().zip(values.axis_chunks_iter(Axis(0), PANEL)) {
                panel.row_mut(row).assign(&values);
            }
            transposed[row / PANEL].column_mut(row % PANEL).assign(&values);
        }
        Self {
            rows: rows.some(range.clone(), &[]),
            range,
            hidden,
            transposed,
            losses: vec![E::zero(); count],
            outcomes: Vec::new(),
            is_given: vec![[false; LANES]; padded / LANES],
        }
    }

    /// Writes the losses to their places among those of all rows.
    pub(super) fn write_losses(&self, kept: &[usize], losses: &mut [E]) {
        for (&row, &loss) in kept.iter().zip(&self.losses) {
            losses[row] = loss;
        }
    }
}

/// A matrix of zeros, stored [`PANEL`] columns at a time, so that products with it need not copy
/// them.
fn panels<E: Element>(rows: usize, columns: usize) -> Vec<Array2<E>> {
    let panel = |start| Array2::zeros([rows, PANEL.min(columns - start)]);
    (0..columns).step_by(PANEL).map(panel).collect()
}
