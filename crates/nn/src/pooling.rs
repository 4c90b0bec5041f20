//! Pooling: the largest value or the mean under a window.

#[cfg(test)]
mod tests;

use std::hint::select_unpredictable;
use std::ops::Range;

use downhill_kernels::{buffer, each_chunk, each_pair_of_chunks};
use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Fused, Tensor, fused};
use ndarray::ArrayD;

use crate::convolution::convolution;
use crate::description::Description;
use crate::error::Error;
use crate::module::same_in_training;
use crate::window::{Pair, Window};

/// The largest value under a window that slides over each channel: input `[N, C, H, W]`, output
/// `[N, C, H′, W′]` with H′ = ⌊(H + 2 · padding − kernel) / stride⌋ + 1, and W′ alike.
///
/// A window that holds NaN gives NaN. The gradient goes to the first of equal values.
///
/// ```
/// use downhill_nn::MaxPool2d;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::from([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 7.0, 6.0]]).reshape(&[1, 1, 2, 4]);
/// assert_eq!(MaxPool2d::new(2).forward(&x).to_vec(), [5.0, 7.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxPool2d {
    window: Window,
}

/// The mean under a window that slides over each channel: input `[N, C, H, W]`, output
/// `[N, C, H′, W′]` with H′ = ⌊(H + 2 · padding − kernel) / stride⌋ + 1, and W′ alike.
///
/// Padding counts as zeros, as it does by default in PyTorch; see
/// [`exclude_padding`](Self::exclude_padding).
///
/// ```
/// use downhill_nn::AvgPool2d;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::from([[1.0, 5.0, 2.0, 0.0], [3.0, 3.0, 8.0, 6.0]]).reshape(&[1, 1, 2, 4]);
/// assert_eq!(AvgPool2d::new(2).forward(&x).to_vec(), [3.0, 4.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AvgPool2d {
    window: Window,
    excludes_padding: bool,
}

macro_rules! pooling {
    ($layer:ident, $name:literal $(, $field:ident: $start:expr)?) => {
        impl $layer {
            /// A window of `kernel`, one number or two, that moves by its own size.
            ///
            /// # Panics
            ///
            /// If the kernel is empty.
            #[track_caller]
            pub fn new(kernel: impl Into<Pair>) -> Self {
                let kernel = kernel.into();
                Self { window: Window::new($name, kernel, kernel) $(, $field: $start)? }
            }

            /// Moves the window by `stride` from one output to the next.
            ///
            /// # Panics
            ///
            /// If it is 0.
            #[track_caller]
            pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
                self.window = self.window.stride($name, stride.into());
                self
            }

            /// Surrounds the images with `padding` on every side.
            ///
            /// # Panics
            ///
            /// If it is more than half the kernel, so that a window could lie wholly outside.
            #[track_caller]
            pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
                let (padding, kernel) = (padding.into(), self.window.kernel());
                assert!(
                    padding.0 <= kernel.0 / 2 && padding.1 <= kernel.1 / 2,
                    "{}: a padding of {padding} is more than half the kernel, {kernel}",
                    $name
                );
                self.window = self.window.padding(padding);
                self
            }

            /// The height and width of the output, and the shape of the input.
            #[track_caller]
            fn sizes<E: Element>(&self, x: &Tensor<E>) -> ([usize; 2], [usize; 4]) {
                let &[images, channels, height, width] = x.shape() else {
                    panic!(
                        "{}: the input has shape {:?}; [N, C, H, W] is needed",
                        $name,
                        x.shape()
                    );
                };
                let positions = self.window.positions($name, [height, width]);
                (positions, [images, channels, height, width])
            }
        }

        same_in_training!($layer, |pool: &$layer| {
            Description::new(format!(concat!($name, "({})"), pool.window))
        });
    };
}
pooling!(MaxPool2d, "MaxPool2d");
pooling!(AvgPool2d, "AvgPool2d", excludes_padding: false);

impl MaxPool2d {
    /// The largest value at each position of the window.
    ///
    /// # Panics
    ///
    /// If x does not have four axes, or its images are smaller than the kernel or of more than
    /// 2³² − 1 points.
    #[inline(never)]
    #[track_caller]
    pub fn forward<E: Element>(&self, x: &Tensor<E>) -> Tensor<E> {
        let ([rows, columns], [images, channels, height, width]) = self.sizes(x);
        let (area, positions) = (height * width, rows * columns);
        assert!(u32::try_from(area).is_ok(), "MaxPool2d: an image of {area} points is too large");
        let len = images * channels * positions;
        let (xs, mut values, mut winners) = (x.values(), buffer(len), vec![0; len]);
        let [ys_of, xs_of] =
            [(0, rows, height), (1, columns, width)].map(|(axis, count, length)| {
                (0..count).map(|position| self.covered(axis, position, length)).collect::<Vec<_>>()
            });
        each_pair_of_chunks(
            (&mut values, positions),
            (&mut winners, positions),
            x.len() >= WORTH_THREADS,
            || (),
            |(), index, values, winners| {
                let plane = &xs[index * area..][..area];
                let mut out = values.iter_mut().zip(winners);
                for ys in &ys_of {
                    for (xs, (value, winner)) in xs_of.iter().zip(&mut out) {
                        (*value, *winner) = largest(plane, width, ys, xs);
                    }
                }
            },
        );
        let value = ArrayD::from_shape_vec(&[images, channels, rows, columns][..], values)
            .expect("one value for each position");
        fused(&[x], value, || Largest { window: self.window, winners, positions: [rows, columns] })
    }

