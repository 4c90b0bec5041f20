//! What a program uses of the optimizers, so that a library can compile it, once: as in `downhill_tensor`.

use downhill_tensor::{Element, Gradients, Tensor};

use crate::*;

/// Refers to the optimizers. To be compiled, not called.
pub fn compiled<E: Element>() {
    let (model, gradients) = (&mut Tensor::<E>::zeros(&[1]), &mut Gradients::default());
    let optimizers: [Box<dyn Optimizer<E>>; 6] = [
        Box::new(Sgd::new(0.1)),
        Box::new(Adam::new(0.1)),
        Box::new(RmsProp::new(0.1)),
        Box::new(Adagrad::new(0.1)),
        Box::new(Lion::new(0.1)),
        Box::new(Muon::new(0.1)),
    ];
    for mut optimizer in optimizers {
        let _ = optimizer.step(model, gradients);
    }
    let _ = clip_by_global_norm(gradients, 1.0);
    let _ = clip_by_global_p_norm(gradients, 1.0, 1.0);
    let _ = clip_by_norm(gradients, 1.0);
    let _ = clip_by_value(gradients, 1.0);
    let mut average = ExponentialMovingAverage::new(0.5);
    let _ = (average.update(model), average.swap(model));
}
