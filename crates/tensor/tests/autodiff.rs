//! The engine as a whole: known answers, identities, depth, lifetime and threads.

use std::sync::Arc;
use std::thread;

use downhill_tensor::{
    Gradients, Tensor, grad, grad_with, hessian, hessian_vector_product, operation,
    without_recording,
};

/// The expression of micrograd's README, with its published figures.
#[test]
fn micrograds_expression_has_its_published_value_and_gradients() {
    let a = Tensor::parameter(-4.0_f64);
    let b = Tensor::parameter(2.0_f64);
    let mut c = &a + &b;
    let mut d = &a * &b + b.powi(3);
    c = &c + &c + 1.0;
    c = &c + 1.0 + &c + (-&a);
    d = &d + &d * 2.0 + (&b + &a).relu();
    d = &d + 3.0 * &d + (&b - &a).relu();
    let e = &c - &d;
    let f = e.square();
    let mut g = &f / 2.0;
    g += 10.0 / &f;

    let gradients = g.backward();
    let at = |x| gradients.get(x).unwrap().item();
    assert_eq!(format!("{:.4}", g.item()), "24.7041");
    assert_eq!(format!("{:.4}", at(&a)), "138.8338");
    assert_eq!(format!("{:.4}", at(&b)), "645.5773");
}

/// (1 − x)² + 100 (y − x²)², at several points.
#[test]
fn rosenbrocks_gradient_and_hessian_are_the_closed_forms() {
    for [x, y] in [[-1.2_f64, 1.0], [1.0, 1.0], [0.3, -0.7]] {
        let point = Tensor::parameter([x, y]);
        let (px, py) = (point.slice(0, ..1), point.slice(0, 1..));
        let value = ((1.0 - &px).square() + 100.0 * (py - px.square()).square()).sum();
        let gradient = grad(&value, &[&point])[0].to_vec();
        let expected = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
        for (found, expected) in gradient.into_iter().zip(expected) {
            approx::assert_relative_eq!(found, expected, epsilon = 1e-10, max_relative = 1e-13);
        }
        let expected = [2.0 - 400.0 * (y - 3.0 * x * x), -400.0 * x, -400.0 * x, 200.0];
        for (found, expected) in hessian(&value, &point).to_vec().into_iter().zip(expected) {
            approx::assert_relative_eq!(found, expected, epsilon = 1e-10, max_relative = 1e-13);
        }
    }
}

/// diag(p) − p·pᵀ, from the composition of log-softmax and selection.
#[test]
fn the_hessian_of_softmax_cross_entropy_is_the_covariance_of_the_classes() {
    let logits = Tensor::parameter([0.3_f64, -1.2, 2.0, 0.7]);
    let loss = -logits.log_softmax(-1).slice(0, 2..3).sum();
    let p = logits.softmax(-1).to_vec();
    let vector = Tensor::from([1.0, -2.0, 0.5, 3.0]);
    let full = hessian(&loss, &logits).to_vec();
    let product = hessian_vector_product(&loss, &[&logits], &[&vector])[0].to_vec();
    for i in 0..4 {
        let mut expected_product = 0.0;
        for j in 0..4 {
            let expected = if i == j { p[i] - p[i] * p[j] } else { -p[i] * p[j] };
            approx::assert_abs_diff_eq!(full[4 * i + j], expected, epsilon = 1e-15);
            expected_product += expected * vector.to_vec()[j];
        }
        approx::assert_abs_diff_eq!(product[i], expected_product, epsilon = 1e-15);
    }
}

#[test]
fn derivatives_of_any_order_can_be_taken() {
    let x = Tensor::parameter(0.7_f64);
    let mut y = x.sin();
    for expected in [0.7_f64.cos(), -0.7_f64.sin(), -0.7_f64.cos(), 0.7_f64.sin(), 0.7_f64.cos()] {
        y = grad(&y, &[&x]).remove(0);
        approx::assert_abs_diff_eq!(y.item(), expected, epsilon = 1e-15);
    }
}

