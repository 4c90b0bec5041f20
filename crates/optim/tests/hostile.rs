//! What optimizers do with numbers near the ends of `f32`: whatever they keep stays finite, or
//! the step is refused by the parameter's name and leaves everything as it was.

use downhill_optim::{
    Adagrad, Adam, AdamW, Error, ExponentialMovingAverage, Lion, Muon, Optimizer, ParameterGroup,
    RmsProp, Sgd, unclaimed,
};
use downhill_tensor::{Gradients, Parameters, Tensor, parameters};
use proptest::prelude::*;

struct Layer {
    weight: Tensor,
}
parameters!(Layer { weight });

impl Layer {
    fn new(weights: [f32; 4]) -> Self {
        let [a, b, c, d] = weights;
        Self { weight: Tensor::parameter([[a, b], [c, d]]) }
    }

    fn gradients(&self, gradient: [f32; 4]) -> Gradients {
        let mut gradients = Gradients::default();
        let [a, b, c, d] = gradient;
        gradients.insert(&self.weight, Tensor::from([[a, b], [c, d]]));
        gradients
    }
}

/// Each optimizer, with and without weight decay, and with the options that add state.
fn optimizers() -> Vec<(&'static str, Box<dyn Optimizer<f32>>)> {
    vec![
        ("sgd", Box::new(Sgd::new(0.1))),
        ("sgd, momentum", Box::new(Sgd::new(0.1).momentum(1.0).weight_decay(0.1))),
        ("nesterov", Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true))),
        ("adagrad", Box::new(Adagrad::new(0.1))),
        ("adagrad, decay", Box::new(Adagrad::new(0.1).weight_decay(0.5))),
        ("rms_prop", Box::new(RmsProp::new(0.1))),
        (
            "rms_prop, all",
            Box::new(RmsProp::new(0.1).momentum(0.9).centered(true).weight_decay(0.1)),
        ),
        ("adam", Box::new(Adam::new(0.1).amsgrad(true))),
        ("adam, decay", Box::new(Adam::new(0.1).weight_decay(0.5))),
        ("adam_w", Box::new(AdamW::new(0.1))),
        ("lion", Box::new(Lion::new(0.1))),
        ("muon", Box::new(Muon::new(0.1))),
    ]
}

/// The names and bits of the model and of what the optimizer remembers.
fn everything(optimizer: &dyn Optimizer<f32>, model: &Layer) -> Vec<(String, Vec<u32>)> {
    let state = optimizer.state(model).unwrap();
    let bits = |tensor: &Tensor| tensor.to_vec().into_iter().map(f32::to_bits).collect();
    model.named().iter().chain(&state).map(|(name, tensor)| (name.clone(), bits(tensor))).collect()
}

fn hostile() -> impl Strategy<Value = f32> {
    let sizes = [0.0, 1e-45, 1e-38, 1e-20, 1.0, 1e10, 1e15, 1e16, 1e19, 1e20, 1e22, 1e38, f32::MAX];
    (prop::sample::select(sizes.to_vec()), any::<bool>(), 0.5..=1.0_f32)
        .prop_map(|(size, negative, factor)| if negative { -size * factor } else { size * factor })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_kept_stays_finite_or_the_step_is_refused_by_name(
        weights in prop::array::uniform4(hostile()),
        steps in prop::collection::vec(prop::array::uniform4(hostile()), 1..5),
    ) {
        for (name, mut optimizer) in optimizers() {
            let mut model = Layer::new(weights);
            for &gradient in &steps {
                let before = everything(&*optimizer, &model);
                let gradients = model.gradients(gradient);
                match optimizer.step(&mut model, &gradients) {
                    Ok(()) => {
                        for (part, bits) in everything(&*optimizer, &model) {
                            let finite = bits.iter().all(|&bits| f32::from_bits(bits).is_finite());
                            prop_assert!(finite, "{}: {} after {:?}", name, part, steps);
                        }
                    }
                    Err(error) => {
                        prop_assert!(matches!(error, Error::Overflow { .. }), "{}: {}", name, error);
                        prop_assert!(error.to_string().contains("`weight`"), "{}", error);
                        prop_assert_eq!(&before, &everything(&*optimizer, &model), "{}", name);
                    }
                }
            }
        }
    }
}

