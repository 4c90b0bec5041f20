// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::synthetic;
use downhill::losses::Focal;
use downhill::optim::Adagrad;
use downhill::prelude::*;

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    Focal::new().gamma(2.0).alpha([0.6, 3.0]).forward(logits, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset = synthetic::circles(300, 0.03, &mut rng)?;
    // Of the second class, the first share remains.
    let rare = data.labels().iter().filter(|&&label| label == 1).count() as f64 * 0.2;
    let mut seen = 0;
    let kept: Vec<usize> = (0..data.len())
        .filter(|&row| {
            let second = data.labels()[row] == 1;
            seen += usize::from(second);
            !second || seen <= rare.ceil() as usize
        })
        .collect();
    let data = data.select(&kept);
    let (train, test) = data.split_stratified(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 2], &mut rng);
    let mut model = mlp.activation(Activation::Tanh);
    let mut optimizer = Adagrad::new(0.1).epsilon(1e-8);

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 80 {
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
