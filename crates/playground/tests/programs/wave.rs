// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::Numbers;
use downhill::datasets::synthetic;
use downhill::losses::MeanSquaredError;
use downhill::nn::Initializer;
use downhill::optim::Lbfgs;
use downhill::prelude::*;

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, targets: &Tensor) -> Result<Tensor, downhill::losses::Error> {
    MeanSquaredError::new().forward(logits, targets)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset<f32, Numbers<f32>> = synthetic::wave(300, 0.03, &mut rng)?;
    let (train, test) = data.split(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[1, 8, 8, 1], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = mlp.activation(Activation::Tanh);
    let mut optimizer = Lbfgs::new()
        .learning_rate(1.0)
        .max_iterations(1)
        .max_evaluations(20)
        .history_size(10);
    let schedule = Schedule::linear(1.0, 0.0, 1000)?;

    let mut step = 0;
    'training: loop {
        for batch in train.batches(5000, &mut rng) {
            if step == 30 {
                break 'training;
            }
            optimizer = optimizer.learning_rate(schedule.learning_rate(step));
            optimizer.step(&mut model, |model| {
                let loss = loss(&model.forward(&batch.features), &batch.targets)?;
                let gradients = loss.backward();
                Ok((loss, gradients))
            })?;
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
