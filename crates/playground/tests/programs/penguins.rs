// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::Csv;
use downhill::losses::CrossEntropy;
use downhill::nn::Initializer;
use downhill::nn::LayerNorm;
use downhill::prelude::*;

struct Network {
    layers: Vec<Linear>,
    norms: Vec<LayerNorm>,
}
parameters!(Network { layers, norms });

impl Network {
    fn forward(&self, features: &Tensor) -> Tensor {
        let (last, hidden) = self.layers.split_last().expect("there is an output layer");
        let mut x = features.clone();
        for (layer, norm) in hidden.iter().zip(&self.norms) {
            let z = layer.forward(&x);
            let z = norm.forward(&z);
            let a = Activation::Tanh.forward(&z);
            x = if a.shape() == x.shape() { &x + a } else { a };
        }
        last.forward(&x)
    }
}

/// The loss of a batch: the mean over its points.
fn loss(logits: &Tensor, labels: &[usize]) -> Result<Tensor, downhill::losses::Error> {
    CrossEntropy::new().class_weights([0.7548209366391184, 1.6606060606060604, 0.9319727891156462]).forward(logits, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data: Dataset = Csv::new("data/penguins.csv")
        .target("species")
        .features(&["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"])
        .drop_missing(true)
        .read_classification()?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;
    let standardizer = Standardizer::fit(&train);
    let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
    // The two directions in which the features vary most.
    let components = ndarray::arr2(&[[0.44707313, -0.08599576], [-0.40712065, -0.0149414595], [0.57671946, 0.029313846], [0.54278773, -0.12545687], [0.084584475, 0.98781717]]);
    let project = |part: &Dataset| Dataset::new(part.features().dot(&components), part.targets().clone());
    let (train, test) = (project(&train)?, project(&test)?);

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 3], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = Network { layers: mlp.layers, norms: [8, 8].map(LayerNorm::new).to_vec() };
    let mut optimizer = Adam::new(0.05);

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
