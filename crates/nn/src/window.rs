//! A window that slides over the last two axes, as convolution and pooling have it.

use std::fmt;

use downhill_tensor::export::Attribute;

/// A number for each of the two axes of an image, height before width. One number alone stands
/// for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair(pub usize, pub usize);

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self(both, both)
    }
}

impl From<[usize; 2]> for Pair {
    fn from([height, width]: [usize; 2]) -> Self {
        Self(height, width)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.0, self.1)
    }
}

/// The window along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) dilation: usize,
}

impl Span {
    /// The number of positions on an axis of `length`, if there is one at all:
    /// ⌊(length + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1.
    fn positions(&self, length: usize) -> Option<usize> {
        let covered = self.dilation.checked_mul(self.kernel - 1)?.checked_add(1)?;
        let room = self.padding.checked_mul(2)?.checked_add(length)?.checked_sub(covered)?;
        Some(room / self.stride + 1)
    }
}

/// The window along both axes, height first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(pub(crate) [Span; 2]);

impl Window {
    /// A window of `kernel` that moves by `stride`.
    ///
    /// # Panics
    ///
    /// If either is 0 along an axis.
    #[track_caller]
    pub(crate) fn new(layer: &str, kernel: Pair, stride: Pair) -> Self {
        assert!(kernel.0 > 0 && kernel.1 > 0, "{layer}: a kernel of {kernel} holds nothing");
        let span = |kernel, stride| Span { kernel, stride, padding: 0, dilation: 1 };
        Self([span(kernel.0, 1), span(kernel.1, 1)]).stride(layer, stride)
    }

    #[track_caller]
    pub(crate) fn stride(self, layer: &str, stride: Pair) -> Self {
        assert!(stride.0 > 0 && stride.1 > 0, "{layer}: a stride of {stride} stands still");
        let [height, width] = self.0;
        Self([Span { stride: stride.0, ..height }, Span { stride: stride.1, ..width }])
    }

    pub(crate) fn padding(self, padding: Pair) -> Self {
        let [height, width] = self.0;
        Self([Span { padding: padding.0, ..height }, Span { padding: padding.1, ..width }])
    }

    #[track_caller]
    pub(crate) fn dilation(self, layer: &str, dilation: Pair) -> Self {
        let Pair(rows, columns) = dilation;
        assert!(rows > 0 && columns > 0, "{layer}: a dilation of {dilation} covers one point");
        let [height, width] = self.0;
        Self([Span { dilation: rows, ..height }, Span { dilation: columns, ..width }])
    }

    pub(crate) fn kernel(&self) -> Pair {
        Pair(self.0[0].kernel, self.0[1].kernel)
    }

    /// The height and width of the output for an image of `size`.
    ///
    /// # Panics
    ///
    /// If the window does not fit into the padded image.
    #[track_caller]
    pub(crate) fn positions(&self, layer: &str, size: [usize; 2]) -> [usize; 2] {
        let [height, width] = self.0;
        match (height.positions(size[0]), width.positions(size[1])) {
            (Some(rows), Some(columns)) => [rows, columns],
            _ => panic!("{layer}: {self} does not fit into an image of {}", Pair(size[0], size[1])),
        }
    }
}

impl Window {
    /// The window as ONNX's operators take it; the padding of all sides, first the upper and left.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let of = |part: fn(&Span) -> usize| self.0.iter().map(move |span| part(span) as i64);
        let pads = of(|span| span.padding).chain(of(|span| span.padding)).collect();
        vec![
            ("kernel_shape", Attribute::Integers(of(|span| span.kernel).collect())),
            ("strides", Attribute::Integers(of(|span| span.stride).collect())),
            ("dilations", Attribute::Integers(of(|span| span.dilation).collect())),
            ("pads", Attribute::Integers(pads)),
        ]
    }

    /// Those of a convolution in groups of channels.
    pub(crate) fn convolution_attributes(&self, groups: usize) -> Vec<(&'static str, Attribute)> {
        let group = ("group", Attribute::Integer(groups as i64));
        self.attributes().into_iter().chain([group]).collect()
    }
}

/// The kernel, and what differs from the defaults of a convolution.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kernel())?;
        let of = |part: fn(&Span) -> usize| Pair(part(&self.0[0]), part(&self.0[1]));
        for (name, value, default) in [
            ("stride", of(|span| span.stride), 1),
            ("padding", of(|span| span.padding), 0),
            ("dilation", of(|span| span.dilation), 1),
        ] {
            if value != default.into() {
                write!(f, ", {name} {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_prints_what_is_out_of_the_ordinary() {
        let window = Window::new("Conv2d", 3.into(), 1.into());
        assert_eq!(window.to_string(), "3×3");
        let window = window.stride("Conv2d", [2, 1].into()).padding(1.into());
        assert_eq!(window.to_string(), "3×3, stride 2×1, padding 1×1");
        assert_eq!(
            window.dilation("Conv2d", 2.into()).to_string(),
            format!("{window}, dilation 2×2")
        );
    }
}
