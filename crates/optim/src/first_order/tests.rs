use downhill_tensor::Path;

use super::*;
use crate::group::ParameterGroup;
use crate::in_lanes::WORTH_THREADS;
use crate::{Adagrad, Adam, AdamW, Lion, Muon, RmsProp, Sgd};

/// Named tensors in an order of one's own.
#[derive(Clone)]
struct Model<E: Element = f64>(Vec<(&'static str, Tensor<E>)>);

impl<E: Element> Parameters<E> for Model<E> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        for (name, tensor) in &self.0 {
            visitor(path.field(name), tensor);
        }
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        for (name, tensor) in &mut self.0 {
            visitor(path.field(name), tensor);
        }
    }
}

impl<E: Element> Model<E> {
    fn values(&self) -> Vec<Vec<E>> {
        self.0.iter().map(|(_, tensor)| tensor.to_vec()).collect()
    }
}

/// `weight` [2, 2] and `bias` [2], of ones.
fn layer() -> Model {
    let ones = |shape: &[usize]| Tensor::parameter(Tensor::ones(shape));
    Model(vec![("weight", ones(&[2, 2])), ("bias", ones(&[2]))])
}

/// A gradient of ones for each parameter.
fn ones<E: Element>(model: &Model<E>) -> Gradients<E> {
    let mut gradients = Gradients::default();
    for (_, tensor) in &model.0 {
        gradients.insert(tensor, Tensor::ones(tensor.shape()));
    }
    gradients
}

/// One of each, with state to remember.
fn optimizers() -> Vec<Box<dyn Optimizer<f64>>> {
    let matrices = ParameterGroup::matching("bias").frozen();
    vec![
        Box::new(Sgd::new(0.1).momentum(0.9)),
        Box::new(Adagrad::new(0.1).initial_accumulator(0.5)),
        Box::new(RmsProp::new(0.1).momentum(0.5).centered(true)),
        Box::new(Adam::new(0.1).amsgrad(true)),
        Box::new(AdamW::new(0.1)),
        Box::new(Lion::new(0.1)),
        Box::new(Muon::new(0.1).group(matrices)),
    ]
}

#[test]
fn a_gradient_that_is_not_finite_is_refused_before_any_weight_changes() {
    for mut optimizer in optimizers() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut model = layer();
            let gradients = ones(&model);
            optimizer.step(&mut model, &gradients).unwrap();
            let (weights, state) = (model.values(), optimizer.state(&model).unwrap());
            let mut gradients = ones(&model);
            gradients.insert(&model.0[0].1, Tensor::from([[1.0, 1.0], [bad, f64::NAN]]));
            let error = optimizer.step(&mut model, &gradients).unwrap_err();
            assert_eq!(error.to_string(), format!("the gradient of `weight` is {bad} at [1, 0]"));
            assert_eq!(model.values(), weights);
            for (before, after) in state.iter().zip(optimizer.state(&model).unwrap()) {
                assert_eq!((&before.0, before.1.to_vec()), (&after.0, after.1.to_vec()));
            }
        }
    }
}