#[test]
fn branches_and_diamonds_add_up() {
    let x = Tensor::parameter(3.0_f64);
    let left = &x * 2.0;
    let right = &x * &x;
    let joined = &left * &right + &left + &x; // 2x³ + 3x
    assert_eq!(joined.backward().get(&x).unwrap().item(), 6.0 * 9.0 + 3.0);
}

#[test]
fn a_parameter_that_does_not_reach_the_loss_has_no_gradient() {
    let (x, y, z) = (Tensor::parameter(1.0), Tensor::parameter(2.0), Tensor::parameter(3.0));
    let gradients = (&x * y.detach() + without_recording(|| &z * 2.0)).backward();
    assert!(gradients.get(&x).is_some());
    assert!(gradients.get(&y).is_none());
    assert!(gradients.get(&z).is_none());
    assert_eq!(gradients.len(), 1);
}

#[test]
fn the_gradient_of_what_an_output_does_not_depend_on_is_zero() {
    let (x, y) = (Tensor::parameter([1.0, 2.0]), Tensor::parameter([3.0, 4.0]));
    let gradients = grad(&x.sum(), &[&x, &y]);
    assert_eq!(gradients[0].to_vec(), [1.0, 1.0]);
    assert_eq!(gradients[1].to_vec(), [0.0, 0.0]);
    assert_eq!(hessian(&x.sum(), &x).to_vec(), [0.0; 4]);
}

#[test]
fn a_gradient_with_respect_to_a_step_on_the_way_can_be_asked_for() {
    let x = Tensor::parameter(2.0_f64);
    let h = x.square();
    let y = h.square() * &x; // h² x = x⁵
    let gradients = grad(&y, &[&h, &x]);
    assert_eq!(gradients[0].item(), 2.0 * 4.0 * 2.0);
    assert_eq!(gradients[1].item(), 5.0 * 16.0);
}

#[test]
fn a_product_is_evaluated_only_where_its_input_leads_to_what_is_asked_for() {
    let poisoned = |x: &Tensor, y: &Tensor| {
        let value = x.array().to_owned() + y.array();
        operation::binary(
            "poisoned",
            [x, y],
            value,
            |_, _, _, _| panic!("this input's gradient is not needed"),
            |gradient, _, _, _| gradient,
        )
    };
    let (data, weight) = (Tensor::from([1.0]), Tensor::parameter([2.0]));
    let gradients = poisoned(&data, &weight).sum().backward();
    assert_eq!(gradients.get(&weight).unwrap().to_vec(), [1.0]);
    let other = Tensor::parameter([3.0]);
    assert_eq!(grad(&poisoned(&other, &weight).sum(), &[&weight])[0].to_vec(), [1.0]);
}

#[test]
fn an_identity_survives_updates() {
    let mut x = Tensor::parameter([1.0, 2.0]);
    let gradients = x.square().sum().backward();
    x.update(|values| values[0] = 10.0);
    assert_eq!(gradients.get(&x).unwrap().to_vec(), [2.0, 4.0]);
    assert!(x.is_parameter());
}

#[test]
fn seeds_weight_the_outputs() {
    let x = Tensor::parameter([1.0_f64, 2.0]);
    let y = x.square();
    let seed = Tensor::from([10.0, 1.0]);
    assert_eq!(y.backward_with(&seed).get(&x).unwrap().to_vec(), [20.0, 4.0]);
    let both = grad_with(&[&y, &x], &[&seed, &Tensor::from([1.0, 1.0])], &[&x]);
    assert_eq!(both[0].to_vec(), [21.0, 5.0]);
}

#[test]
#[should_panic(expected = "backward: the output has shape [2], not one value; reduce it with \
                           .sum() or .mean() first, or weight its values with backward_with")]
fn a_vector_without_a_seed_is_refused_with_advice() {
    let _ = Tensor::parameter([1.0, 2.0]).backward();
}

