use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::{Array2, ArrayView2, ArrayViewMut2, ShapeBuilder, array, s};

use super::matmul::{affine, linear, matmul, matmul_onto, matmul_part};
use super::multiply::{SMALL, WORTH_THREADS};
use crate::element::Element;

#[test]
fn a_reversed_view_is_multiplied_as_it_reads() {
    let x = array![[1.0, 2.0], [3.0, 4.0]];
    let reversed = x.slice(s![..;-1, ..]);
    assert_eq!(matmul(reversed, x.view()), reversed.dot(&x));
    assert_eq!(matmul(x.view(), reversed.t()), x.dot(&reversed.t()));
}

#[test]
fn a_product_goes_onto_a_part_of_a_matrix() {
    let rng = |i: usize| (i as f64 * 0.7).sin();
    let x = Array2::from_shape_fn((150, 90), |(i, j)| rng(90 * i + j));
    let y = Array2::from_shape_fn((90, 200), |(i, j)| rng(200 * i + j + 7));
    let mut destination = Array2::ones((150, 230));
    matmul_part(destination.slice_mut(s![.., 20..220]), x.view(), y.view(), true, &[]);
    let expected = x.dot(&y) + 1.0;
    let difference = &destination.slice(s![.., 20..220]) - &expected;
    assert!(difference.iter().all(|x| x.abs() < 1e-12));
    assert!(destination.slice(s![.., ..20]).iter().all(|&x| x == 1.0));
    assert!(destination.slice(s![.., 220..]).iter().all(|&x| x == 1.0));

    matmul_part(destination.slice_mut(s![.., 20..220]), x.view(), y.view(), false, &[]);
    let difference = &destination.slice(s![.., 20..220]) - &x.dot(&y);
    assert!(difference.iter().all(|x| x.abs() < 1e-12));
    assert!(destination.slice(s![.., ..20]).iter().all(|&x| x == 1.0));
}

#[test]
#[should_panic(expected = "the rows of the destination must be contiguous")]
fn a_destination_in_columns_is_refused() {
    let (x, mut out) = (Array2::<f64>::ones((3, 3)), Array2::ones((3, 3)));
    matmul_part(out.view_mut().reversed_axes(), x.view(), x.view(), true, &[]);
}

/// A matrix in every direction, with gaps, with rows that overlap, with one number repeated, and of
/// one row or column however far apart they are said to be.
fn strided([rows, columns]: [usize; 2], values: &[f64]) -> Vec<ArrayView2<'_, f64>> {
    let view = |row: usize, column: usize| {
        ArrayView2::from_shape((rows, columns).strides((row, column)), values).unwrap()
    };
    let mut views = vec![view(columns, 1), view(1, rows), view(2 * columns + 1, 2)];
    views.extend([view(1, 1), view(0, 1), view(1, 0), view(0, 0), view(3, 0)]);
    for view in views.clone() {
        views.push(view.slice_move(s![..;-1, ..]));
        views.push(view.slice_move(s![.., ..;-1]));
        views.push(view.slice_move(s![..;-1, ..;-1]));
    }
    for far in [isize::MAX as usize, usize::MAX] {
        if rows == 1 {
            views.push(view(far, 1));
        }
        if columns == 1 {
            views.push(view(1, far));
        }
    }
    views
}

#[test]
fn a_product_of_any_strides_is_that_of_copies() {
    let values: Vec<f64> = (0..4000).map(|i| f64::from(i * 7 % 13) - 6.0).collect();
    for [rows, inner, columns] in [
        [0, 3, 2],
        [3, 0, 2],
        [3, 2, 0],
        [1, 1, 1],
        [1, 5, 1],
        [1, 3, 9],
        [8, 3, 1],
        [5, 1, 17],
        [50, 4, 6],
    ] {
        for left in strided([rows, inner], &values) {
            for right in strided([inner, columns], &values[5..]) {
                let case = format!("{:?} × {:?}", left.strides(), right.strides());
                let expected = left.as_standard_layout().dot(&right.as_standard_layout());
                assert_eq!(matmul(left, right), expected, "{case}");
                let mut onto = vec![1.0; rows * columns];
                matmul_onto(&mut onto, left, right);
                assert!(onto.iter().zip(&expected).all(|(x, y)| *x == y + 1.0), "{case}");
                let bias = &values[..columns];
                let expected = expected + ndarray::aview1(bias);
                assert!(affine(left, right, bias).iter().eq(&expected), "{case}");
            }
        }
    }
}

