//! Step 1: numbers that remember.

use exercises::step_1::Tape;

fn assert_close(found: f64, right: f64, what: &str) {
    assert!((found - right).abs() < 1e-12, "{what} is {right}, but yours says {found}");
}

#[test]
fn a_sum_is_the_sum_and_both_derivatives_are_one() {
    let tape = Tape::default();
    let (a, b) = (tape.number(2.0), tape.number(-3.0));
    let c = a + b;
    assert_close(c.value, -1.0, "2 + (−3)");
    assert_eq!(
        tape.entry(c.place()),
        [(a.place(), 1.0), (b.place(), 1.0)],
        "if a grows by 0.1, a + b grows by 0.1, too: both derivatives are 1"
    );
}

#[test]
fn the_derivative_of_a_product_is_the_other_factor() {
    let tape = Tape::default();
    let (a, b) = (tape.number(2.0), tape.number(-3.0));
    let c = a * b;
    assert_close(c.value, -6.0, "2 · (−3)");
    assert_eq!(
        tape.entry(c.place()),
        [(a.place(), -3.0), (b.place(), 2.0)],
        "∂(a · b)/∂a is b, which is −3, and ∂(a · b)/∂b is a, which is 2"
    );
}

#[test]
fn a_number_may_be_used_twice() {
    let tape = Tape::default();
    let a = tape.number(5.0);
    let c = a * a;
    assert_eq!(tape.entry(c.place()), [(a.place(), 5.0), (a.place(), 5.0)]);
}

#[test]
fn tanh_and_exp_keep_their_derivatives() {
    let tape = Tape::default();
    let a = tape.number(0.5);
    let (t, e) = (a.tanh(), a.exp());
    assert_close(t.value, 0.46211715726000973, "tanh 0.5");
    let [(place, slope)] = tape.entry(t.place())[..] else { panic!("tanh has one input") };
    assert_eq!(place, a.place());
    assert_close(slope, 1.0 - 0.46211715726000973 * 0.46211715726000973, "1 − tanh² 0.5");
    assert_close(e.value, 1.6487212707001282, "e^0.5");
    let [(_, slope)] = tape.entry(e.place())[..] else { panic!("exp has one input") };
    assert_close(slope, 1.6487212707001282, "the derivative of eˣ at 0.5");
}