#[test]
fn rms_prop_steps_as_pytorchs_after_a_gradient_whose_square_overflows() {
    let mut weight = Tensor::parameter([0.0_f32]);
    let mut gradients = Gradients::default();
    gradients.insert(&weight, Tensor::from([1e20]));
    RmsProp::new(0.1).step(&mut weight, &gradients).unwrap();
    // 0.1 · g / √(0.01 · g²)
    assert!((weight.item() + 1.0).abs() < 1e-6, "{}", weight.item());
}

#[test]
fn adagrad_refuses_what_would_stop_it_for_good() {
    let mut model = Layer::new([1.0; 4]);
    let gradients = model.gradients([1.0, -1e20, 0.0, 1.0]);
    let error = Adagrad::new(0.1).step(&mut model, &gradients).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the `sum` of `weight` would not be finite in f32: its gradient reaches 1.0000000200408773e20, \
         its weights 1e0; clip the gradients, or scale the loss"
    );
    assert_eq!(model.weight.to_vec(), [1.0; 4]);
}

#[test]
fn muon_moves_along_a_gradient_whose_norm_overflows() {
    let mut model = Layer::new([0.0; 4]);
    let gradients = model.gradients([f32::MAX, 0.0, 0.0, f32::MAX]);
    Muon::new(0.1).step(&mut model, &gradients).unwrap();
    assert!(model.weight.to_vec()[0] < -0.05, "{:?}", model.weight.to_vec());
}

#[test]
fn options_that_round_to_0_or_to_an_infinity_are_refused() {
    let mut model = Layer::new([1.0; 4]);
    let gradients = model.gradients([0.0; 4]);
    let mut refuse = |mut optimizer: Box<dyn Optimizer<f32>>, expected: &str| {
        let error = optimizer.step(&mut model, &gradients).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(model.weight.to_vec(), [1.0; 4]);
    };
    let tiny = "epsilon is 0.000000000000000000000000000000000000000000000000000000000001; it must \
                be above 0 and finite in f32, where it is 0";
    refuse(Box::new(Adam::new(0.1).epsilon(1e-60)), tiny);
    refuse(Box::new(AdamW::new(0.1).epsilon(1e-60)), tiny);
    refuse(Box::new(RmsProp::new(0.1).epsilon(1e-60)), tiny);
    refuse(Box::new(Adagrad::new(0.1).epsilon(1e-60)), tiny);
    refuse(Box::new(Muon::new(0.1).epsilon(1e-60)), tiny);
    let huge = |name: &str| {
        let zeros = "0".repeat(40);
        format!("{name} is 1{zeros}; it must be at least 0 and finite in f32, where it is inf")
    };
    refuse(Box::new(Sgd::new(1e40)), &huge("learning_rate"));
    refuse(Box::new(Sgd::new(0.1).weight_decay(1e40)), &huge("weight_decay"));
    refuse(Box::new(Adagrad::new(0.1).initial_accumulator(1e40)), &huge("initial_accumulator"));
    let group = ParameterGroup::matching("*").weight_decay(1e40);
    refuse(Box::new(Sgd::new(0.1).group(group)), &huge("weight_decay of group `*`"));
}

#[test]
fn a_step_that_trains_nothing_is_refused_with_its_likely_cause() {
    let mut model = Layer::new([1.0; 4]);
    let other = Tensor::parameter([3.0_f32]);
    for (_, mut optimizer) in optimizers() {
        let mut refuse = |model: &mut Layer, gradients: &Gradients, cause: &str| {
            let error = optimizer.step(model, gradients).unwrap_err().to_string();
            assert_eq!(error, format!("no parameter of the model has a gradient: {cause}"));
        };
        refuse(
            &mut model,
            &Gradients::default(),
            "there are no gradients at all; was the loss computed under `without_recording`, or \
             from detached tensors?",
        );
        let elsewhere = other.square().sum().backward();
        refuse(
            &mut model,
            &elsewhere,
            "the gradients, 1 in number, are those of other parameters; do they belong to another \
             model, or to fields that `parameters!` does not name?",
        );
        let mut constant = Layer { weight: Tensor::from([[1.0, 2.0], [3.0, 4.0]]) };
        refuse(
            &mut constant,
            &elsewhere,
            "it has no parameters; are its tensors made with `Tensor::parameter`, and named in \
             `parameters!`?",
        );
        assert_eq!(optimizer.never_updated(&model), ["weight"]);
    }
    assert_eq!(unclaimed(&model, &other.square().sum().backward()).len(), 1);
    assert!(unclaimed(&other, &other.square().sum().backward()).is_empty());
}

