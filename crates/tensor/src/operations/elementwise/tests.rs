use super::*;
use crate::grad;
use crate::testing::check_unary;

#[test]
fn derivatives_agree_with_differences() {
    check_unary(&Tensor::exp, -2.0, 2.0);
    check_unary(&Tensor::exp_m1, -2.0, 2.0);
    check_unary(&Tensor::square, -2.0, 2.0);
    check_unary(&Tensor::abs, -2.0, 2.0);
    check_unary(&Tensor::sin, -2.0, 2.0);
    check_unary(&Tensor::cos, -2.0, 2.0);
    check_unary(&Tensor::tanh, -2.0, 2.0);
    check_unary(&Tensor::sigmoid, -2.0, 2.0);
    check_unary(&Tensor::log_sigmoid, -2.0, 2.0);
    check_unary(&Tensor::softplus, -2.0, 2.0);
    check_unary(&Tensor::relu, -2.0, 2.0);
    check_unary(&|x| x.leaky_relu(0.1), -2.0, 2.0);
    check_unary(&|x| x.clamp(-1.005, 0.755), -2.0, 2.0);
    check_unary(&Tensor::normal_cdf, -2.0, 2.0);
    check_unary(&Tensor::gelu, -2.0, 2.0);
    check_unary(&Tensor::gelu_tanh, -2.0, 2.0);
    check_unary(&Tensor::silu, -2.0, 2.0);
    // Kinks have no curvature of their own; through a curved function they pass it on.
    check_unary(&|x| x.relu().square(), -2.0, 2.0);
    check_unary(&Tensor::ln, 0.3, 2.0);
    check_unary(&Tensor::ln_1p, 0.3, 2.0);
    check_unary(&Tensor::sqrt, 0.3, 2.0);
    check_unary(&Tensor::reciprocal, 0.3, 2.0);
}

/// The functions of x, and their second derivatives in closed form.
#[test]
fn second_derivatives_are_the_known_ones() {
    let second = |f: fn(&Tensor<f64>) -> Tensor<f64>, at: f64| {
        let x = Tensor::parameter(at);
        let first = grad(&f(&x), &[&x]).remove(0);
        grad(&first, &[&x])[0].item()
    };
    for x in [-3.0_f64, -0.7, 0.0, 0.4, 2.5] {
        let (t, s) = (x.tanh(), 1.0 / (1.0 + (-x).exp()));
        approx::assert_abs_diff_eq!(
            second(Tensor::tanh, x),
            -2.0 * t * (1.0 - t * t),
            epsilon = 1e-14
        );
        approx::assert_abs_diff_eq!(
            second(Tensor::sigmoid, x),
            s * (1.0 - s) * (1.0 - 2.0 * s),
            epsilon = 1e-14
        );
        approx::assert_abs_diff_eq!(second(Tensor::softplus, x), s * (1.0 - s), epsilon = 1e-14);
    }
}