/// Writes a product with a single column, or row, to every view of one that is refused or not, and
/// compares all of the memory with what the plain loop leaves there.
#[test]
fn a_destination_is_written_in_place_or_refused() {
    let number = |i: usize| (i % 5) as f64 - 1.0;
    for [rows, columns] in [[8, 1], [1, 8], [4, 2], [1, 1], [2, 1], [0, 3], [3, 0]] {
        let left = Array2::from_shape_fn((rows, 3), |(i, j)| number(3 * i + j));
        let right = Array2::from_shape_fn((3, columns), |(i, j)| number(columns * i + j + 2));
        for [row_step, column_step] in [[1, 1], [-1, 1], [1, -1], [2, 1], [-2, 1], [1, 2], [3, -2]]
        {
            let size = |len: usize, step: isize| len.saturating_sub(1) * step.unsigned_abs() + 1;
            let shape = (size(rows, row_step), size(columns, column_step) + 1);
            let mut memory = Array2::from_elem(shape, 0.5);
            let mut expected = memory.clone();
            let taken = |matrix: &mut Array2<f64>, write: &dyn Fn(ArrayViewMut2<'_, f64>)| {
                let view = matrix.slice_mut(s![..;row_step, ..-1;column_step]);
                write(view.slice_move(s![..rows, ..columns]));
            };
            let is_refused = catch_unwind(AssertUnwindSafe(|| {
                taken(&mut memory, &|out| matmul_part(out, left.view(), right.view(), true, &[]));
            }))
            .is_err();
            if !is_refused {
                taken(&mut expected, &|mut out| out += &left.dot(&right));
            }
            assert_eq!(memory, expected, "{rows} × {columns} by {row_step}, {column_step}");
            let is_plain = (rows < 2 || row_step > 0) && (columns < 2 || column_step == 1);
            assert_eq!(is_refused, !is_plain && rows * columns > 0, "{row_step}, {column_step}");
        }
    }
}

#[test]
#[should_panic(
    expected = "matmul: the product of [8589934592, 0] and [0, 2147483648] is too large"
)]
fn a_product_that_no_memory_has_room_for_is_refused() {
    let (left, right) = (Array2::<f32>::zeros((1 << 33, 0)), Array2::zeros((0, 1 << 31)));
    matmul(left.view(), right.view());
}

#[test]
fn a_product_has_the_same_bits_whatever_the_number_of_threads() {
    let number = |i: usize| (i as f32 * 0.7).sin();
    // Those in tiles and those by `gemm` are worth threads, in rows or in columns.
    let small = [[91, 80, 77], [77, 80, 91], [64, 784, 128]];
    // Of the last ones halves would be added up in another order, if they were cut.
    let large = [[150, 400, 203], [40, 500, 530], [64, 1100, 128], [17, 8000, 66]];
    let narrow = [[300, 15_000, 2], [100, 90_000, 1], [1, 90_000, 100]];
    let few = [[50, 3000, 60], [20, 22_000, 20]];
    let multiplications = |shape: &[usize; 3]| shape.iter().product::<usize>();
    assert!(small.iter().all(|shape| multiplications(shape) <= SMALL));
    assert!(large.iter().chain(&narrow).chain(&few).all(|shape| multiplications(shape) > SMALL));
    for [rows, inner, columns] in [&small[..], &large, &narrow, &few].concat() {
        assert!(rows * inner * columns >= 2 * WORTH_THREADS);
        let x = Array2::from_shape_fn((rows, inner), |(i, j)| number(inner * i + j));
        let y = Array2::from_shape_fn((inner, columns), |(i, j)| number(columns * i + j + 7));
        let bias: Vec<f32> = (0..columns).map(number).collect();
        for right in [y.view(), y.t().as_standard_layout().view().reversed_axes()] {
            let bits = |threads: usize| -> Vec<u32> {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let affine = || affine(x.view(), right, &bias);
                pool.build().unwrap().install(affine).into_iter().map(f32::to_bits).collect()
            };
            assert_eq!(bits(1), bits(4), "{rows} × {inner} × {columns}");
        }
    }
}

