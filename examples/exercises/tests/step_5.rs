//! Step 5: an optimizer's rule.

use downhill::optim::{FirstOrder, Rule};
use downhill::prelude::*;
use exercises::step_5::Rolling;

#[test]
fn without_momentum_it_is_plain_descent() {
    let mut weight = Tensor::parameter([1.0_f64, -2.0]);
    let gradients = weight.square().sum().backward(); // 2w: [2, −4]
    let mut optimizer = FirstOrder::with_rule(0.1, Rolling { momentum: 0.0 });
    optimizer.step(&mut weight, &gradients).unwrap();
    assert_eq!(weight.to_vec(), [1.0 - 0.1 * 2.0, -2.0 + 0.1 * 4.0]);
}

#[test]
fn the_velocity_grows_while_the_slope_stays() {
    let mut weight = Tensor::parameter(0.0_f64);
    let mut optimizer = FirstOrder::with_rule(1.0, Rolling { momentum: 0.5 });
    let mut places = Vec::new();
    for _ in 0..4 {
        let gradients = (&weight * 1.0).sum().backward(); // a slope of 1
        optimizer.step(&mut weight, &gradients).unwrap();
        places.push(weight.item());
    }
    // Velocities 1, 1.5, 1.75, 1.875.
    assert_eq!(places, [-1.0, -2.5, -4.25, -6.125], "velocity = 0.5 · velocity + gradient");
}

#[test]
fn it_agrees_with_the_librarys() {
    let (mut ours, mut theirs) =
        (Tensor::parameter([3.0_f32, -1.0]), Tensor::parameter([3.0, -1.0]));
    let mut rolling = FirstOrder::with_rule(0.05, Rolling { momentum: 0.9 });
    let mut sgd = Sgd::new(0.05).momentum(0.9);
    for step in 0..30 {
        let gradients = ours.square().sum().backward();
        rolling.step(&mut ours, &gradients).unwrap();
        let gradients = theirs.square().sum().backward();
        sgd.step(&mut theirs, &gradients).unwrap();
        for (found, right) in ours.to_vec().into_iter().zip(theirs.to_vec()) {
            assert!((found - right).abs() < 1e-5, "step {step}: {right}, but yours is at {found}");
        }
    }
}

#[test]
fn a_momentum_of_one_is_refused() {
    assert!(Rolling { momentum: 0.99 }.validate::<f32>().is_ok());
    assert!(Rolling { momentum: 1.0 }.validate::<f32>().is_err(), "the velocity would never fall");
    assert!(Rolling { momentum: -0.1 }.validate::<f32>().is_err());
}
