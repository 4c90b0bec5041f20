//! The networks of the cases that are more than perceptrons.

use downhill::nn::{Conv2d, Embedding, Flatten, LayerNorm, MaxPool2d, TransformerBlock};
use downhill::optim::Adam;
use downhill::prelude::*;

use super::{labels, normal, step};

/// One training step of a decoder-only transformer of two blocks, 60,027 parameters, that predicts
/// each next character of 64 names of 12 characters.
pub(crate) fn transformer_step() -> impl FnMut() {
    const NAMES: usize = 64;
    const PLACES: usize = 12;
    const SYMBOLS: usize = 27;
    const WIDTH: usize = 48;

    struct Transformer {
        symbols: Embedding,
        places: Embedding,
        blocks: Vec<TransformerBlock>,
        norm: LayerNorm,
        head: Linear,
    }
    parameters!(Transformer { symbols, places, blocks, norm, head });

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let model = Transformer {
        symbols: Embedding::new(SYMBOLS, WIDTH, &mut rng),
        places: Embedding::new(16, WIDTH, &mut rng),
        blocks: (0..2).map(|_| TransformerBlock::new(WIDTH, 4, 4 * WIDTH, &mut rng)).collect(),
        norm: LayerNorm::new(WIDTH),
        head: Linear::new(WIDTH, SYMBOLS, &mut rng),
    };
    assert_eq!(model.parameter_count(), 60_027, "peers.py builds the same model");
    let inputs = labels(NAMES * PLACES, SYMBOLS);
    let places: Vec<usize> = (0..PLACES).collect();
    let forward = move |model: &mut Transformer| {
        let symbols = model.symbols.forward(&inputs).reshape(&[NAMES, PLACES, WIDTH]);
        let start = symbols + model.places.forward(&places);
        let blocks = model.blocks.iter_mut();
        let end = blocks.fold(start, |x, block| block.forward_training(&x, &mut rng));
        model.head.forward(&model.norm.forward(&end))
    };
    step(model, forward, labels(NAMES * PLACES, SYMBOLS), Adam::new(1e-4))
}

/// One training step of a convolutional network, 9,930 parameters, on 32 images of digits.
pub(crate) fn convolution_step() -> impl FnMut() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let model: Sequential = Sequential::new()
        .then(Conv2d::new(1, 16, 3, &mut rng).padding(1))
        .then(Activation::Relu)
        .then(Conv2d::new(16, 32, 3, &mut rng).padding(1))
        .then(Activation::Relu)
        .then(MaxPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(32 * 4 * 4, 10, &mut rng));
    assert_eq!(model.parameter_count(), 9_930, "peers.py builds the same model");
    let images = normal(&[32, 1, 8, 8], 1.0);
    let forward = move |model: &mut Sequential| model.forward_training(&images, &mut rng);
    step(model, forward, labels(32, 10), Adam::new(1e-4))
}
