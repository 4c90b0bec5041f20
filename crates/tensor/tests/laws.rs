//! What must hold for any input.

use downhill_tensor::{Tensor, grad, keep};
use proptest::prelude::*;

fn numbers(count: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-20.0..20.0, count)
}

/// A matrix of 1 to 5 rows and columns.
fn matrix() -> impl Strategy<Value = Tensor<f64>> {
    (1_usize..6, 1_usize..6).prop_flat_map(|(rows, columns)| {
        numbers(rows * columns)
            .prop_map(move |values| Tensor::from_shape_vec(&[rows, columns], values).unwrap())
    })
}

fn close(x: &Tensor<f64>, y: &Tensor<f64>, tolerance: f64) -> bool {
    let pairs = x.to_vec().into_iter().zip(y.to_vec());
    x.shape() == y.shape()
        && pairs.into_iter().all(|(x, y)| (x - y).abs() <= tolerance * (1.0 + x.abs().max(y.abs())))
}

proptest! {
    #[test]
    fn softmax_rows_are_positive_and_sum_to_one(x in matrix()) {
        let p = x.softmax(-1);
        prop_assert!(p.to_vec().iter().all(|&p| (0.0..=1.0).contains(&p)));
        let ones = Tensor::ones(&[x.shape()[0]]);
        prop_assert!(close(&p.sum_axes(-1), &ones, 1e-14));
    }

    #[test]
    fn softmax_and_log_softmax_are_unchanged_by_a_shift(x in matrix(), shift in -1e3_f64..1e3) {
        prop_assert!(close(&(&x + shift).softmax(-1), &x.softmax(-1), 1e-11));
        prop_assert!(close(&(&x + shift).log_softmax(-1), &x.log_softmax(-1), 1e-11));
    }

    #[test]
    fn log_sum_exp_lies_between_the_largest_and_that_plus_ln_n(x in matrix()) {
        let n = x.shape()[1] as f64;
        let (log_sum, max) = (x.log_sum_exp_axes(-1), x.max_axes(-1));
        for (log_sum, max) in log_sum.to_vec().into_iter().zip(max.to_vec()) {
            prop_assert!(log_sum >= max && log_sum <= max + n.ln() + 1e-12);
        }
    }

    #[test]
    fn the_gradient_of_a_sum_is_the_sum_of_the_gradients(x in matrix(), a in -3.0_f64..3.0) {
        let x = Tensor::parameter(x);
        let (f, g) = (x.tanh().sum(), x.softmax(0).square().sum());
        let both = &grad(&(&f + &g * a), &[&x])[0];
        let apart = &grad(&f, &[&x])[0] + &grad(&g, &[&x])[0] * a;
        prop_assert!(close(both, &apart, 1e-13));
    }

    #[test]
    fn transposing_a_product_swaps_and_transposes_its_factors(x in matrix(), y in matrix()) {
        let y = Tensor::ones(&[x.shape()[1], y.shape()[0]]).matmul(&y);
        prop_assert!(close(
            &x.matmul(&y).transpose(), &y.transpose().matmul(&x.transpose()), 1e-12,
        ));
    }

    #[test]
    fn reducing_axes_one_by_one_is_reducing_them_together(x in matrix()) {
        prop_assert!(close(&x.sum_axes(0).sum_axes(0), &x.sum(), 1e-13));
        prop_assert!(close(&x.log_sum_exp_axes(0).log_sum_exp_axes(0), &x.log_sum_exp(), 1e-13));
        prop_assert!(close(&x.max_axes(1).max(), &x.max(), 0.0));
        prop_assert!(close(&x.mean_axes(keep(0)).mean(), &x.mean(), 1e-13));
    }

    #[test]
    fn scattering_is_the_transpose_of_selecting(
        values in numbers(8), other in numbers(12), rows in prop::collection::vec(0_usize..4, 6),
    ) {
        let x = Tensor::from_shape_vec(&[4, 2], values).unwrap();
        let y = Tensor::from_shape_vec(&[6, 2], other).unwrap();
        let left = (x.select_rows(&rows) * &y).sum().item();
        let right = (x * y.scatter_rows(&rows, 4)).sum().item();
        prop_assert!((left - right).abs() < 1e-9);
    }

    #[test]
    fn f32_agrees_with_f64(x in prop::collection::vec(-30.0_f32..30.0, 1..200)) {
        let wide = Tensor::from(x.iter().copied().map(f64::from).collect::<Vec<_>>());
        let narrow = Tensor::from(x);
        // The largest value and the logarithm that is added to it may cancel.
        let largest = wide.max().item();
        let pairs = [
            (narrow.log_sum_exp(), wide.log_sum_exp(), largest),
            (narrow.softmax(0).max(), wide.softmax(0).max(), 0.0),
            (narrow.sigmoid().mean(), wide.sigmoid().mean(), 0.0),
            (narrow.softplus().mean(), wide.softplus().mean(), 0.0),
        ];
        for (narrow, wide, term) in pairs {
            let (narrow, wide) = (f64::from(narrow.item()), wide.item());
            // A few units in the last place of f32 (6e-8 each).
            let size = wide.abs().max(term.abs()).max(1e-30);
            prop_assert!((narrow - wide).abs() <= 5e-7 * size, "{narrow} {wide}");
        }
    }
}
