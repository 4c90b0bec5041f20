// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::synthetic;
use downhill::losses::CrossEntropy;
use downhill::nn::Initializer;
use downhill::optim::RmsProp;
use downhill::prelude::*;

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    CrossEntropy::new().forward(logits, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset = synthetic::blobs(3, 300, 0.03, &mut rng)?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 3], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = mlp.activation(Activation::Tanh);
    let mut optimizer = RmsProp::new(0.01).alpha(0.99).epsilon(1e-8).centered(true);
    let schedule = Schedule::polynomial(0.01, 60, 2.0)?;

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 40 {
                break 'training;
            }
            let logits = model.forward(&batch.features);
            let loss = loss(&logits, &batch.labels)?;
            let gradients = loss.backward();
            optimizer.set_learning_rate(schedule.learning_rate(step));
            optimizer.step(&mut model, &gradients)?;
            step += 1;
        }
    }

    for (name, part) in [("train", &train), ("test", &test)] {
        if part.is_empty() {
            continue;
        }
        let batch = part.full_batch();
        let logits = without_recording(|| model.forward(&batch.features));
        println!("{name} loss {}", loss(&logits, &batch.labels)?.item());
    }
    Ok(())
}
