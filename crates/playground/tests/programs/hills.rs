// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::Numbers;
use downhill::datasets::synthetic;
use downhill::losses::BinaryCrossEntropyWithLogits;
use downhill::nn::Dropout;
use downhill::nn::Initializer;
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
            let a = Activation::Gelu.forward(&z);
            x = a;
        }
        last.forward(&x)
    }

    fn train(&self, features: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Tensor {
        let mut dropout = Dropout::new(0.1).expect("a rate below 1");
        let (last, hidden) = self.layers.split_last().expect("there is an output layer");
        let mut x = features.clone();
        for layer in hidden {
            let z = layer.forward(&x);
            let a = Activation::Gelu.forward(&z);
            let a = dropout.forward_training(&a, rng);
            x = a;
        }
        last.forward(&x)
    }
}

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, targets: &Tensor) -> Result<Tensor, downhill::losses::Error> {
    BinaryCrossEntropyWithLogits::new().forward(logits, targets)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset<f32, Numbers<f32>> = synthetic::hills(300, 0.03, &mut rng)?;
    let (train, test) = data.split(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 1], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = Network { layers: mlp.layers };
    let mut optimizer = AdamW::new(0.05).betas(0.9, 0.999).epsilon(1e-8).amsgrad(true).weight_decay(0.0);
    let schedule = Schedule::cosine(0.05, 1000, 0.0)?;

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 120 {
                break 'training;
            }
            let logits = model.train(&batch.features, &mut rng);
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
