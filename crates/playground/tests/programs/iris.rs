// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::Csv;
use downhill::losses::CrossEntropy;
use downhill::nn::Initializer;
use downhill::nn::LayerNorm;
use downhill::optim::Muon;
use downhill::optim::ParameterGroup;
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
            x = a;
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
    let data: Dataset = Csv::new("data/iris.csv")
        .target("species")
        .features(&["petal_length_cm", "sepal_width_cm"])
        .drop_missing(true)
        .read_classification()?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;
    let standardizer = Standardizer::fit(&train);
    let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mlp = Mlp::new(&[2, 8, 8, 3], &mut rng).initialize(Initializer::xavier_uniform(1.0), &mut rng);
    let mut model = Network { layers: mlp.layers, norms: [8, 8].map(LayerNorm::new).to_vec() };
    let mut muon = Muon::new(0.05).momentum(0.95).nesterov(true).weight_decay(0.0)
        .group(ParameterGroup::matching("*.bias").frozen())
        .group(ParameterGroup::matching("norms.*").frozen());
    let mut adam_w = AdamW::new(0.05).betas(0.9, 0.999).epsilon(1e-8).weight_decay(0.0)
        .group(ParameterGroup::matching("layers.*.weight").frozen());

    let mut step = 0;
    'training: loop {
        for batch in train.batches(32, &mut rng) {
            if step == 60 {
                break 'training;
            }
            let logits = model.forward(&batch.features);
            let loss = loss(&logits, &batch.labels)?;
            let gradients = loss.backward();
            muon.step(&mut model, &gradients)?;
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
