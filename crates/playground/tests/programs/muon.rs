// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::synthetic;
use downhill::losses::CrossEntropy;
use downhill::nn::Dropout;
use downhill::nn::Initializer;
use downhill::optim::Muon;
use downhill::optim::ParameterGroup;
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
            let a = Activation::Tanh.forward(&z);
            x = if a.shape() == x.shape() { &x + a } else { a };
        }
        last.forward(&x)
    }

    fn train(&self, features: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Tensor {
        let mut dropout = Dropout::new(0.2).expect("a rate below 1");
        let (last, hidden) = self.layers.split_last().expect("there is an output layer");
        let mut x = features.clone();
        for layer in hidden {
            let z = layer.forward(&x);
            let a = Activation::Tanh.forward(&z);
            let a = dropout.forward_training(&a, rng);
            x = if a.shape() == x.shape() { &x + a } else { a };
        }
        last.forward(&x)
    }
}

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    CrossEntropy::new().forward(logits, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset = synthetic::spirals(3, 300, 0.03, &mut rng)?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 3], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = Network { layers: mlp.layers };
    let mut muon = Muon::new(0.05).momentum(0.9).nesterov(false).iterations(3).weight_decay(0.0)
        .group(ParameterGroup::matching("*.bias").frozen());
    let mut adam_w = AdamW::new(0.05).betas(0.9, 0.999).epsilon(1e-8).weight_decay(0.0)
        .group(ParameterGroup::matching("layers.*.weight").frozen());
    let schedule = Schedule::linear(0.0, 0.05, 1000)?;

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 50 {
                break 'training;
            }
            let logits = model.train(&batch.features, &mut rng);
            let loss = loss(&logits, &batch.labels)?;
            let mut gradients = loss.backward();
            downhill::optim::clip_by_norm(&mut gradients, 1.0)?;
            muon.set_learning_rate(schedule.learning_rate(step));
            muon.step(&mut model, &gradients)?;
            adam_w.set_learning_rate(schedule.learning_rate(step));
            adam_w.step(&mut model, &gradients)?;
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
