//! What many lessons use of Downhill is compiled here, once, and not in each of them.

use std::path::Path;

use downhill::datasets::Csv;
use downhill::prelude::*;
use downhill::tensor;
use downhill::train::{State, TemperatureScaling};
use downhill_report::Report;

use super::Outcome;
use super::keep::{Checkpoints, Keep};
use super::observe::{Observe, Record};

/// Refers to it. To be compiled, not called.
#[inline(never)]
pub fn compiled(observe: &Observe, keep: &Keep, report: &mut Report) -> Outcome {
    tensor::compiled::<f32>();
    tensor::compiled::<f64>();
    of_losses();
    of_layers();
    of_optimizers();
    let data: Dataset = Csv::new("").read_classification()?;
    let data = Standardizer::fit(&data).transform(&data);
    Dataset::read_idx("")?;
    let (data, _) = data.split(0.5, &mut Xoshiro256PlusPlus::seed_from_u64(0))?;
    surroundings(observe, keep, report, &data)
}

fn surroundings(observe: &Observe, keep: &Keep, report: &mut Report, data: &Dataset) -> Outcome {
    let model = &mut Tensor::parameter(0.0);
    let mut record: Record = observe.record(None, model)?;
    record.step(model, &model.backward(), model, 0.1);
    record.check_loss(model, model, (0, 0), 0.1)?;
    record.epoch(&[]);
    report.history(&record.history);
    report.layers("", &record.history);
    report.classification_since(&[], model, data)?;
    keep.save(model, &[]);
    let mut checkpoints = Checkpoints::disabled();
    checkpoints.restore(State::new("", model), true)?;
    checkpoints.step(State::new("", model))?;
    checkpoints.epoch(State::new("", model), 0.0)?;
    checkpoints.finish(State::new("", model))?;
    TemperatureScaling::fit(model, data.labels())?.apply(model);
    Ok(load(model, Path::new(""))?)
}

fn of_losses() {
    use downhill::losses::*;

    let (x, y) = (&Tensor::<f32>::zeros(&[1, 1]), &Tensor::<f32>::zeros(&[1, 1]));
    let labels: &[usize] = &[0];
    let cross_entropy = CrossEntropy::new();
    let _ = [
        cross_entropy.forward(x, labels),
        cross_entropy.forward(x, &labels.to_vec()),
        cross_entropy.forward(x, y),
        cross_entropy.forward_linear(x, y, None, labels),
        focal(x, labels),
        poly1(x, labels),
        generalised_cross_entropy(x, labels),
        symmetric_cross_entropy(x, labels),
        multiclass_hinge(x, labels),
        negative_log_likelihood(x, labels),
        binary_cross_entropy(x, y),
        binary_cross_entropy_with_logits(x, y),
        binary_focal(x, y),
        binary_hinge(x, y),
        huber(x, y),
        log_cosh(x, y),
        mean_absolute_error(x, y),
        mean_squared_error(x, y),
        quantile(x, y),
        smooth_l1(x, y),
        poisson_negative_log_likelihood(x, y),
        gaussian_negative_log_likelihood(x, y, y),
        jensen_shannon_divergence(x, y),
        kl_divergence(x, y),
        knowledge_distillation(x, y, 1.0),
        entropy(x),
    ];
}

fn of_layers() {
    use downhill::nn::*;

    let x = &Tensor::<f32>::zeros(&[1, 1]);
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(0);
    let layers: [Box<dyn Module<f32>>; 19] = [
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
    let _ = Embedding::<f32>::new(1, 1, rng).forward(&downhill::ndarray::arr1(&[0]));
}

fn of_optimizers() {
    use downhill::optim::*;

    let (model, gradients) = (&mut Tensor::<f32>::zeros(&[1]), &mut tensor::Gradients::default());
    let optimizers: [Box<dyn Optimizer<f32>>; 6] = [
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
