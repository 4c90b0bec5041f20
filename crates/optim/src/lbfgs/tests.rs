use approx::assert_abs_diff_eq;
use downhill_tensor::Path;

use super::*;

type Evaluation<E> = Result<(Tensor<E>, Gradients<E>), BoxError>;

fn evaluated<E: Element>(loss: Tensor<E>) -> Evaluation<E> {
    let gradients = loss.backward();
    Ok((loss, gradients))
}

/// As many iterations, however many evaluations they take.
fn iterations(count: usize) -> Lbfgs<f64> {
    Lbfgs::new().max_iterations(count).max_evaluations(1000)
}

/// Σ k · (x_k − k)², for k from 1.
fn quadratic(x: &Tensor<f64>) -> Tensor<f64> {
    let k: Tensor<f64> = (1..=x.len()).map(|k| k as f64).collect::<Vec<_>>().into();
    ((x - &k).square() * &k).sum()
}

#[test]
fn a_quadratic_in_six_dimensions_is_minimised_in_a_dozen_iterations() {
    let mut x = Tensor::parameter(Tensor::zeros(&[6]));
    let outcome = Lbfgs::new().step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    assert_abs_diff_eq!(x.to_vec()[..], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], epsilon = 1e-6);
    assert!(outcome.iterations <= 12, "{outcome:?}");
    assert_eq!(outcome.loss, quadratic(&x).item());
}

#[test]
fn it_stops_for_each_of_its_reasons() {
    let start = || Tensor::parameter(Tensor::zeros(&[6]));
    let run = |mut optimizer: Lbfgs<f64>, mut x: Tensor<f64>| {
        optimizer.step(&mut x, |x| evaluated(quadratic(x))).unwrap()
    };
    let outcome = run(Lbfgs::new(), Tensor::parameter([1.0, 2.0]));
    assert_eq!(
        (outcome.stopped_by, outcome.iterations, outcome.evaluations),
        (StoppedBy::Gradient, 0, 1)
    );
    let outcome = run(iterations(2), start());
    assert_eq!((outcome.stopped_by, outcome.iterations), (StoppedBy::Iterations, 2));
    let outcome = run(Lbfgs::new().max_evaluations(3), start());
    assert_eq!(outcome.stopped_by, StoppedBy::Evaluations);
    assert!(outcome.evaluations >= 3);
    let outcome = run(Lbfgs::new().change_tolerance(1e-2).gradient_tolerance(0.0), start());
    assert_eq!(outcome.stopped_by, StoppedBy::Change);
}

#[test]
fn the_line_search_keeps_to_the_evaluations_that_are_left() {
    for (iterations, most) in [(1, 2), (4, 6), (8, 11)] {
        let mut x = Tensor::parameter(1e-3_f64);
        let before = (&x - x.ln()).item();
        let outcome = Lbfgs::new()
            .max_iterations(iterations)
            .change_tolerance(0.0)
            .step(&mut x, |x| evaluated(x - x.ln()))
            .unwrap();
        // Each iteration tries one point, even if none is left.
        assert!(outcome.evaluations <= most, "{outcome:?}");
        assert!(outcome.loss < before);
    }
}

#[test]
fn a_trial_that_leads_up_is_not_kept_when_there_are_no_more() {
    let mut x = Tensor::parameter(0.0_f64);
    // Overshoots: the slope promises a way of 1, but the valley is 0.01 wide.
    let valley = |x: &Tensor<f64>| ((x - 0.01) * 10.0).square();
    let outcome = Lbfgs::new().max_iterations(1).step(&mut x, |x| evaluated(valley(x))).unwrap();
    assert_eq!((x.item(), outcome.evaluations), (0.0, 2));
    assert_eq!(outcome.loss, valley(&x).item());
}

#[test]
fn relative_tolerances_do_not_depend_on_the_size_of_the_loss() {
    for scale in [1e-12, 1e-6, 1.0, 1e6] {
        let loss = |x: &Tensor<f64>| (x - 3.0).square() * scale;
        for start in [0.0, 1.0, 1e3] {
            let mut x = Tensor::parameter(start);
            let outcome = Lbfgs::new().relative(true).step(&mut x, |x| evaluated(loss(x))).unwrap();
            let error = (x.item() - 3.0).abs();
            assert!(error < 1e-3 && outcome.loss <= 1e-6 * scale, "{scale} {start}: {outcome:?}");
        }
    }
    let mut x = Tensor::parameter(1e-3_f64);
    let optimizer = || Lbfgs::new().max_iterations(100);
    let absolute = optimizer().step(&mut x, |x| evaluated(x - x.ln())).unwrap();
    assert_eq!(absolute.stopped_by, StoppedBy::Change);
    assert_abs_diff_eq!(x.item(), 1.001, epsilon = 1e-6);
    optimizer().relative(true).step(&mut x, |x| evaluated(x - x.ln())).unwrap();
    assert_abs_diff_eq!(x.item(), 1.0, epsilon = 1e-6);
}