#[test]
#[should_panic(expected = "backward: the output depends on no parameter")]
fn a_loss_of_constants_is_refused_with_the_likely_cause() {
    let weight = Tensor::from([1.0, 2.0]);
    let _ = weight.square().sum().backward();
}

#[test]
#[should_panic(expected = "backward: the output depends on no parameter")]
fn a_loss_computed_without_recording_is_refused() {
    let weight = Tensor::parameter([1.0, 2.0]);
    let _ = without_recording(|| weight.square().sum()).backward();
}

#[test]
#[should_panic(
    expected = "thirds: the vector–Jacobian product for input 0 has shape [3], but the input [2, 2]"
)]
fn a_product_of_a_wrong_shape_names_its_operation() {
    let x = Tensor::parameter([[1.0, 2.0], [3.0, 4.0]]);
    let y = operation::unary("thirds", &x, x.array().to_owned(), |_, _, _| Tensor::zeros(&[3]));
    let _ = y.sum().backward();
}

#[test]
#[should_panic(expected = "stretched: the vector–Jacobian product for input 0 has shape [2]")]
fn a_product_that_the_input_does_not_broadcast_to_names_its_operation() {
    let x = Tensor::parameter([[1.0, 2.0], [3.0, 4.0]]);
    let y = operation::unary("stretched", &x, x.array().to_owned(), |_, _, _| Tensor::zeros(&[2]));
    let _ = y.sum().backward();
}

#[test]
#[should_panic(expected = "update: the tensor is the result of `mul`")]
fn a_result_cannot_be_updated() {
    let x = Tensor::parameter([1.0, 2.0]);
    (&x * 2.0).update(|_| {});
}

#[test]
fn gradients_of_parts_of_a_batch_add_up_to_the_whole() {
    let x = Tensor::parameter([1.0_f64, 2.0]);
    let y = Tensor::parameter([1.0_f64]);
    let mut sum = Gradients::default();
    sum += x.square().sum().backward();
    sum += (x.sum() * y.sum()).backward();
    assert_eq!(sum.get(&x).unwrap().to_vec(), [3.0, 5.0]);
    assert_eq!(sum.get(&y).unwrap().to_vec(), [3.0]);
}

fn differentiate_a_chain(length: usize) {
    let x = Tensor::parameter([1.0_f32]);
    let mut y = x.clone();
    for _ in 0..length {
        y = y + &x;
    }
    let gradients = y.sum().backward();
    assert_eq!(gradients.get(&x).unwrap().item(), length as f32 + 1.0);
    drop(y);
}

/// Test threads have 2 MiB by default, but that can be set from outside; this one's is certain.
#[test]
fn a_million_operations_deep_is_no_deeper_for_the_stack() {
    let thread = thread::Builder::new().stack_size(2 << 20);
    thread.spawn(|| differentiate_a_chain(1_000_000)).unwrap().join().unwrap();
}

#[test]
fn a_deep_graph_of_gradients_can_be_made_and_dropped_too() {
    let thread = thread::Builder::new().stack_size(2 << 20);
    let work = || {
        let x = Tensor::parameter(1.0_f64);
        let mut y = x.clone();
        for _ in 0..100_000 {
            y = y.sin();
        }
        let first = grad(&y, &[&x]).remove(0);
        let second = grad(&first, &[&x]).remove(0);
        assert!(first.item() > 0.0 && second.item().is_finite());
    };
    thread.spawn(work).unwrap().join().unwrap();
}

