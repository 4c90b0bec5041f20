//! What a program uses of the layers, so that a library can compile it, once: as in `downhill_tensor`.

use downhill_tensor::{Element, Tensor};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::*;

/// Refers to the layers. To be compiled, not called.
pub fn compiled<E: Element>() {
    let x = &Tensor::<E>::zeros(&[1, 1]);
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(0);
    let layers: [Box<dyn Module<E>>; 19] = [
        Box::new(Mlp::new(&[1, 1], rng)),
        Box::new(Linear::new(1, 1, rng)),
        Box::new(Conv2d::new(1, 1, 1, rng)),
        Box::new(Gru::new(1, 1, rng)),
        Box::new(Lstm::new(1, 1, rng)),
        Box::new(SelfAttention::new(1, 1, rng)),
        Box::new(TransformerBlock::new(1, 1, 1, rng)),
        Box::new(BatchNorm::new(1)),
        Box::new(LayerNorm::new(1)),
        Box::new(RmsNorm::new(1)),
        Box::new(Sequential::new().then(Activation::Relu)),
        Box::new(Activation::Relu),
        Box::new(MaxPool2d::new(1)),
        Box::new(AvgPool2d::new(1)),
        Box::new(AdaptiveAvgPool2d::new(1)),
        Box::new(Flatten),
        Box::new(Bidirectional::new(Gru::new(1, 1, rng), Gru::new(1, 1, rng))),
        Box::new(Bidirectional::new(Lstm::new(1, 1, rng), Lstm::new(1, 1, rng))),
        Box::new(Dropout::new(0.5).expect("a rate")),
    ];
    for mut layer in layers {
        let _ = (layer.evaluate(x), layer.forward_training(x, rng));
    }
    let _ = Embedding::<E>::new(1, 1, rng).forward(&ndarray::arr1(&[0]));
}