#[test]
fn a_step_without_gradients_is_refused() {
    let mut x = Tensor::parameter(1.0_f64);
    let error =
        Lbfgs::new().step(&mut x, |_| Ok((Tensor::scalar(1.0), Gradients::default()))).unwrap_err();
    assert!(error.to_string().starts_with("no parameter of the model has a gradient"), "{error}");
}

#[test]
fn single_iterations_make_the_same_way_as_many_at_once() {
    let mut together = Tensor::parameter(Tensor::zeros(&[6]));
    let mut apart = Tensor::parameter(Tensor::zeros(&[6]));
    iterations(5).step(&mut together, |x| evaluated(quadratic(x))).unwrap();
    let mut optimizer = iterations(1);
    for _ in 0..5 {
        optimizer.step(&mut apart, |x| evaluated(quadratic(x))).unwrap();
    }
    assert_eq!(together.to_vec(), apart.to_vec());
}

#[test]
fn a_restored_optimizer_goes_on_as_the_first() {
    let mut x = Tensor::parameter(Tensor::zeros(&[6]));
    let mut first = iterations(3).history_size(2);
    first.step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    let state = first.state(&x).unwrap();
    let names: Vec<&str> = state.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["gradient", "displacement", "displacements", "gradient_changes"]);
    assert_eq!(state[2].1.shape(), [2, 6]);

    let mut copy = Tensor::parameter(&x);
    let mut second = iterations(3).history_size(2);
    second.restore(&copy, &state).unwrap();
    let outcome = first.step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    assert_eq!(outcome, second.step(&mut copy, |x| evaluated(quadratic(x))).unwrap());
    assert_eq!(x.to_vec(), copy.to_vec());

    let fresh: Lbfgs<f64> = Lbfgs::new();
    assert!(fresh.state(&copy).unwrap().is_empty());
    second.restore(&copy, &fresh.state(&copy).unwrap()).unwrap();
    assert!(second.state(&copy).unwrap().is_empty());
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let mut x = Tensor::parameter(Tensor::zeros(&[6]));
    let mut optimizer = iterations(3);
    optimizer.step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    let state = optimizer.state(&x).unwrap();
    let other = Tensor::parameter(Tensor::zeros(&[5]));
    let error = optimizer.state(&other).unwrap_err().to_string();
    assert!(error.starts_with("nothing is remembered of the parameters of this model"), "{error}");
    let error = Lbfgs::new().restore(&other, &state).unwrap_err();
    assert_eq!(error.to_string(), "the saved state `gradient` has shape [6], but [5] is needed");
    let error = Lbfgs::new().restore(&x, &state[..3]).unwrap_err();
    assert_eq!(error.to_string(), "the saved state `gradient_changes` is missing");
}

#[test]
fn a_failing_closure_leaves_the_weights_of_the_last_iteration() {
    let mut x = Tensor::parameter(Tensor::zeros(&[6]));
    let mut optimizer = iterations(2);
    optimizer.step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    let before = x.to_vec();
    let mut calls = 0;
    let error = optimizer
        .step(&mut x, |x| {
            calls += 1;
            if calls == 2 { Err("out of data".into()) } else { evaluated(quadratic(x)) }
        })
        .unwrap_err();
    assert!(matches!(error, Error::Closure(_)));
    assert_eq!(error.to_string(), "out of data");
    assert_eq!(x.to_vec(), before);
    // It can go on from there.
    optimizer.max_iterations(50).step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    assert!(quadratic(&x).item() < 1e-10);
}

#[test]
fn a_step_out_of_the_domain_is_taken_back() {
    // x − ln x has its minimum at 1, and is NaN below 0, where the first trial from 30 leads.
    let mut x = Tensor::parameter(30.0);
    let mut outside = 0;
    let outcome = iterations(100)
        .learning_rate(64.0)
        .change_tolerance(0.0)
        .step(&mut x, |x: &Tensor<f64>| {
            outside += usize::from(x.item() < 0.0);
            evaluated(x - x.ln())
        })
        .unwrap();
    assert!(outside > 0);
    assert_abs_diff_eq!(x.item(), 1.0, epsilon = 1e-6);
    assert_abs_diff_eq!(outcome.loss, 1.0, epsilon = 1e-9);
}

#[test]
fn what_is_not_finite_to_begin_with_is_refused() {
    let mut x = Tensor::parameter([-1.0]);
    let error = Lbfgs::new().step(&mut x, |x| evaluated(x.ln().sum())).unwrap_err();
    assert_eq!(error.to_string(), "the loss is NaN before the first step");

    let mut model = [Tensor::parameter([1.0]), Tensor::parameter([4.0, 0.0])];
    let error =
        Lbfgs::new().step(&mut model, |[x, y]| evaluated((x + y.sqrt()).sum())).unwrap_err();
    assert_eq!(error.to_string(), "the gradient of `1` is inf at [1]");
    assert_eq!(model[1].to_vec(), [4.0, 0.0]);
}