#[test]
fn every_hyper_parameter_is_validated() {
    let mut model = layer();
    let gradients = ones(&model);
    let mut assert_refused = |mut optimizer: Box<dyn Optimizer<f64>>, message: &str| {
        let error = optimizer.step(&mut model, &gradients).unwrap_err();
        assert!(matches!(error, Error::HyperParameter { .. }));
        assert_eq!(error.to_string(), message);
    };
    let bad_rate = "learning_rate is NaN; it must be at least 0 and finite";
    assert_refused(Box::new(Sgd::new(f64::NAN)), bad_rate);
    for optimizer in optimizers() {
        let mut optimizer = optimizer;
        optimizer.set_learning_rate(-1.0);
        assert_eq!(optimizer.learning_rate(), -1.0);
        assert_refused(optimizer, "learning_rate is -1; it must be at least 0 and finite");
    }
    macro_rules! refused {
        ($($optimizer:expr => $message:expr;)*) => {
            $(assert_refused(Box::new($optimizer), $message);)*
        };
    }
    refused! {
        Sgd::new(f64::INFINITY) => "learning_rate is inf; it must be at least 0 and finite";
        Sgd::new(0.1).weight_decay(-0.5) => "weight_decay is -0.5; it must be at least 0 and finite";
        Sgd::new(0.1).momentum(1.5) => "momentum is 1.5; it must be at least 0 and at most 1";
        Sgd::new(0.1).dampening(-1.0) => "dampening is -1; it must be at least 0 and at most 1";
        Adagrad::new(0.1).learning_rate_decay(-0.1) =>
            "learning_rate_decay is -0.1; it must be at least 0 and finite";
        Adagrad::new(0.1).initial_accumulator(f64::NAN) =>
            "initial_accumulator is NaN; it must be at least 0 and finite";
        Adagrad::new(0.1).epsilon(0.0) => "epsilon is 0; it must be above 0 and finite";
        RmsProp::new(0.1).alpha(1.1) => "alpha is 1.1; it must be at least 0 and at most 1";
        RmsProp::new(0.1).epsilon(-1.0) => "epsilon is -1; it must be above 0 and finite";
        RmsProp::new(0.1).momentum(2.0) => "momentum is 2; it must be at least 0 and at most 1";
        Adam::new(0.1).betas(1.0, 0.9) => "beta1 is 1; it must be at least 0 and below 1";
        Adam::new(0.1).betas(0.9, -0.1) => "beta2 is -0.1; it must be at least 0 and below 1";
        AdamW::new(0.1).epsilon(0.0) => "epsilon is 0; it must be above 0 and finite";
        Lion::new(0.1).betas(0.9, 1.0) => "beta2 is 1; it must be at least 0 and below 1";
        Muon::new(0.1).momentum(1.0) => "momentum is 1; it must be at least 0 and below 1";
        Muon::new(0.1).coefficients([1.0, f64::NAN, 1.0]) =>
            "coefficient b is NaN; it must be finite";
        Sgd::new(0.1).group(ParameterGroup::matching("bias").weight_decay(-1.0)) =>
            "weight_decay of group `bias` is -1; it must be at least 0 and finite";
        Sgd::new(0.1).group(ParameterGroup::matching("bias").learning_rate_factor(f64::NAN)) =>
            "learning_rate_factor of group `bias` is NaN; it must be at least 0 and finite";
    }
    assert_eq!(model.values(), [vec![1.0; 4], vec![1.0; 2]]);
}

#[test]
fn a_parameter_without_a_gradient_is_left_alone() {
    for mut optimizer in optimizers() {
        let mut model = layer();
        let mut gradients = Gradients::default();
        gradients.insert(&model.0[0].1, Tensor::ones(&[2, 2]));
        optimizer.step(&mut model, &gradients).unwrap();
        assert_ne!(model.values()[0], [1.0; 4]);
        assert_eq!(model.values()[1], [1.0; 2]);
        let names: Vec<String> =
            optimizer.state(&model).unwrap().into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| name.starts_with("weight.")), "{names:?}");
        assert!(names.len() > 1);
    }
}

#[test]
fn tensors_that_are_no_parameters_are_passed_over() {
    let constant = Tensor::from([7.0]);
    let mut model = layer();
    model.0.insert(1, ("running_mean", constant));
    let mut gradients = Gradients::default();
    for index in [0, 2] {
        let parameter = &model.0[index].1;
        gradients.insert(parameter, Tensor::ones(parameter.shape()));
    }
    let mut optimizer = Sgd::new(0.5).momentum(0.5);
    optimizer.step(&mut model, &gradients).unwrap();
    assert_eq!(model.values(), [vec![0.5; 4], vec![7.0], vec![0.5; 2]]);
    let names: Vec<String> =
        optimizer.state(&model).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["weight.velocity", "weight.step", "bias.velocity", "bias.step"]);
}

#[test]
fn groups_have_settings_of_their_own() {
    let mut model = layer();
    let mut optimizer = Sgd::new(0.25)
        .weight_decay(1.0)
        .group(ParameterGroup::matching("bias").weight_decay(0.0).learning_rate_factor(2.0));
    let gradients = ones(&model);
    optimizer.step(&mut model, &gradients).unwrap();
    assert_eq!(model.values(), [vec![0.5; 4], vec![0.5; 2]]);
    // A group that is added later holds from then on.
    let mut optimizer = optimizer.group(ParameterGroup::matching("weight").frozen());
    optimizer.step(&mut model, &gradients).unwrap();
    assert_eq!(model.values(), [vec![0.5; 4], vec![0.0; 2]]);
}

#[test]
fn a_group_without_parameters_is_refused() {
    let mut model = layer();
    let gradients = ones(&model);
    let mut optimizer = Sgd::new(0.25).group(ParameterGroup::matching("*.bais").frozen());
    for _ in 0..2 {
        let error = optimizer.step(&mut model, &gradients).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the parameter group `*.bais` matches no parameter of the model"
        );
    }
    assert_eq!(model.values(), layer().values());
}

