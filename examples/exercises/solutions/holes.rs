//! Every hole of the exercises is one: what is to be written panics with a sentence that says what.

use std::panic::{self, AssertUnwindSafe};

use downhill::optim::Rule;
use downhill::prelude::*;
use holes::{step_1, step_2, step_3, step_4, step_5, step_6, step_7};

#[track_caller]
fn assert_hole<T>(hole: impl FnOnce() -> T) {
    let panic = panic::catch_unwind(AssertUnwindSafe(hole)).map(|_| ()).expect_err("it is filled");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("todo!()");
    assert!(text.starts_with("not yet implemented: "), "{text}");
}

#[test]
fn every_step_has_its_holes() {
    let tape = step_1::Tape::default();
    let a = tape.number(1.0);
    assert_hole(|| a + a);
    assert_hole(|| a * a);
    assert_hole(|| a.tanh());
    assert_hole(|| a.exp());

    let tape = step_2::Tape::default();
    assert_hole(|| tape.number(1.0).backward());

    let x = Tensor::from([[0.5_f32, 1.0]]);
    assert_hole(|| step_3::bump(&x));
    assert_hole(|| step_3::distance(&x, &x));

    assert_hole(|| step_4::log_sum_exp(&x));
    assert_hole(|| step_4::cross_entropy(&x, &[1]));

    assert_hole(|| step_5::Rolling { momentum: 0.5 }.validate::<f32>());

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    assert_hole(|| step_6::Layer::new(1, 1, &mut rng));
    assert_hole(|| step_6::Network::new(1, 1, 1, &mut rng));

    let train = downhill::datasets::synthetic::moons(10, 0.1, &mut rng).unwrap();
    let mut model = Mlp::new(&[2, 2], &mut rng);
    assert_hole(|| step_7::train_model(&mut model, &train, 1, &mut rng));
}
