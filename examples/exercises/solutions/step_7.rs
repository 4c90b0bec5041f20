//! Step 7: the loop.
//!
//! Everything is one line of flow: data → model → logits → loss → gradients → step, and again.

use downhill::prelude::*;

/// Trains `model` on `train` and returns the mean loss of the last epoch.
///
/// In each of `epochs` epochs, for each batch of 16 points (`train.batches(16, rng)`):
/// - the logits are what the model makes of the batch's features,
/// - the loss is their cross-entropy against the batch's labels,
/// - the gradients are what `backward` makes of the loss,
/// - the optimizer steps.
pub fn train_model(
    model: &mut Mlp,
    train: &Dataset,
    epochs: usize,
    rng: &mut impl Rng,
) -> Result<f32, Box<dyn std::error::Error>> {
    let mut optimizer: Adam = Adam::new(0.01);
    let mut mean = f32::NAN;
    for _epoch in 0..epochs {
        let mut total = 0.0;
        for batch in train.batches(16, rng) {
            let logits = model.forward(&batch.features);
            let loss = cross_entropy(&logits, &batch.labels)?;
            let gradients = loss.backward();
            optimizer.step(model, &gradients)?;
            total += loss.item() * batch.labels.len() as f32;
        }
        mean = total / train.len() as f32;
    }
    Ok(mean)
}
