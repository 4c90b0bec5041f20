//! The numbers a tensor may hold.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::str::FromStr;

use bytemuck::Pod;
use num_traits::{Float, FloatConst, NumAssign};

use crate::buffers::Pooled;
use crate::functions::elementary::Elementary;
use crate::product::multiply::Multiply;

/// A floating-point number that a tensor can hold: `f32` or `f64`.
///
/// The trait is sealed. It carries what generic numeric code needs (all of
/// [`num_traits::Float`]), the [elementary functions](Elementary) in a form that vectorises, and
/// conversions by which constants are written:
///
/// ```
/// use downhill_kernels::Element;
///
/// fn half<E: Element>(x: E) -> E {
///     x * E::from_f64(0.5)
/// }
/// assert_eq!(half(3.0_f32), 1.5);
/// ```
///
/// Its numbers can be taken for the bytes that they are ([`bytemuck::Pod`]), as files hold them.
pub trait Element:
    Float
    + FloatConst
    + NumAssign
    + FromStr
    + Sum
    + Default
    + Debug
    + Display
    + Send
    + Sync
    + Pod
    + Elementary
    + Pooled
    + Multiply
    + 'static
{
    /// The nearest number of this type to `value`.
    fn from_f64(value: f64) -> Self;

    /// The nearest number of this type to `value`; counts up to 2²⁴ are exact in `f32`.
    fn from_usize(value: usize) -> Self {
        Self::from_f64(value as f64)
    }

    /// This number as an `f64`, exactly.
    fn as_f64(self) -> f64;
}

impl Element for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn as_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Element for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }

    fn as_f64(self) -> f64 {
        self
    }
}
