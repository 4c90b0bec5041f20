//! The whole way from data to a trained classifier: `cargo run --release --example first`.

use downhill::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let (train, test) = Dataset::read_csv("data/digits.csv", "digit")?.split(0.8, &mut rng)?;
    let standardizer = Standardizer::fit(&train);
    let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
    println!("{} images to train on, {} to test on", train.len(), test.len());

    let mut model = Mlp::new(&[64, 32, 10], &mut rng);
    let mut optimizer = Sgd::new(0.05).momentum(0.9);
    let cross_entropy = CrossEntropy::new();

    for epoch in 1..=20 {
        let mut total = 0.0;
        for batch in train.batches(32, &mut rng) {
            let logits = model.forward(&batch.features);
            let loss = cross_entropy.forward(&logits, &batch.labels)?;
            let gradients = loss.backward();
            optimizer.step(&mut model, &gradients)?;
            total += loss.item() * batch.labels.len() as f32;
        }
        println!("epoch {epoch:2}: training loss {:.4} nats", total / train.len() as f32);
    }

    let logits = without_recording(|| model.forward(&test.full_batch().features));
    println!("test accuracy {:.4}", accuracy(&logits.argmax(-1), test.labels())?);
    Ok(())
}