    /// What the window covers of an axis of `length`, which is something: the padding is less
    /// than the kernel.
    fn covered(&self, axis: usize, position: usize, length: usize) -> Range<usize> {
        let span = self.window.0[axis];
        let start = position * span.stride;
        start.saturating_sub(span.padding)..(start + span.kernel - span.padding).min(length)
    }
}

/// The largest value of a part of a plane, or NaN if there is one, and where it stands.
#[inline(always)]
fn largest<E: Element>(
    plane: &[E],
    width: usize,
    ys: &Range<usize>,
    xs: &Range<usize>,
) -> (E, u32) {
    let mut winner = ys.start * width + xs.start;
    for y in ys.clone() {
        for place in y * width + xs.start..y * width + xs.end {
            let (value, largest) = (plane[place], plane[winner]);
            // Nothing is greater than NaN. A branch would be foreseen wrongly half the time.
            let larger = (value > largest) | value.is_nan();
            winner = select_unpredictable(larger, place, winner);
        }
    }
    (plane[winner], winner as u32)
}

fn write_largest(x: &str, window: Window, export: &mut Export) -> String {
    export.node("MaxPool", &[x], window.attributes())
}

/// Planes with fewer values together are not worth waking another thread for.
const WORTH_THREADS: usize = 1 << 16;

/// The values at some places of each plane.
struct Largest {
    window: Window,
    /// Where they stand in their plane.
    winners: Vec<u32>,
    /// Their rows and columns.
    positions: [usize; 2],
}

impl<E: Element> Fused<E> for Largest {
    fn name(&self) -> &str {
        "max_pool2d"
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let &[images, channels, height, width] = inputs[0].shape() else {
            unreachable!("the layer has checked the shape")
        };
        let [rows, columns] = self.positions;
        let winners = self.winners.iter().map(|&winner| winner as usize).collect();
        let winners = ArrayD::from_shape_vec(&[images * channels, rows * columns][..], winners)
            .expect("one winner for each position");
        let planes = inputs[0].reshape(&[images * channels, height * width]);
        planes.gather(-1, &winners).reshape(&[images, channels, rows, columns])
    }

    fn export(&self, inputs: &[&str], _: &Tensor<E>, export: &mut Export) -> Option<String> {
        Some(write_largest(inputs[0], self.window, export))
    }

    fn vjp(
        &self,
        _index: usize,
        gradient: Tensor<E>,
        _output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        let &[_, _, height, width] = inputs[0].shape() else {
            unreachable!("the layer has checked the shape")
        };
        let (gradients, mut out) = (gradient.values(), buffer(inputs[0].len()));
        let (worth_threads, positions) =
            (out.len() >= WORTH_THREADS, self.positions.iter().product::<usize>());
        each_chunk(
            &mut out,
            height * width,
            worth_threads,
            || (),
            |(), index, out| {
                let part = index * positions..(index + 1) * positions;
                out.fill(E::zero());
                for (&winner, &gradient) in self.winners[part.clone()].iter().zip(&gradients[part])
                {
                    out[winner as usize] += gradient;
                }
            },
        );
        ArrayD::from_shape_vec(inputs[0].shape(), out).expect("one for each input").into()
    }
}

impl AvgPool2d {
    /// Takes the mean of the values inside the image alone.
    pub fn exclude_padding(self) -> Self {
        Self { excludes_padding: true, ..self }
    }

    /// The mean at each position of the window.
    ///
    /// # Panics
    ///
    /// If x does not have four axes, or its images are smaller than the kernel.
    #[inline(never)]
    #[track_caller]
    pub fn forward<E: Element>(&self, x: &Tensor<E>) -> Tensor<E> {
        let ([rows, columns], [images, channels, height, width]) = self.sizes(x);
        let Pair(down, along) = self.window.kernel();
        let share = E::from_usize(down * along).recip();
        // A mean is a convolution of each channel, by itself, with equal weights.
        let weight = Tensor::full(&[1, 1, down, along], share);
        let mean = |planes: &Tensor<E>| convolution(planes, &weight, None, self.window, 1);
        let means = mean(&x.reshape(&[images * channels, 1, height, width]));
        let means = match self.excludes_padding {
            true => means / mean(&Tensor::ones(&[1, 1, height, width])),
            false => means,
        };
        means.reshape(&[images, channels, rows, columns])
    }
}

impl MaxPool2d {
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        Ok(write_largest(&x, self.window, export))
    }
}

impl AvgPool2d {
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let mut attributes = self.window.attributes();
        let counts_padding = Attribute::Integer(i64::from(!self.excludes_padding));
        attributes.push(("count_include_pad", counts_padding));
        Ok(export.node("AveragePool", &[&x], attributes))
    }
}
