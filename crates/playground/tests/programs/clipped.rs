// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::synthetic;
use downhill::losses::CrossEntropy;
use downhill::nn::Initializer;
use downhill::optim::OneCycle;
use downhill::prelude::*;

struct Network {
    layers: Vec<Linear>,
}
parameters!(Network { layers });

impl Network {
    fn forward(&self, features: &Tensor) -> Tensor {
        let (last, hidden) = self.layers.split_last().expect("there is an output layer");
        let mut x = features.clone();
        for layer in hidden {
            let z = layer.forward(&x);
            let a = z;
            x = a;
        }
        last.forward(&x)
    }
}

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    CrossEntropy::new().label_smoothing(0.05).temperature(2.0).forward(logits, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset = synthetic::spirals(3, 300, 0.03, &mut rng)?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 3], &mut rng).initialize(Initializer::normal(4.0), &mut rng);
    let mut model = Network { layers: mlp.layers };
    let mut optimizer = Adam::new(0.05);
    let schedule = Schedule::one_cycle(0.05, 80, OneCycle::default())?;

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 90 {
                break 'training;
            }
            let logits = model.forward(&batch.features);
            let loss = loss(&logits, &batch.labels)?;
            let mut gradients = loss.backward();
            clip_by_global_norm(&mut gradients, 1.0)?;
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
