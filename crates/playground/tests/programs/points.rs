// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::Classes;
use downhill::losses::CrossEntropy;
use downhill::nn::Initializer;
use downhill::prelude::*;

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    CrossEntropy::new().forward(logits, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let points: Vec<[f32; 2]> = vec![[-0.5, 0.25], [0.5, -0.125], [0.75, 0.5], [0.0, -0.75]];
    let labels = vec![0, 1, 2, 0];
    let names = ["0", "1", "2"].map(String::from).to_vec();
    let data: Dataset = Dataset::new(ndarray::arr2(&points), Classes::new(labels, names)?)?;
    let (train, test) = (data.clone(), data.select(&[]));

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 3], &mut rng).initialize(Initializer::normal(0.001), &mut rng);
    let mut model = mlp.activation(Activation::Tanh);
    let mut optimizer = Sgd::new(0.05);

    let mut step = 0;
    'training: loop {
        for batch in train.batches(3, &mut rng) {
            if step == 40 {
                break 'training;
            }
            let logits = model.forward(&batch.features);
            let loss = loss(&logits, &batch.labels)?;
            let mut gradients = loss.backward();
            downhill::optim::clip_by_value(&mut gradients, 0.1)?;
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
