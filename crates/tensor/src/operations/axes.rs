//! Which axes an operation works on.

/// One or several axes of a tensor. A negative number counts from the last: −1 is the last axis.
///
/// Made from a number or an array of numbers where a method takes `impl Into<Axes>`; wrapped in
/// [`keep`], the axes stay in the result with length 1, so that it broadcasts against the input.
///
/// ```
/// use downhill_tensor::{Tensor, keep};
///
/// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!(x.sum_axes(0).to_vec(), [4.0, 6.0]);
/// assert_eq!(x.sum_axes([0, 1]).item(), 10.0);
/// assert_eq!(x.sum_axes(keep(-1)).shape(), [2, 1]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes {
    axes: Vec<isize>,
    keep: bool,
}

/// The same axes, which stay in the result with length 1.
pub fn keep(axes: impl Into<Axes>) -> Axes {
    Axes { keep: true, ..axes.into() }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Self {
        Self { axes: vec![axis], keep: false }
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Self {
        Self { axes: axes.to_vec(), keep: false }
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Self {
        Self { axes: axes.to_vec(), keep: false }
    }
}

impl Axes {
    /// Whether the axes stay in the result.
    pub(super) fn kept(&self) -> bool {
        self.keep
    }

    /// The axes of a tensor with `shape`, ascending.
    #[track_caller]
    pub(super) fn resolve(&self, name: &str, shape: &[usize]) -> Vec<usize> {
        let mut axes = Vec::with_capacity(self.axes.len());
        // Not in a closure, into which `track_caller` would not reach.
        for &axis in &self.axes {
            axes.push(resolve(name, axis, shape));
        }
        axes.sort_unstable();
        let distinct = axes.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(distinct, "{name}: axes {:?} of shape {shape:?} name one axis twice", self.axes);
        axes
    }
}

/// The position of `axis`, which may be negative, in `shape`.
#[track_caller]
pub(super) fn resolve(name: &str, axis: isize, shape: &[usize]) -> usize {
    let rank = shape.len() as isize;
    let position = if axis < 0 { axis + rank } else { axis };
    assert!(
        (0..rank).contains(&position),
        "{name}: axis {axis} is out of range for shape {shape:?}, which has {rank} axes"
    );
    position as usize
}
