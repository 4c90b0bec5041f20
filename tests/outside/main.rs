//! Tells penguins apart by a table as a German Excel writes it: semicolons, decimal commas, gaps.
//! The project around this file has nothing of Downhill but its packages.

use downhill::datasets::{Csv, Fill, Imputer};
use downhill::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let penguins: Dataset = Csv::new("penguins.csv")
        .target("species")
        .features(&["bill_*", "flipper_length_mm", "body_mass_g", "island"])
        .one_hot(&["island"])
        .keep_missing(true)
        .read_classification()?;
    assert!(penguins.lacks_values(), "the table has gaps");
    let (train, test) = penguins.split_stratified(0.8, &mut rng)?;
    let imputer = Imputer::fit(&train, Fill::Median)?;
    let (train, test) = (imputer.transform(&train), imputer.transform(&test));
    let standardizer = Standardizer::fit(&train);
    let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));

    let mut model = Mlp::new(&[train.feature_count(), 16, train.class_count()], &mut rng);
    let mut optimizer = AdamW::new(0.01);
    for _epoch in 0..30 {
        for batch in train.batches(32, &mut rng) {
            let loss = cross_entropy(&model.forward(&batch.features), &batch.labels)?;
            let gradients = loss.backward();
            optimizer.step(&mut model, &gradients)?;
        }
    }
    let logits = without_recording(|| model.forward(&test.full_batch().features));
    let right = accuracy(&logits.argmax(-1), test.labels())?;
    println!("{} penguins to train on, {} to test on", train.len(), test.len());
    println!("test accuracy {right:.4}");
    assert!(right > 0.9, "species are told apart");
    Ok(())
}