#[test]
fn what_is_remembered_of_one_model_is_not_saved_as_that_of_another() {
    let other = Layer::new([2.0; 4]);
    for (name, mut optimizer) in optimizers() {
        let mut model = Layer::new([1.0; 4]);
        assert!(optimizer.state(&other).unwrap().is_empty(), "{name}: nothing is remembered yet");
        let gradients = model.gradients([0.1; 4]);
        optimizer.step(&mut model, &gradients).unwrap();
        assert!(!optimizer.state(&model).unwrap().is_empty());
        let error = optimizer.state(&other).unwrap_err().to_string();
        assert_eq!(
            error,
            "nothing is remembered of the parameters of this model, but of 1 others; are they \
             those of another model?"
        );
    }
    let mut average = ExponentialMovingAverage::new(0.5);
    assert!(average.state(&other).unwrap().is_empty());
    average.update(&Layer::new([1.0; 4])).unwrap();
    assert!(matches!(average.state(&other), Err(Error::NoAverage { .. })));
}

#[test]
fn a_step_in_which_all_is_frozen_is_refused() {
    let mut model: Vec<_> = (0..2).map(|_| Tensor::parameter([1.0_f32])).collect();
    let mut optimizer = Sgd::new(0.1).group(ParameterGroup::matching("0").frozen());
    let gradients = model[0].square().backward();
    let error = optimizer.step(&mut model, &gradients).unwrap_err();
    let expected =
        "all parameters that have a gradient are frozen, 1 in number; nothing would be learned";
    assert_eq!(error.to_string(), expected);
    let gradients = (&model[0] * &model[1]).backward();
    optimizer.step(&mut model, &gradients).unwrap();
    assert_eq!([model[0].item(), model[1].item()], [1.0, 0.9]);
}

#[test]
fn a_group_has_options_of_its_own() {
    let step = |optimizer: &mut Sgd<f64>, model: &mut Vec<Tensor<f64>>| {
        let mut gradients = Gradients::default();
        for tensor in model.iter() {
            gradients.insert(tensor, Tensor::from([1.0]));
        }
        optimizer.step(model, &gradients).unwrap();
        model.iter().map(Tensor::item).collect::<Vec<f64>>()
    };
    let mut model: Vec<_> = (0..3).map(|_| Tensor::parameter([0.0])).collect();
    let mut optimizer = Sgd::new(1.0)
        .momentum(0.5)
        .group_with(ParameterGroup::matching("0"), |sgd| sgd.momentum(0.0).weight_decay(0.5))
        .group_with(ParameterGroup::matching("2"), |sgd| sgd.nesterov(true));
    assert_eq!(step(&mut optimizer, &mut model), [-1.0, -1.0, -1.5]);
    assert_eq!(step(&mut optimizer, &mut model), [-1.5, -2.5, -3.25]);
    let names: Vec<String> =
        optimizer.state(&model).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0.step", "1.velocity", "1.step", "2.velocity", "2.step"]);

    // A restored optimizer goes on in the same way.
    let mut resumed = optimizer.clone();
    resumed.restore(&model, &optimizer.state(&model).unwrap()).unwrap();
    let mut copy = model.clone();
    assert_eq!(step(&mut optimizer, &mut model), step(&mut resumed, &mut copy));

    // Momentum that comes or goes later brings its state with it.
    optimizer.set_momentum(0.0);
    step(&mut optimizer, &mut model);
    optimizer.set_momentum(0.5);
    step(&mut optimizer, &mut model);

    let mut wrong =
        Sgd::new(1.0).group_with(ParameterGroup::matching("0"), |sgd: Sgd<f64>| sgd.momentum(1.5));
    let mut gradients = Gradients::default();
    gradients.insert(&model[0], Tensor::from([1.0]));
    let error = wrong.step(&mut model, &gradients).unwrap_err();
    assert_eq!(error.to_string(), "momentum is 1.5; it must be at least 0 and at most 1");
}