#[test]
fn muon_refuses_what_is_not_a_matrix() {
    let mut model = layer();
    let gradients = ones(&model);
    let error = Muon::new(0.1).step(&mut model, &gradients).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this optimizer cannot update `bias`, of shape [2]; freeze it in a parameter group, and \
         let another optimizer update it"
    );
    assert_eq!(model.values(), layer().values());
}

#[test]
fn state_follows_its_parameter_when_the_model_changes() {
    let mut model = layer();
    let mut optimizer = Sgd::new(1.0).momentum(0.5);
    let mut gradients = Gradients::default();
    gradients.insert(&model.0[0].1, Tensor::full(&[2, 2], 8.0));
    gradients.insert(&model.0[1].1, Tensor::full(&[2], 16.0));
    optimizer.step(&mut model, &gradients).unwrap();
    assert_eq!(model.values(), [vec![-7.0; 4], vec![-15.0; 2]]);

    model.0.swap(0, 1);
    model.0.insert(1, ("new", Tensor::parameter([1.0])));
    let mut gradients = Gradients::default();
    for (_, parameter) in &model.0 {
        gradients.insert(parameter, Tensor::zeros(parameter.shape()));
    }
    optimizer.step(&mut model, &gradients).unwrap();
    assert_eq!(model.values(), [vec![-23.0; 2], vec![1.0], vec![-11.0; 4]]);
}

#[test]
fn a_parameter_that_a_model_holds_twice_stays_one() {
    for mut optimizer in optimizers() {
        let shared = Tensor::parameter([[1.0, 2.0], [3.0, -4.0]]);
        let mut model = Model(vec![
            ("encoder", shared.clone()),
            ("bias", Tensor::parameter([1.0, 1.0])),
            ("decoder", shared),
        ]);
        for _ in 0..3 {
            let (encoder, decoder) = (&model.0[0].1, &model.0[2].1);
            let gradients = (encoder.square() + decoder.exp()).sum().backward();
            optimizer.step(&mut model, &gradients).unwrap();
            assert_eq!(model.values()[0], model.values()[2]);
        }
        assert_ne!(model.values()[0], [1.0, 2.0, 3.0, -4.0]);
    }
}

#[test]
fn handles_that_others_hold_keep_their_values() {
    let mut model = layer();
    let before = model.clone();
    let gradients = ones(&model);
    Sgd::new(0.5).step(&mut model, &gradients).unwrap();
    assert_eq!(before.values(), [vec![1.0; 4], vec![1.0; 2]]);
    assert_eq!(model.values(), [vec![0.5; 4], vec![0.5; 2]]);
}

#[test]
fn a_gradient_in_another_layout_is_read_in_row_major_order() {
    let mut model = Model(vec![("weight", Tensor::parameter(Tensor::zeros(&[2, 3])))]);
    let mut gradients = Gradients::default();
    let transposed = Tensor::from([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]).transpose();
    gradients.insert(&model.0[0].1, transposed);
    Sgd::new(1.0).step(&mut model, &gradients).unwrap();
    assert_eq!(model.values()[0], [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]);
}

#[test]
fn an_update_equals_the_plain_loop_on_ragged_sizes() {
    for count in [0, 1, 15, 16, 17, 31, 32, 33, 100, WORTH_THREADS, 2 * WORTH_THREADS + 5] {
        let value = |index: usize| (index * 37 % 19) as f64 - 9.0;
        let values: Vec<f64> = (0..count).map(value).collect();
        let gradient: Vec<f64> = values.iter().map(|value| value * 0.5 + 1.0).collect();
        let mut model = Model(vec![("weight", Tensor::parameter(values.clone()))]);
        let mut gradients = Gradients::default();
        gradients.insert(&model.0[0].1, gradient.clone().into());
        let mut optimizer = Sgd::new(0.5).momentum(0.5);
        let (mut expected, mut velocity) = (values, vec![0.0; count]);
        for _ in 0..3 {
            optimizer.step(&mut model, &gradients).unwrap();
            for index in 0..count {
                velocity[index] = 0.5 * velocity[index] + gradient[index];
                expected[index] -= 0.5 * velocity[index];
            }
            assert_eq!(model.values()[0], expected, "{count} values");
        }
        assert_eq!(optimizer.state(&model).unwrap()[0].1.to_vec(), velocity);
    }
}

