//! What lies under the window at each of its positions, as a matrix.

use std::ops::Range;

use downhill_kernels::vectorize;
use downhill_tensor::Element;

use crate::window::Window;

/// Lines are copied in blocks of this many values, which the processor holds in a register: a
/// call of `memcpy` takes longer than copying a short line.
const BLOCK: usize = 8;

/// The patches of a number of channels of one image: a matrix with a row for each value under
/// the window (channel by channel, in row-major order) and a column for each position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patches {
    pub(super) window: Window,
    pub(super) channels: usize,
    /// The image's height and width.
    pub(super) size: [usize; 2],
    /// The number of positions along each.
    pub(super) positions: [usize; 2],
}

/// What the patches of one image are made in.
pub(super) struct Workspace<E> {
    /// The patches, in row-major order.
    pub(super) matrix: Vec<E>,
    /// The channels with zeros around them, if there is any padding.
    padded: Vec<E>,
}

impl Patches {
    pub(super) fn rows(&self) -> usize {
        self.channels * self.window.0[0].kernel * self.window.0[1].kernel
    }

    pub(super) fn columns(&self) -> usize {
        self.positions[0] * self.positions[1]
    }

    /// The number of values of the channels.
    pub(super) fn channels_len(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    pub(super) fn workspace<E: Element>(&self) -> Workspace<E> {
        let padded = if self.is_padded() { self.padded_len() } else { 0 };
        Workspace {
            matrix: vec![E::zero(); self.rows() * self.columns()],
            padded: vec![E::zero(); padded],
        }
    }

    /// Copies the values of the channels into the matrix, with zeros around them.
    pub(super) fn gather<E: Element>(&self, channels: &[E], workspace: &mut Workspace<E>) {
        let Workspace { matrix, padded } = workspace;
        let padded = match self.is_padded() {
            false => channels,
            true => {
                self.each_row(|inner, outer| padded[outer].copy_from_slice(&channels[inner]));
                padded
            }
        };
        let pitch = self.pitch();
        vectorize(
            #[inline(always)]
            || {
                self.each_block(|to, from, wide| {
                    let (to, from) = (&mut matrix[to..], &padded[from..]);
                    match wide {
                        true => copy::<E, BLOCK>(self.positions, to, from, pitch),
                        false => copy::<E, 1>(self.positions, to, from, pitch),
                    }
                });
            },
        );
    }

    /// Replaces the channels by the sums of the values of the matrix that come from them: the
    /// transpose of `gather`.
    pub(super) fn scatter<E: Element>(&self, workspace: &mut Workspace<E>, channels: &mut [E]) {
        let Workspace { matrix, padded } = workspace;
        if self.is_padded() {
            padded.fill(E::zero());
            self.scatter_padded(matrix, padded);
            self.each_row(|inner, outer| channels[inner].copy_from_slice(&padded[outer]));
        } else {
            channels.fill(E::zero());
            self.scatter_padded(matrix, channels);
        }
    }

    fn scatter_padded<E: Element>(&self, patches: &[E], padded: &mut [E]) {
        let pitch = self.pitch();
        vectorize(
            #[inline(always)]
            || {
                self.each_block(|from, to, wide| {
                    let (to, from) = (&mut padded[to..], &patches[from..]);
                    match wide {
                        true => add::<E, BLOCK>(self.positions, to, from, pitch),
                        false => add::<E, 1>(self.positions, to, from, pitch),
                    }
                });
            },
        );
    }

    fn is_padded(&self) -> bool {
        self.window.0.iter().any(|span| span.padding > 0)
    }

    fn padded_len(&self) -> usize {
        self.channels * self.padded_size().iter().product::<usize>()
    }

    /// The height and width of a padded image.
    pub(super) fn padded_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis] + 2 * self.window.0[axis].padding)
    }

    /// The distance in a padded image from a position to the one below.
    fn pitch(&self) -> usize {
        self.window.0[0].stride * self.padded_size()[1]
    }

    /// Calls `f` with the place of each row of each channel, in the channels and in the padded
    /// ones.
    fn each_row(&self, mut f: impl FnMut(Range<usize>, Range<usize>)) {
        let [height, width] = self.size;
        let [padded_height, padded_width] = self.padded_size();
        let [above, before] = self.window.0.map(|span| span.padding);
        for (channel, y) in
            (0..self.channels).flat_map(|channel| (0..height).map(move |y| (channel, y)))
        {
            let inner = (channel * height + y) * width;
            let outer = (channel * padded_height + above + y) * padded_width + before;
            f(inner..inner + width, outer..outer + width);
        }
    }

    /// Calls `f(patches, padded, wide)` for each block of columns of positions, and with `wide`
    /// unset for each column that is left: the places where its first value stands in the matrix
    /// and in the padded channels.
    #[inline(always)]
    fn each_block(&self, mut f: impl FnMut(usize, usize, bool)) {
        let [height, width] = self.window.0;
        let [padded_height, padded_width] = self.padded_size();
        // With a stride the values of a line are not side by side.
        let blocks = if width.stride == 1 { self.positions[1] / BLOCK } else { 0 };
        let mut line = 0;
        for channel in 0..self.channels {
            for y in 0..height.kernel {
                let row = (channel * padded_height + y * height.dilation) * padded_width;
                for x in 0..width.kernel {
                    let start = row + x * width.dilation;
                    for block in 0..blocks {
                        f(line + block * BLOCK, start + block * BLOCK, true);
                    }
                    for column in blocks * BLOCK..self.positions[1] {
                        f(line + column, start + column * width.stride, false);
                    }
                    line += self.columns();
                }
            }
        }
    }
}

/// Copies `WIDTH` columns of the padded image, whose lines are `pitch` apart, to a row of
/// patches.
#[inline(always)]
fn copy<E: Copy, const WIDTH: usize>(
    [lines, columns]: [usize; 2],
    patches: &mut [E],
    padded: &[E],
    pitch: usize,
) {
    for line in 0..lines {
        let values = &padded[line * pitch..][..WIDTH];
        patches[line * columns..][..WIDTH].copy_from_slice(values);
    }
}

/// Adds `WIDTH` columns of a row of patches to the padded image, whose lines are `pitch` apart.
#[inline(always)]
fn add<E: Element, const WIDTH: usize>(
    [lines, columns]: [usize; 2],
    padded: &mut [E],
    patches: &[E],
    pitch: usize,
) {
    for line in 0..lines {
        let values = &patches[line * columns..][..WIDTH];
        for (sum, &value) in padded[line * pitch..][..WIDTH].iter_mut().zip(values) {
            *sum += value;
        }
    }
}