#[test]
fn infinities_and_huge_numbers_have_the_limits() {
    let x = Tensor::from([f32::NEG_INFINITY, -1e4, 1e4, f32::INFINITY]);
    assert_eq!(x.sigmoid().to_vec(), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(x.softplus().to_vec(), [0.0, 0.0, 1e4, f32::INFINITY]);
    assert_eq!(x.log_sigmoid().to_vec(), [f32::NEG_INFINITY, -1e4, 0.0, 0.0]);
    assert_eq!(x.tanh().to_vec(), [-1.0, -1.0, 1.0, 1.0]);
    assert_eq!(x.relu().to_vec(), [0.0, 0.0, 1e4, f32::INFINITY]);
}

#[test]
fn nan_comes_out_of_every_function() {
    let x = Tensor::from([f32::NAN]);
    for y in [
        x.relu(),
        x.leaky_relu(0.1),
        x.clamp(0.0, 1.0),
        x.sigmoid(),
        x.softplus(),
        x.abs(),
        x.gelu(),
        x.gelu_tanh(),
        x.silu(),
        x.tanh(),
        x.exp(),
        x.log_sigmoid(),
        x.x_ln_y(&Tensor::scalar(1.0)),
        Tensor::scalar(0.0).x_ln_y(&x),
    ] {
        assert!(y.item().is_nan());
    }
}

#[test]
fn kinks_have_the_documented_derivatives() {
    let slope = |f: fn(&Tensor) -> Tensor| {
        let x = Tensor::parameter(0.0);
        f(&x).backward().get(&x).unwrap().item()
    };
    assert_eq!(slope(Tensor::relu), 0.0);
    assert_eq!(slope(Tensor::abs), 0.0);
    assert_eq!(slope(|x| x.leaky_relu(0.1)), 0.1);
    assert_eq!(slope(|x| x.clamp(0.0, 1.0)), 1.0);
    assert_eq!(slope(Tensor::sqrt), f32::INFINITY);
}

#[test]
fn an_infinite_gradient_stops_at_a_closed_relu() {
    let x = Tensor::parameter([-1.0, 1.0]);
    let gradients = x.relu().backward_with(&Tensor::from([f32::INFINITY, 2.0]));
    assert_eq!(gradients.get(&x).unwrap().to_vec(), [0.0, 2.0]);
}

#[test]
fn what_no_gradient_reaches_may_be_anything() {
    type Case = (&'static str, fn(&Tensor) -> Tensor, f32);
    let nowhere: [Case; 9] = [
        ("sqrt", Tensor::sqrt, -1.0),
        ("ln", Tensor::ln, 0.0),
        ("ln_1p", Tensor::ln_1p, -2.0),
        ("reciprocal", Tensor::reciprocal, 0.0),
        ("exp", Tensor::exp, f32::INFINITY),
        ("abs", Tensor::abs, f32::NAN),
        ("tanh", Tensor::tanh, f32::NAN),
        ("powf", |x| x.powf(-0.5), 0.0),
        ("division", |x| 1.0 / (x - x), 1.0),
    ];
    for (name, f, bad) in nowhere {
        let x = Tensor::parameter([bad, 4.0]);
        let mask = ndarray::array![false, true].into_dyn();
        let chosen = |x: &Tensor| Tensor::select(&mask, &f(x), &Tensor::scalar(0.0)).sum();
        assert_eq!(chosen(&x).backward().get(&x).unwrap().to_vec()[0], 0.0, "{name}");
        let first = grad(&chosen(&x), &[&x]).remove(0);
        assert_eq!(first.to_vec()[0], 0.0, "{name}");
        assert_eq!(grad(&first.sum(), &[&x])[0].to_vec()[0], 0.0, "{name}: second order");
    }
}

#[test]
fn a_gradient_that_happens_to_be_zero_has_its_second_derivative() {
    // ½ (√x − 2)² at 4: the gradient is 0, the second derivative (½ / √x)² = 1 / 16.
    let x = Tensor::parameter([4.0_f64]);
    let mask = x.mask(|x| x > 0.0);
    let root = Tensor::select(&mask, &x.sqrt(), &Tensor::scalar(0.0));
    let first = grad(&((root - 2.0).square() * 0.5).sum(), &[&x]).remove(0);
    assert_eq!(first.to_vec(), [0.0]);
    assert_eq!(grad(&first.sum(), &[&x])[0].to_vec(), [1.0 / 16.0]);
}

#[test]
fn gates_are_shut_or_open_at_the_far_ends_in_all_derivatives() {
    fn check<E: Element>() {
        for f in [Tensor::<E>::silu, Tensor::gelu, Tensor::gelu_tanh] {
            for far in [60.0, 1e4, 2e19, 1e20, 1e38, f64::INFINITY] {
                let x = Tensor::parameter([E::from_f64(-far), E::from_f64(far)]);
                let (zero, one) = (E::zero(), E::one());
                assert!(f(&x).to_vec()[0].abs() < E::from_f64(1e-20) && f(&x).to_vec()[1] > one);
                let near = |found: Vec<E>, expected: [E; 2]| {
                    let close = |(x, y): (&E, &E)| (*x - *y).abs() < E::from_f64(1e-20);
                    assert!(found.iter().zip(&expected).all(close), "{found:?} at {far}");
                };
                near(f(&x).sum().backward().get(&x).unwrap().to_vec(), [zero, one]);
                let first = grad(&f(&x).sum(), &[&x]).remove(0);
                near(first.to_vec(), [zero, one]);
                let second = grad(&first.sum(), &[&x]).remove(0);
                near(second.to_vec(), [zero; 2]);
                near(grad(&second.sum(), &[&x])[0].to_vec(), [zero; 2]);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
