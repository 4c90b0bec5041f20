//! A model of ours in PyTorch: `saved.safetensors` is what `save` wrote, and saved.py has PyTorch
//! compute from it.

use std::fs;
use std::path::PathBuf;

use downhill::nn::{Activation, LayerNorm, Linear, Module, Sequential};
use downhill::tensor::{Element, Tensor};
use downhill::train::{load, save};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use safetensors::SafeTensors;

use super::{Reference, assert_agrees};

/// Both sides compute in f64 from the same f32.
const TOLERANCE: f64 = 1e-13;

fn model<E: Element>() -> Sequential<E> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    Sequential::new()
        .then(Linear::new(4, 4, &mut rng))
        .then(Activation::Tanh)
        .then(LayerNorm::new(4))
        .then(Linear::new(4, 4, &mut rng).without_bias())
        .then(Activation::Relu)
        .then(Linear::new(4, 3, &mut rng))
}

#[test]
fn pytorch_computes_the_same_from_a_file_of_ours() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reference");
    let kept = directory.join("saved.safetensors");
    let mut loaded = model::<f64>();
    load(&mut loaded, &kept).unwrap();
    let reference = Reference::read("saved_outputs.safetensors", 0);
    let [input, output] =
        ["input", "output"].map(|name| Tensor::from(reference.arrays[name].values.view()));
    assert_agrees("output", &loaded.evaluate(&input), &output, TOLERANCE);

    // `save` still writes that.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    save(&model::<f32>(), &path).unwrap();
    let [new, kept] = [path, kept].map(|path| fs::read(path).unwrap());
    let [new, kept] = [&new, &kept].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    assert_eq!(new.len(), kept.len());
    for (name, tensor) in new.iter() {
        assert_eq!(kept.tensor(name).unwrap(), tensor, "{name}");
    }

    // And its page has the line by which that was read.
    let line = |text: String| {
        let line = text.lines().find(|line| line.contains("state = {")).map(str::to_owned);
        line.expect("the line").trim_start_matches("/// ").to_owned()
    };
    let script = fs::read_to_string(directory.join("saved.py")).unwrap();
    let page = fs::read_to_string(directory.join("../../crates/train/src/model_file/mod.rs"));
    assert_eq!(line(script), line(page.unwrap()));
}
