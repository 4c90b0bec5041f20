// Cargo.toml: downhill = "0.1", and ndarray = "0.17" where an array is written out.
use downhill::datasets::synthetic;
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
        for (index, layer) in hidden.iter().enumerate() {
            let z = layer.forward(&x);
            let z = self.norms[index].forward(&z);
            let a = match index {
                0 => Activation::Relu.forward(&z),
                1 => z,
                _ => Activation::Tanh.forward(&z),
            };
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
    let data: Dataset = synthetic::spirals(3, 300, 0.03, &mut rng)?;
    let (train, test) = data.split_stratified(0.8, &mut rng)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut mlp = Mlp::new(&[2, 8, 8, 6, 3], &mut rng);
    for (layer, gain) in mlp.layers.iter_mut().zip([Activation::Relu.gain(), 1.0, Activation::Tanh.gain(), Activation::Tanh.gain()]) {
        *layer = layer.clone().initialize(Initializer::kaiming_normal(gain), &mut rng);
    }
    let mut model = Network { layers: mlp.layers, norms: [8, 8, 6].map(LayerNorm::new).to_vec() };
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
