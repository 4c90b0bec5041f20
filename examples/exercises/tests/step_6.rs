//! Step 6: a layer and a model.

use downhill::prelude::*;
use downhill::tensor::Path;
use exercises::step_6::{Layer, Network};

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

#[test]
fn a_layer_has_a_weight_and_a_bias_that_are_learned() {
    let layer = Layer::new(3, 2, &mut rng());
    let named: Vec<(String, Vec<usize>)> = Parameters::<f32>::named(&layer)
        .into_iter()
        .map(|(name, tensor)| (name, tensor.shape().to_vec()))
        .collect();
    assert_eq!(named, [("weight".into(), vec![3, 2]), ("bias".into(), vec![2])]);
    for (name, tensor) in Parameters::<f32>::named(&layer) {
        assert!(tensor.is_parameter(), "{name} is a constant: nothing would be learned");
    }
}

#[test]
fn weights_start_spread_and_biases_at_zero() {
    let layer = Layer::new(200, 100, &mut rng());
    let named = Parameters::<f32>::named(&layer);
    let weights = named[0].1.to_vec();
    let spread = (weights.iter().map(|w| w * w).sum::<f32>() / weights.len() as f32).sqrt();
    assert!((spread - 0.1).abs() < 0.005, "√(2 ÷ 200) is 0.1, but yours are spread by {spread}");
    assert!(named[1].1.to_vec().iter().all(|&bias| bias == 0.0), "biases start at 0");
}

#[test]
fn a_layer_multiplies_and_adds() {
    let mut layer = Layer::new(2, 2, &mut rng());
    layer.visit_mut(Path::ROOT, &mut |_, tensor: &mut Tensor| {
        let values = if tensor.len() == 4 { vec![1.0, 2.0, 3.0, 4.0] } else { vec![10.0, 20.0] };
        tensor.update(|numbers| numbers.copy_from_slice(&values));
    });
    let output = layer.forward(&Tensor::from([[1.0, 1.0], [0.0, -1.0]]));
    assert_eq!(output.to_vec(), [14.0, 26.0, 7.0, 16.0], "x · W + b");
}

#[test]
fn a_network_is_not_linear() {
    let network = Network::new(2, 16, 1, &mut rng());
    let at = |x: f32| network.forward(&Tensor::from([[x, 0.5 * x]])).item();
    let bend = at(1.0) + at(-1.0) - 2.0 * at(0.0);
    assert!(bend.abs() > 1e-3, "without a ReLU between them two layers are one");
}

#[test]
fn every_weight_receives_a_gradient() {
    let network = Network::new(2, 8, 3, &mut rng());
    let logits = network.forward(&Tensor::from([[0.3, -0.2], [-1.0, 0.8]]));
    let gradients = cross_entropy(&logits, &[0, 2]).unwrap().backward();
    for (name, tensor) in Parameters::<f32>::named(&network) {
        assert!(gradients.get(&tensor).is_some(), "{name} receives no gradient");
    }
}
