//! A matrix copied so that its columns become rows.

use std::ops::Range;

/// The number of rows and of columns of a square that is copied in registers.
const SQUARE: usize = 4;

/// Copies a matrix of any strides to rows that begin `width` numbers apart. It is fastest where the
/// columns are contiguous.
///
/// # Safety
///
/// The matrix must be there, and room for its copy.
#[inline(always)]
pub(super) unsafe fn copy_to_rows<E: Copy>(
    from: *const E,
    strides: [isize; 2],
    to: *mut E,
    width: usize,
    [rows, columns]: [usize; 2],
) {
    // The rows and columns that are copied in squares.
    let whole = match size_of::<E>() == size_of::<f32>() && strides[0] == 1 {
        true => [rows, columns].map(|length| length / SQUARE * SQUARE),
        false => [0; 2],
    };
    for row in (0..whole[0]).step_by(SQUARE) {
        for column in (0..whole[1]).step_by(SQUARE) {
            let from = from.wrapping_offset(row as isize + column as isize * strides[1]);
            // SAFETY: the square is inside the matrix.
            unsafe {
                let to = to.add(row * width + column);
                copy_square(from.cast(), strides[1], to.cast(), width);
            }
        }
    }
    let copy_singly = |rows: Range<usize>, columns: Range<usize>| {
        if columns.is_empty() {
            return;
        }
        for row in rows {
            let from = from.wrapping_offset(row as isize * strides[0]);
            for column in columns.clone() {
                // SAFETY: the number is one of the matrix.
                unsafe {
                    *to.add(row * width + column) = *from.offset(column as isize * strides[1]);
                }
            }
        }
    };
    copy_singly(0..whole[0], whole[1]..columns);
    copy_singly(whole[0]..rows, 0..columns);
}

/// Copies a square in registers. Compilers do not find this for themselves: they load and store every
/// number singly.
///
/// # Safety
///
/// There must be contiguous columns, `stride` numbers apart, and room for the rows.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn copy_square(from: *const f32, stride: isize, to: *mut f32, width: usize) {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    // SAFETY: the caller vouches for the columns and the rows.
    unsafe {
        let [a, b, c, d] = [0, 1, 2, 3].map(|column| _mm_loadu_ps(from.offset(column * stride)));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        _mm_storeu_ps(to, _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.add(width), _mm_movehl_ps(cd, ab));
        let (ab, cd) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(to.add(2 * width), _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.add(3 * width), _mm_movehl_ps(cd, ab));
    }
}

/// # Safety
///
/// There must be contiguous columns, `stride` numbers apart, and room for the rows.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
unsafe fn copy_square(from: *const f32, stride: isize, to: *mut f32, width: usize) {
    for row in 0..SQUARE {
        for column in 0..SQUARE {
            // SAFETY: the caller vouches for the columns and the rows.
            unsafe {
                *to.add(row * width + column) = *from.offset(column as isize * stride).add(row);
            }
        }
    }
}
