// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::synthetic;
use downhill::losses::MeanSquaredError;
use downhill::nn::Initializer;
use downhill::optim::Lion;
use downhill::prelude::*;

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    MeanSquaredError::new().forward(&logits.softmax(-1), &Tensor::one_hot(labels, 5))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset = synthetic::blobs(5, 300, 0.03, &mut rng)?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut mlp = Mlp::new(&[2, 8, 8, 5], &mut rng).initialize(Initializer::normal(0.0), &mut rng);
    for layer in &mut mlp.layers {
        layer.weight.update(|weights| weights.fill(0.5));
    }
    let mut model = mlp.activation(Activation::Tanh);
    let mut optimizer = Lion::new(0.002).betas(0.9, 0.99).weight_decay(0.1);

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 60 {
                break 'training;
            }
            let logits = model.forward(&batch.features);
            let loss = loss(&logits, &batch.labels)?;
            let gradients = loss.backward();
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
