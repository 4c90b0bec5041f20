// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::Numbers;
use downhill::datasets::synthetic;
use downhill::losses::Huber;
use downhill::nn::Initializer;
use downhill::prelude::*;

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, targets: &Tensor) -> Result<Tensor, downhill::losses::Error> {
    Huber::new().delta(0.1).forward(logits, targets)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset<f32, Numbers<f32>> = synthetic::plane(300, 0.03, &mut rng)?;
    let (train, test) = data.split(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 1], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = mlp.activation(Activation::Silu);
    let mut optimizer = Adam::new(0.05);
    let schedule = Schedule::step(0.05, 20, 0.5)?;

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 50 {
                break 'training;
            }
            let logits = model.forward(&batch.features);
            let loss = loss(&logits, &batch.targets)?;
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
        println!("{name} loss {}", loss(&logits, &batch.targets)?.item());
    }
    Ok(())
}