#[test]
fn a_large_product_is_that_of_ndarray_in_every_layout() {
    let number = |i: usize| (i as f64 * 0.7).sin();
    let x = Array2::from_shape_fn((210, 220), |(i, j)| number(220 * i + j));
    let y = Array2::from_shape_fn((220, 230), |(i, j)| number(230 * i + j + 7));
    let bias: Vec<f64> = (0..230).map(number).collect();
    let expected = x.dot(&y);
    assert!(x.len() * y.ncols() > SMALL);
    let check = |found: &[f64], expected: &Array2<f64>| {
        assert_eq!(found.len(), expected.len());
        let is_near = |(found, expected): (&f64, &f64)| (found - expected).abs() < 1e-12;
        assert!(found.iter().zip(expected).all(is_near));
    };
    let (x_columns, y_columns) =
        (x.t().as_standard_layout().into_owned(), y.t().as_standard_layout().into_owned());
    for left in [x.view(), x_columns.t()] {
        for right in [y.view(), y_columns.t()] {
            check(&linear(left, right), &expected);
            check(&affine(left, right, &bias), &(&expected + &ndarray::aview1(&bias)));
            let mut onto = vec![1.0; expected.len()];
            matmul_onto(&mut onto, left, right);
            check(&onto, &(&expected + 1.0));
            let [left, right] = [left, right].map(|x| x.mapv(|x| x as f32));
            let found = linear(left.view(), right.view());
            assert!(found.iter().zip(&expected).all(|(x, y)| (f64::from(*x) - y).abs() < 1e-4));
        }
    }
}

#[test]
fn a_product_without_terms_is_zero_and_accumulates_nothing() {
    let (x, y) = (Array2::<f64>::zeros((2, 0)), Array2::<f64>::zeros((0, 3)));
    assert_eq!(matmul(x.view(), y.view()), Array2::<f64>::zeros((2, 3)));
    let mut sum = vec![1.0; 6];
    matmul_onto(&mut sum, x.view(), y.view());
    assert_eq!(sum, [1.0; 6]);
}

/// Small integers, which add up exactly in any order.
fn numbers<E: Element>(count: usize, step: usize) -> Vec<E> {
    (0..count).map(|i| E::from_f64((i * step % 13) as f64 - 6.0)).collect()
}

/// A matrix of every layout: dense in rows, dense in columns, and a part of a larger one.
fn layouts<E: Element>(values: &[E], [rows, columns]: [usize; 2]) -> [ArrayView2<'_, E>; 3] {
    let view = |strides| {
        ArrayView2::from_shape((rows, columns).strides(strides), values)
            .expect("the values reach to the end of the matrix")
    };
    [view((columns, 1)), view((1, rows)), view((columns + 3, 1))]
}

fn products_equal_plain_loops<E: Element>() {
    for rows in [1, 2, 3, 5, 6, 7, 8, 13, 16] {
        for columns in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70] {
            for inner in [0, 1, 2, 5, 20] {
                check_product::<E>([rows, inner, columns]);
            }
        }
    }
    // Of several panels, which are copied.
    for shape in [[48, 129, 65], [61, 300, 100], [50, 513, 31]] {
        check_product::<E>(shape);
    }
}

fn check_product<E: Element>([rows, inner, columns]: [usize; 3]) {
    let (x, y) = (numbers(rows * (inner + 3), 7), numbers((inner + 1) * (columns + 3), 5));
    let bias = numbers::<E>(columns, 3);
    for left in layouts(&x, [rows, inner]) {
        for right in layouts(&y, [inner, columns]) {
            let expected = Array2::from_shape_fn((rows, columns), |(row, column)| {
                (0..inner).map(|k| left[[row, k]] * right[[k, column]]).sum::<E>()
            });
            assert_eq!(matmul(left, right), expected, "{left:?} × {right:?}");
            let mut larger = Array2::from_elem((rows, columns + 2), E::one());
            let part = larger.slice_mut(ndarray::s![.., 1..=columns]);
            matmul_part(part, left, right, true, &x);
            let mut expected_larger = Array2::from_elem((rows, columns + 2), E::one());
            let mut part = expected_larger.slice_mut(ndarray::s![.., 1..=columns]);
            part += &expected;
            assert_eq!(larger, expected_larger, "1 + {left:?} × {right:?}");
            let mut with_bias = expected;
            for mut row in with_bias.rows_mut() {
                row.iter_mut().zip(&bias).for_each(|(value, &bias)| *value += bias);
            }
            let found = affine(left, right, &bias);
            assert_eq!(found, with_bias.into_raw_vec_and_offset().0, "{left:?} × {right:?} + b");
        }
    }
}

#[test]
fn products_equal_plain_loops_on_ragged_sizes_in_every_layout() {
    products_equal_plain_loops::<f32>();
    products_equal_plain_loops::<f64>();
}

#[test]
fn what_lies_beyond_a_row_does_not_leak_into_the_product() {
    let x = Array2::<f32>::ones((3, 4));
    let y = Array2::from_shape_fn((4, 6), |(_, j)| if j < 5 { 2.0 } else { f32::NAN });
    let product = matmul(x.view(), y.slice(ndarray::s![.., ..5]));
    assert_eq!(product, Array2::from_elem((3, 5), 8.0));
}