/// Tensors that closures have captured are part of the graph that is dropped, too.
#[test]
fn graphs_captured_by_closures_are_dropped_without_recursion() {
    let thread = thread::Builder::new().stack_size(2 << 20);
    let work = || {
        let x = Tensor::parameter([1.0]);
        let mut y = x.clone();
        for _ in 0..200_000 {
            let captured = y.clone();
            y = operation::unary("capture", &x, x.array().to_owned(), move |gradient, _, _| {
                gradient * captured.detach()
            });
        }
        drop(y);
    };
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn nothing_of_a_graph_outlives_it_after_a_thousand_steps() {
    let alive = Arc::new(());
    let mut weight = Tensor::parameter([[0.5_f64, -0.5], [0.1, 0.2]]);
    let data = Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    for _ in 0..1000 {
        let token = Arc::clone(&alive);
        let hidden = data.matmul(&weight).tanh();
        let hidden =
            operation::unary("count", &hidden, hidden.array().to_owned(), move |gradient, _, _| {
                let _ = &token;
                gradient
            });
        let loss = hidden.softmax(-1).square().sum();
        // Also a graph of gradients, whose nodes hold on to those of the first.
        let norm = grad(&loss, &[&weight])[0].square().sum();
        let gradient = (&loss + norm * 0.01).backward().get(&weight).unwrap().to_vec();
        weight.update(|values| {
            for (value, gradient) in values.iter_mut().zip(&gradient) {
                *value -= 0.1 * gradient;
            }
        });
        assert!(Arc::strong_count(&alive) > 1, "the graph of this step is alive");
    }
    assert_eq!(Arc::strong_count(&alive), 1);
}

/// A value whose drop panics, as a user's might.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("a captured value");
    }
}

#[test]
fn graphs_are_dropped_after_a_panic_in_the_drop_of_something_captured() {
    let capture = |x: &Tensor, captured: Arc<dyn Send + Sync + std::any::Any>| {
        operation::unary("capture", x, x.array().to_owned(), move |gradient, _, _| {
            let _ = &captured;
            gradient
        })
    };
    let alive: Arc<dyn Send + Sync + std::any::Any> = Arc::new(());
    let chain = |explosive| {
        let mut x = Tensor::parameter([1.0]);
        x = capture(&x, Arc::clone(&alive));
        if explosive {
            x = capture(&x, Arc::new(Explosive));
        }
        capture(&x, Arc::clone(&alive))
    };
    for _ in 0..3 {
        let graph = chain(true);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(graph)));
        assert!(caught.is_err());
        assert_eq!(Arc::strong_count(&alive), 1, "the rest of the graph is dropped");
        drop(chain(false));
        assert_eq!(Arc::strong_count(&alive), 1, "so are later ones");
    }
}

/// A thread's own variables may be dropped after those that the library keeps for it.
#[test]
fn a_deep_graph_held_by_a_thread_local_is_dropped_without_recursion() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<Tensor>> = const { std::cell::RefCell::new(None) };
    }
    let work = || {
        KEPT.with(|_| {});
        let x = Tensor::parameter([1.0]);
        let deep = (0..300_000).fold(x.clone(), |y, _| y + &x);
        KEPT.set(Some(deep));
    };
    thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn two_threads_train_at_once_and_read_a_shared_parameter() {
    let shared = Tensor::parameter([2.0_f64]);
    let train = |start: f64| {
        let mut own = Tensor::parameter([start]);
        for _ in 0..100 {
            let loss = (&own * &shared - 6.0).square().sum();
            let gradients = loss.backward();
            assert!(gradients.get(&shared).is_some());
            let gradient = gradients.get(&own).unwrap().item();
            own.update(|values| values[0] -= 0.05 * gradient);
        }
        own.item()
    };
    let (left, right) = thread::scope(|scope| {
        let (left, right) = (scope.spawn(|| train(0.0)), scope.spawn(|| train(10.0)));
        (left.join().unwrap(), right.join().unwrap())
    });
    approx::assert_abs_diff_eq!(left, 3.0, epsilon = 1e-9);
    approx::assert_abs_diff_eq!(right, 3.0, epsilon = 1e-9);
}

#[test]
fn recording_resumes_after_a_panic_without_it() {
    let result = std::panic::catch_unwind(|| without_recording(|| panic!("inside")));
    assert!(result.is_err());
    assert!(downhill_tensor::is_recording());
}
