//! Step 2: `backward`.

use exercises::step_2::{Number, Tape};

#[track_caller]
fn assert_close(found: f64, right: f64, what: &str) {
    assert!((found - right).abs() < 1e-9, "{what} is {right}, but yours says {found}");
}

#[test]
fn the_last_number_has_gradient_one() {
    let tape = Tape::default();
    let a = tape.number(3.0);
    assert_close(a.backward().of(a), 1.0, "∂a/∂a");
}

#[test]
fn gradients_pass_through_several_numbers() {
    let tape = Tape::default();
    let (x, w, b) = (tape.number(0.5), tape.number(-2.0), tape.number(0.3));
    let gradients = (x * w + b).tanh().backward();
    let slope = 1.0 - f64::tanh(-0.7).powi(2);
    assert_close(gradients.of(b), slope, "∂/∂b, which is 1 − tanh²(−0.7),");
    assert_close(gradients.of(w), slope * 0.5, "∂/∂w, which is that times x,");
    assert_close(gradients.of(x), slope * -2.0, "∂/∂x, which is that times w,");
}

#[test]
fn a_number_that_was_used_twice_receives_two_gradients() {
    let tape = Tape::default();
    let a = tape.number(3.0);
    assert_close((a * a).backward().of(a), 6.0, "the derivative of a² at 3");
    let sum = a + a + a;
    assert_close(sum.backward().of(a), 3.0, "the derivative of a + a + a");
}

#[test]
fn numbers_that_came_later_do_not_matter() {
    let tape = Tape::default();
    let (a, b) = (tape.number(2.0), tape.number(5.0));
    let c = a * b;
    let _later = c.exp();
    assert_close(c.backward().of(a), 5.0, "∂(a · b)/∂a");
}

#[test]
fn every_gradient_agrees_with_a_difference_quotient() {
    fn formula<'t>(a: Number<'t>, b: Number<'t>) -> Number<'t> {
        (a * b + a.exp()).tanh() * b + a * a
    }
    let (a, b, step) = (-0.4, 0.7, 1e-6);
    let value = |a: f64, b: f64| {
        let tape = Tape::default();
        formula(tape.number(a), tape.number(b)).value
    };
    let tape = Tape::default();
    let numbers = (tape.number(a), tape.number(b));
    let gradients = formula(numbers.0, numbers.1).backward();
    let by_a = (value(a + step, b) - value(a - step, b)) / (2.0 * step);
    let by_b = (value(a, b + step) - value(a, b - step)) / (2.0 * step);
    assert!((gradients.of(numbers.0) - by_a).abs() < 1e-8, "∂/∂a: the quotient is {by_a}");
    assert!((gradients.of(numbers.1) - by_b).abs() < 1e-8, "∂/∂b: the quotient is {by_b}");
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let tape = Tape::default();
    let (first, one) = (tape.number(1.0), tape.number(1.0));
    let mut sum = first;
    for _ in 0..200_000 {
        sum = sum + one;
    }
    let gradients = sum.backward();
    assert_close(gradients.of(first), 1.0, "the gradient of the first number");
    assert_close(gradients.of(one), 200_000.0, "the gradient of what was added each time");
}