#[test]
fn parameters_without_a_gradient_and_other_tensors_stay() {
    struct Model([Tensor<f64>; 3]);
    impl Parameters<f64> for Model {
        fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<f64>)) {
            self.0.visit(path, visitor);
        }
        fn visit_mut(
            &mut self,
            path: Path<'_>,
            visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<f64>),
        ) {
            self.0.visit_mut(path, visitor);
        }
    }
    let mut model = Model([
        Tensor::parameter([5.0, 6.0]),
        Tensor::from([7.0]),
        Tensor::parameter([0.0, 0.0, 0.0]),
    ]);
    Lbfgs::new().step(&mut model, |model| evaluated(quadratic(&model.0[2]))).unwrap();
    assert_eq!(model.0[0].to_vec(), [5.0, 6.0]);
    assert_eq!(model.0[1].to_vec(), [7.0]);
    assert_abs_diff_eq!(model.0[2].to_vec()[..], [1.0, 2.0, 3.0], epsilon = 1e-6);
}

#[test]
fn another_model_starts_afresh() {
    let mut optimizer = iterations(4);
    let mut x = Tensor::parameter(Tensor::zeros(&[6]));
    optimizer.step(&mut x, |x| evaluated(quadratic(x))).unwrap();
    let (mut second, mut third) =
        (Tensor::parameter(Tensor::zeros(&[6])), Tensor::parameter(Tensor::zeros(&[6])));
    let outcome = optimizer.step(&mut second, |x| evaluated(quadratic(x))).unwrap();
    let mut fresh = iterations(4);
    assert_eq!(outcome, fresh.step(&mut third, |x| evaluated(quadratic(x))).unwrap());
    assert_eq!(second.to_vec(), third.to_vec());
}

#[test]
fn it_works_in_f32() {
    let mut point = [Tensor::parameter(-1.2_f32), Tensor::parameter(1.0)];
    Lbfgs::new()
        .max_iterations(200)
        .change_tolerance(0.0)
        .step(&mut point, |[x, y]| {
            evaluated((1.0 - x).square() + 100.0 * (y - x.square()).square())
        })
        .unwrap();
    // Rounding of 1e-7 in the loss is 3e-4 in x, along the flat valley.
    assert_abs_diff_eq!(point[0].item(), 1.0, epsilon = 1e-3);
    assert_abs_diff_eq!(point[1].item(), 1.0, epsilon = 2e-3);
}

#[test]
fn options_are_validated() {
    let mut x = Tensor::parameter([1.0]);
    for (mut optimizer, message) in [
        (Lbfgs::new().learning_rate(0.0), "learning_rate is 0; it must be above 0 and finite"),
        (
            Lbfgs::new().gradient_tolerance(-1.0),
            "gradient_tolerance is -1; it must be at least 0 and finite",
        ),
        (
            Lbfgs::new().change_tolerance(f64::NAN),
            "change_tolerance is NaN; it must be at least 0 and finite",
        ),
        (Lbfgs::new().history_size(0), "history_size is 0; it must be at least 1 and finite"),
    ] {
        let error = optimizer.step(&mut x, |x| evaluated(quadratic(x))).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn weights_never_become_infinite() {
    for (learning_rate, start) in [(1e38, 1.0_f32), (1e38, 1e30), (1.0, 3e38)] {
        let mut x = Tensor::parameter([start]);
        let mut optimizer = Lbfgs::new().learning_rate(learning_rate).gradient_tolerance(0.0);
        let outcome = optimizer.step(&mut x, |x| {
            let loss = (x * 1e-3).tanh().sum();
            let gradients = loss.backward();
            Ok((loss, gradients))
        });
        assert!(outcome.is_ok() && x.item().is_finite(), "{} after {outcome:?}", x.item());
    }
    let error = Lbfgs::<f32>::new()
        .learning_rate(1e39)
        .step(&mut Tensor::parameter([1.0]), |x| Ok((x.sum(), x.sum().backward())));
    assert!(error.unwrap_err().to_string().ends_with("finite in f32, where it is inf"));
}

#[test]
fn relative_tolerances_minimize_a_loss_of_any_scale_in_f32() {
    for scale in [1e-30_f32, 1e-20, 1e-12, 1e-6, 1.0, 1e12, 1e20, 1e30] {
        let mut x = Tensor::parameter([0.0_f32, 5.0]);
        let outcome = Lbfgs::new().relative(true).max_iterations(50).step(&mut x, |x| {
            let loss = (x - 3.0).square().sum() * scale;
            let gradients = loss.backward();
            Ok((loss, gradients))
        });
        let values = x.to_vec();
        assert!(values.iter().all(|x| (x - 3.0).abs() < 1e-3), "{values:?} after {outcome:?}");
    }
}
