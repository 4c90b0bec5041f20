//! Vectors of either element type, under any instruction set.

use pulp::{MemMask, Simd};

/// The vectors of an element type, under one instruction set.
pub(super) trait Vectors<E>: Simd {
    type Vector: Copy;
    /// The first lanes of a vector.
    type Mask: Copy;
    const LANES: usize = size_of::<Self::Vector>() / size_of::<E>();

    fn splat(self, x: E) -> Self::Vector;

    /// x · y + z
    fn multiply_add(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;

    fn mask(self, lanes: usize) -> Self::Mask;

    /// The values of the lanes in the mask, which must be there, and 0 in the others.
    ///
    /// # Safety
    ///
    /// As many values as the mask has lanes must be there.
    unsafe fn read(self, mask: Self::Mask, values: *const E) -> Self::Vector;

    /// Writes the lanes in the mask.
    ///
    /// # Safety
    ///
    /// There must be room for as many values as the mask has lanes.
    unsafe fn write(self, mask: Self::Mask, values: *mut E, vector: Self::Vector);
}

macro_rules! vectors {
    ($float:ident, $vector:ident, $splat:ident, $multiply_add:ident,
     $mask:ident, $between:ident, $read:ident, $write:ident) => {
        impl<S: Simd> Vectors<$float> for S {
            type Vector = S::$vector;
            type Mask = MemMask<S::$mask>;

            #[inline(always)]
            fn splat(self, x: $float) -> S::$vector {
                self.$splat(x)
            }

            #[inline(always)]
            fn multiply_add(self, x: S::$vector, y: S::$vector, z: S::$vector) -> S::$vector {
                self.$multiply_add(x, y, z)
            }

            #[inline(always)]
            fn mask(self, lanes: usize) -> Self::Mask {
                self.$between(0, lanes as _)
            }

            #[inline(always)]
            unsafe fn read(self, mask: Self::Mask, values: *const $float) -> S::$vector {
                // SAFETY: the caller vouches for the values.
                unsafe { self.$read(mask, values) }
            }

            #[inline(always)]
            unsafe fn write(self, mask: Self::Mask, values: *mut $float, vector: S::$vector) {
                // SAFETY: the caller vouches for the room.
                unsafe { self.$write(mask, values, vector) }
            }
        }
    };
}
vectors!(
    f32,
    f32s,
    splat_f32s,
    mul_add_e_f32s,
    m32s,
    mask_between_m32s,
    mask_load_ptr_f32s,
    mask_store_ptr_f32s
);
vectors!(
    f64,
    f64s,
    splat_f64s,
    mul_add_e_f64s,
    m64s,
    mask_between_m64s,
    mask_load_ptr_f64s,
    mask_store_ptr_f64s
);