#[test]
fn steps_in_f32_are_those_in_f64_rounded() {
    let start = [0.5, -1.25, 2.0, 0.0625];
    macro_rules! values_after_ten_steps {
        ($element:ty, $optimizer:expr) => {{
            let mut weight = Tensor::<$element>::parameter(start.map(|value| value as $element));
            let mut optimizer = $optimizer;
            for _ in 0..10 {
                let gradients = weight.exp().sum().backward();
                optimizer.step(&mut weight, &gradients).unwrap();
            }
            weight.to_vec().into_iter().map(f64::from).collect::<Vec<f64>>()
        }};
    }
    macro_rules! assert_agreement {
        ($($optimizer:expr;)*) => {$(
            let (single, double) = (
                values_after_ten_steps!(f32, $optimizer),
                values_after_ten_steps!(f64, $optimizer),
            );
            // A few roundings of 6e-8 a step, of values up to 2.
            approx::assert_abs_diff_eq!(single[..], double[..], epsilon = 1e-6);
        )*};
    }
    assert_agreement! {
        Sgd::new(0.01).momentum(0.9).nesterov(true).weight_decay(0.1);
        Adagrad::new(0.01);
        RmsProp::new(0.01).momentum(0.5);
        Adam::new(0.01);
        AdamW::new(0.01).amsgrad(true);
        Lion::new(0.01);
    }
}

#[test]
fn centered_rms_prop_stays_finite_when_gradients_do_not_vary() {
    let mut weight = Tensor::parameter([1.0_f32]);
    let mut gradients = Gradients::default();
    gradients.insert(&weight, Tensor::from([0.1]));
    let mut optimizer = RmsProp::new(1e-9).alpha(0.5).centered(true);
    for _ in 0..1000 {
        optimizer.step(&mut weight, &gradients).unwrap();
    }
    assert!(weight.item().is_finite());
}

#[test]
fn a_restored_optimizer_steps_on_as_the_first() {
    for (mut first, mut second) in optimizers().into_iter().zip(optimizers()) {
        let mut model = layer();
        let gradients = ones(&model);
        for _ in 0..3 {
            first.step(&mut model, &gradients).unwrap();
        }
        let mut state = first.state(&model).unwrap();
        state.reverse();
        second.restore(&model, &state).unwrap();
        let mut copy = model.clone();
        for _ in 0..3 {
            first.step(&mut model, &gradients).unwrap();
            second.step(&mut copy, &gradients).unwrap();
            assert_eq!(model.values(), copy.values());
        }
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let mut model = layer();
    let mut optimizer = Sgd::new(0.5).momentum(0.5);
    let gradients = ones(&model);
    optimizer.step(&mut model, &gradients).unwrap();
    let state = optimizer.state(&model).unwrap();
    let mut assert_refused = |index: usize, entry: Option<(&str, Tensor<f64>)>, message: &str| {
        let mut changed = state.clone();
        changed.remove(index);
        changed.extend(entry.map(|(name, tensor)| (name.to_owned(), tensor)));
        let error = optimizer.restore(&model, &changed).unwrap_err();
        assert_eq!(error.to_string(), format!("the saved state `{message}"));
    };
    assert_refused(0, None, "weight.velocity` is missing");
    assert_refused(
        0,
        Some(("weight.velocity", Tensor::zeros(&[4]))),
        "weight.velocity` has shape [4], but [2, 2] is needed",
    );
    assert_refused(
        2,
        Some(("bias.velocity", Tensor::from([0.0, f64::NAN]))),
        "bias.velocity` holds NaN or an infinity",
    );
    let nothing = "is nothing that this optimizer remembers of this model";
    assert_refused(1, None, &format!("weight.velocity` {nothing}"));
    assert_refused(0, Some(("weight.mean", Tensor::zeros(&[2, 2]))), "weight.velocity` is missing");
    for digits in [[0.0, 0.0], [0.0, 1.5], [0.0, -1.0], [1.0, 16_777_216.0]] {
        let [high, low] = digits;
        let message =
            format!("weight.step` is {high}, {low}; it must be the digits of a count from 1");
        assert_refused(1, Some(("weight.step", Tensor::from(digits))), &message);
    }
    // What it had remembered is as it was.
    for (before, after) in state.iter().zip(optimizer.state(&model).unwrap()) {
        assert_eq!((&before.0, before.1.to_vec()), (&after.0, after.1.to_vec()));
    }
}

#[test]
#[should_panic(expected = "the formula takes 2 values of state, but the rule names 1")]
fn a_formula_of_another_size_than_the_state_panics() {
    struct Wrong;
    impl Rule for Wrong {
        fn validate<E: Element>(&self) -> Result<(), Error> {
            Ok(())
        }
        fn state(&self) -> &'static [&'static str] {
            &["one"]
        }
        fn update<E: Element>(&self, update: Update<'_, E>) {
            update.each(|weight, _, [one, two]| (weight, [one, two]));
        }
    }
    let mut model = layer();
    let gradients = ones(&model);
    let _ = FirstOrder::with_rule(0.1, Wrong).step(&mut model, &gradients);
}
