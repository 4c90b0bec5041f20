//! Step 7: the loop.

use downhill::datasets::synthetic;
use downhill::prelude::*;
use exercises::step_7::train_model;

#[test]
fn two_moons_are_told_apart() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let (train, test) = synthetic::moons(400, 0.1, &mut rng).unwrap().split(0.8, &mut rng).unwrap();
    let mut model = Mlp::new(&[2, 16, 2], &mut rng);
    let last = train_model(&mut model, &train, 40, &mut rng).unwrap();
    assert!(last < 0.1, "the mean loss of the last epoch is {last}; below 0.1 was to be reached");
    let logits = model.forward(&test.full_batch().features);
    let right = accuracy(&logits.argmax(-1), test.labels()).unwrap();
    assert!(right >= 0.95, "{right} of the test points are right; 0.95 was to be reached");
}

#[test]
fn no_epoch_changes_nothing() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let train = synthetic::moons(50, 0.1, &mut rng).unwrap();
    let mut model = Mlp::new(&[2, 4, 2], &mut rng);
    let before: Vec<f32> = Parameters::<f32>::named(&model)
        .into_iter()
        .flat_map(|(_, tensor)| tensor.to_vec())
        .collect();
    train_model(&mut model, &train, 0, &mut rng).unwrap();
    let after: Vec<f32> = Parameters::<f32>::named(&model)
        .into_iter()
        .flat_map(|(_, tensor)| tensor.to_vec())
        .collect();
    assert_eq!(before, after);
}
