//! The operands of a product, and how they are halved.

/// The operands of destination = start + left · right.
#[derive(Clone, Copy)]
pub struct Product<E> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) inner: usize,
    pub(super) destination: *mut E,
    /// From one row to the next.
    pub(super) destination_stride: isize,
    pub(super) start: Start<E>,
    pub(super) left: *const E,
    pub(super) left_strides: [isize; 2],
    pub(super) right: *const E,
    pub(super) right_strides: [isize; 2],
    /// What is prefetched meanwhile. With it a product is computed in tiles whatever its size.
    pub(super) ahead: Option<Bytes>,
}

/// What the sums start from.
#[derive(Clone, Copy)]
pub(super) enum Start<E> {
    Zero,
    /// The values of the destination.
    Destination,
    /// The same numbers in every row.
    Row(*const E),
}

/// Memory that will be needed next.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    pub(super) start: *const u8,
    pub(super) len: usize,
}

impl Bytes {
    fn halves(self) -> (Self, Self) {
        let middle = self.len / 2;
        let second = Self { start: self.start.wrapping_add(middle), len: self.len - middle };
        (Self { len: middle, ..self }, second)
    }
}

// SAFETY: the pointers are those of slices of numbers; that of the destination is borrowed
// exclusively for as long as the product is computed.
unsafe impl<E: Send + Sync> Send for Product<E> {}

impl<E: Copy> Product<E> {
    pub(super) fn multiplications(&self) -> usize {
        // A view of one number repeated has any number of rows.
        self.rows.saturating_mul(self.columns).saturating_mul(self.inner)
    }

    /// Two halves along an axis of the destination.
    pub(super) fn halves(self, by_rows: bool) -> (Self, Self) {
        // In whole tiles, and whole registers, of most instruction sets.
        let middle = |length: usize, of: usize| (length / 2).next_multiple_of(of).min(length);
        let (ahead, more_ahead) = self.ahead.map(Bytes::halves).unzip();
        let first = Self { ahead, ..self };
        if by_rows {
            let rows = middle(self.rows, 8);
            let (left, destination) =
                (rows as isize * self.left_strides[0], rows as isize * self.destination_stride);
            let second = Self {
                rows: self.rows - rows,
                left: self.left.wrapping_offset(left),
                destination: self.destination.wrapping_offset(destination),
                ahead: more_ahead,
                ..self
            };
            (Self { rows, ..first }, second)
        } else {
            let columns = middle(self.columns, 16);
            let start = match self.start {
                Start::Row(start) => Start::Row(start.wrapping_add(columns)),
                start => start,
            };
            let second = Self {
                columns: self.columns - columns,
                right: self.right.wrapping_offset(columns as isize * self.right_strides[1]),
                destination: self.destination.wrapping_add(columns),
                start,
                ahead: more_ahead,
                ..self
            };
            (Self { columns, ..first }, second)
        }
    }
}
