//! Schedules of the learning rate, and gradient clipping.

use approx::assert_relative_eq;
use downhill::optim::{
    OneCycle, ReduceOnPlateau, Schedule, Threshold, clip_by_global_p_norm, clip_by_norm,
    clip_by_value,
};
use downhill::tensor::{Gradients, Tensor};
use serde_json::Value;

use super::{Reference, count, flag, number, text};

#[test]
fn clipped_gradients_are_pytorchs() {
    let reference = Reference::read("clipping.safetensors", 17);
    for case in &reference.cases {
        let names = ["weight", "bias"];
        let inputs = names.map(|name| reference.array(&case["inputs"][name]));
        let parameters = inputs.each_ref().map(Tensor::parameter);
        let mut gradients = Gradients::default();
        for (parameter, input) in parameters.iter().zip(inputs) {
            gradients.insert(parameter, input);
        }
        let limit = number(&case["options"], "limit");
        match text(case, "clip") {
            "global_norm" => {
                let p = text(&case["options"], "p").parse().unwrap();
                let norm = clip_by_global_p_norm(&mut gradients, p, limit).unwrap();
                let expected = reference.array(&case["norms"]["all"]).item();
                assert_relative_eq!(norm, expected, max_relative = 1e-14);
            }
            "norm_of_each" => clip_by_norm(&mut gradients, limit).unwrap(),
            "value" => clip_by_value(&mut gradients, limit).unwrap(),
            other => panic!("unknown clipping {other}"),
        }
        for (name, parameter) in names.into_iter().zip(&parameters) {
            let found = gradients.get(parameter).unwrap().to_vec();
            let expected = reference.array(&case["outputs"][name]).to_vec();
            assert_relative_eq!(found[..], expected[..], max_relative = 1e-14);
        }
    }
}

fn schedule(case: &Value) -> Schedule {
    let options = &case["options"];
    let get = |name: &str| number(options, name);
    let steps = |name: &str| count(options, name);
    let schedule = match text(case, "schedule") {
        "step" => Schedule::step(get("learning_rate"), steps("step_size"), get("gamma")),
        "multi_step" => {
            let milestones: Vec<u64> =
                serde_json::from_value(options["milestones"].clone()).unwrap();
            Schedule::multi_step(get("learning_rate"), &milestones, get("gamma"))
        }
        "exponential" => Schedule::exponential(get("learning_rate"), get("gamma")),
        "polynomial" => {
            Schedule::polynomial(get("learning_rate"), steps("total_steps"), get("power"))
        }
        "cosine" => Schedule::cosine(get("learning_rate"), steps("total_steps"), get("minimum")),
        "cosine_with_restarts" => Schedule::cosine_with_restarts(
            get("learning_rate"),
            steps("first_period"),
            steps("period_factor"),
            get("minimum"),
        ),
        "linear" => {
            let [from, to] =
                ["start_factor", "end_factor"].map(|name| get("learning_rate") * get(name));
            Schedule::linear(from, to, steps("total_steps"))
        }
        "chain" => {
            let part = |name: &str| {
                let mut part = serde_json::json!({"options": options[name].clone()});
                part["schedule"] = options[name]["schedule"].clone();
                part["options"]["learning_rate"] = options["learning_rate"].clone();
                schedule(&part)
            };
            Ok(part("first").then(steps("milestone"), part("second")))
        }
        "one_cycle" => {
            let one_cycle = OneCycle {
                warm_up_fraction: get("warm_up_fraction"),
                initial_division: get("initial_division"),
                final_division: get("final_division"),
                linear: text(options, "anneal") == "linear",
                three_phases: flag(options, "three_phases"),
                momentum: [get("least_momentum"), get("most_momentum")],
            };
            Schedule::one_cycle(get("max_learning_rate"), steps("total_steps"), one_cycle)
        }
        other => panic!("unknown schedule {other}"),
    };
    schedule.unwrap()
}

fn reduce_on_plateau(options: &Value) -> ReduceOnPlateau {
    let threshold = number(options, "threshold");
    let plateau = ReduceOnPlateau::new(number(options, "learning_rate"))
        .factor(number(options, "factor"))
        .patience(count(options, "patience"))
        .threshold(match text(options, "threshold_mode") {
            "relative" => Threshold::Relative(threshold),
            "absolute" => Threshold::Absolute(threshold),
            other => panic!("unknown mode {other}"),
        })
        .cooldown(count(options, "cooldown"))
        .minimum(number(options, "minimum"))
        .epsilon(number(options, "epsilon"));
    if text(options, "mode") == "max" { plateau.maximize() } else { plateau }
}

#[test]
fn every_schedule_gives_pytorchs_learning_rates() {
    let reference = Reference::read("schedules.safetensors", 33);
    for case in &reference.cases {
        let expected = reference.array(&case["learning_rates"]).to_vec();
        let found: Vec<f64> = if text(case, "schedule") == "reduce_on_plateau" {
            let mut plateau = reduce_on_plateau(&case["options"]);
            let metrics = reference.array(&case["inputs"]["metrics"]).to_vec();
            let reduced = metrics.into_iter().map(|metric| plateau.observe(metric).unwrap());
            std::iter::once(number(&case["options"], "learning_rate")).chain(reduced).collect()
        } else {
            let schedule = schedule(case);
            (0..expected.len() as u64).map(|step| schedule.learning_rate(step)).collect()
        };
        if !case["momentum"].is_null() {
            for (step, expected) in reference.array(&case["momentum"]).to_vec().iter().enumerate() {
                let found = schedule(case).momentum(step as u64).unwrap();
                assert!((found - expected).abs() <= 1e-14, "{}, step {step}", case["id"]);
            }
        }
        assert_eq!(found.len(), expected.len());
        for (step, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            // PyTorch computes a rate from the one before, and gathers some rounding.
            assert!(
                (found - expected).abs() <= 1e-12 * expected + 1e-16,
                "{}: the rate of step {step} is {found}, not {expected}",
                case["id"]
            );
        }
    }
}
