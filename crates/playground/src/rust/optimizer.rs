//! The lines that make the optimizer.

use std::fmt::Write;

use crate::optimizer::{MOST_TRIALS, warm_up};
use crate::setting::{OptimizerKind, OptimizerSetting, ScheduleKind};

/// The lines that make the optimizer, and its schedule if there is one.
pub(super) fn optimizer(
    body: &mut String,
    uses: &mut Vec<String>,
    setting: &OptimizerSetting,
    layer_norm: bool,
) {
    let rate = setting.learning_rate;
    let mut make = |binding: &str, name: &str, options: &[String]| {
        if !["Sgd", "Adam", "AdamW"].contains(&name) {
            uses.push(format!("downhill::optim::{name}"));
        }
        let _ = writeln!(body, "let mut {binding} = {name}::new({rate:?}){};", options.concat());
    };
    let decay = match setting.weight_decay == 0.0 {
        true => String::new(),
        false => format!(".weight_decay({:?})", setting.weight_decay),
    };
    let is_default = (setting.beta1, setting.beta2, setting.epsilon) == (0.9, 0.999, 1e-8);
    // Where the default is not 0.
    let decay_always = format!(".weight_decay({:?})", setting.weight_decay);
    let betas = format!(".betas({:?}, {:?})", setting.beta1, setting.beta2);
    let epsilon = format!(".epsilon({:?})", setting.epsilon);
    let momentum = match setting.momentum == 0.0 {
        true => String::new(),
        false => format!(".momentum({:?})", setting.momentum),
    };
    let amsgrad = if setting.amsgrad { ".amsgrad(true)".to_owned() } else { String::new() };
    match setting.kind {
        OptimizerKind::Sgd => {
            let nesterov = match setting.nesterov && setting.momentum > 0.0 {
                true => ".nesterov(true)".to_owned(),
                false => String::new(),
            };
            let dampening = match setting.dampening == 0.0 || !nesterov.is_empty() {
                true => String::new(),
                false => format!(".dampening({:?})", setting.dampening),
            };
            make("optimizer", "Sgd", &[momentum, nesterov, dampening, decay]);
        }
        OptimizerKind::Adagrad => {
            let mut options = vec![epsilon, decay];
            if setting.learning_rate_decay != 0.0 {
                options.push(format!(".learning_rate_decay({:?})", setting.learning_rate_decay));
            }
            if setting.initial_accumulator != 0.0 {
                options.push(format!(".initial_accumulator({:?})", setting.initial_accumulator));
            }
            make("optimizer", "Adagrad", &options);
        }
        OptimizerKind::Rmsprop => {
            let alpha = format!(".alpha({:?})", setting.alpha);
            let centered = if setting.centered { ".centered(true)" } else { "" }.to_owned();
            make("optimizer", "RmsProp", &[alpha, epsilon, momentum, centered, decay]);
        }
        OptimizerKind::Adam if is_default => make("optimizer", "Adam", &[amsgrad, decay]),
        OptimizerKind::Adam => make("optimizer", "Adam", &[betas, epsilon, amsgrad, decay]),
        OptimizerKind::Adamw => {
            make("optimizer", "AdamW", &[betas, epsilon, amsgrad, decay_always]);
        }
        OptimizerKind::Lion => make("optimizer", "Lion", &[betas, decay_always]),
        OptimizerKind::Muon => {
            let frozen = |pattern: &str| {
                format!("\n    .group(ParameterGroup::matching({pattern:?}).frozen())")
            };
            let muon = [
                format!(".momentum({:?})", setting.momentum),
                format!(".nesterov({})", setting.nesterov),
                match setting.iterations {
                    5 => String::new(),
                    iterations => format!(".iterations({iterations})"),
                },
                decay_always.clone(),
                frozen("*.bias"),
                if layer_norm { frozen("norms.*") } else { String::new() },
            ];
            make("muon", "Muon", &muon);
            make("adam_w", "AdamW", &[betas, epsilon, decay_always, frozen("layers.*.weight")]);
            uses.push("downhill::optim::ParameterGroup".into());
        }
        OptimizerKind::Lbfgs => {
            uses.push("downhill::optim::Lbfgs".into());
            let _ = writeln!(
                body,
                "let mut optimizer = Lbfgs::new()\n    .learning_rate({rate:?})\n    \
                 .max_iterations(1)\n    .max_evaluations({MOST_TRIALS})\n    .history_size({});",
                setting.history,
            );
        }
    }
    let (steps, gamma) = (setting.schedule_steps, setting.schedule_gamma);
    let schedule = match setting.schedule {
        ScheduleKind::Constant => return,
        ScheduleKind::Step => format!("step({rate:?}, {steps}, {gamma:?})?"),
        ScheduleKind::Exponential => {
            format!("exponential({rate:?}, {gamma:?}_f64.powf(1.0 / {steps}.0))?")
        }
        ScheduleKind::Linear => format!("linear({rate:?}, 0.0, {steps})?"),
        ScheduleKind::Polynomial => {
            format!("polynomial({rate:?}, {steps}, {:?})?", setting.schedule_power)
        }
        ScheduleKind::Cosine => format!("cosine({rate:?}, {steps}, 0.0)?"),
        ScheduleKind::Restarts => format!("cosine_with_restarts({rate:?}, {steps}, 1, 0.0)?"),
        ScheduleKind::OneCycle => {
            uses.push("downhill::optim::OneCycle".into());
            format!("one_cycle({rate:?}, {steps}, OneCycle::default())?")
        }
        ScheduleKind::WarmUp => format!("linear(0.0, {rate:?}, {steps})?"),
        ScheduleKind::WarmUpCosine => {
            let [up, down] = warm_up(steps);
            format!(
                "linear(0.0, {rate:?}, {up})?\n    .then({up}, Schedule::cosine({rate:?}, {down}, 0.0)?)"
            )
        }
    };
    let _ = writeln!(body, "let schedule = Schedule::{schedule};");
}
