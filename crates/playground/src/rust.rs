//! A run as a program: the same training, written out.

use std::fmt::Write;

use crate::setting::{Clip, LossKind, OptimizerKind, ScheduleKind};
use crate::state::Plan;

mod data;
mod model;
mod optimizer;

use data::data;
use model::model;
use optimizer::optimizer;

/// The program that makes `steps` steps of a run and prints the losses.
pub(crate) fn program(plan: &Plan, steps: u64, was_changed: bool) -> String {
    let setting = &plan.setting;
    let values = plan.data.class_names().is_none();
    let mut uses = vec!["downhill::prelude::*".to_owned()];
    let mut body = String::new();
    data(&mut body, &mut uses, setting, &plan.data);
    let model_type = model(&mut body, &mut uses, plan);
    optimizer(&mut body, &mut uses, &setting.optimizer, setting.model.layer_norm);
    uses.push(format!("downhill::losses::{}", loss_name(plan)));

    let targets = if values { "targets" } else { "labels" };
    let mut text = String::new();
    if was_changed {
        text += "// The setting was changed on the way; this program trains by the present one from \
                 the start.\n";
    }
    text += "// Cargo.toml: downhill = \"0.1\", and ndarray = \"0.17\" where an array is written out.\n";
    uses.sort();
    uses.dedup();
    for path in &uses {
        let _ = writeln!(text, "use {path};");
    }
    text += "\n";
    text += &model_type;
    let _ = write!(
        text,
        "/// The loss of a batch: the mean over its points.\n\
         fn loss(logits: &Tensor, {targets}: {}) -> Result<Tensor, downhill::losses::Error> {{\n{}}}\n\n",
        if values { "&Tensor" } else { "&[usize]" },
        loss_body(plan, targets),
    );
    text += "fn main() -> Result<(), Box<dyn std::error::Error>> {\n";
    for line in body.lines() {
        let _ = writeln!(text, "{}{line}", if line.is_empty() { "" } else { "    " });
    }
    let dropout = setting.model.dropout > 0.0;
    let forward = if dropout {
        "model.train(&batch.features, &mut rng)"
    } else {
        "model.forward(&batch.features)"
    };
    let clip = match setting.optimizer.clip {
        Clip::None => String::new(),
        Clip::GlobalNorm => format!(
            "            clip_by_global_norm(&mut gradients, {:?})?;\n",
            setting.optimizer.clip_at
        ),
        Clip::Norm => format!(
            "            downhill::optim::clip_by_norm(&mut gradients, {:?})?;\n",
            setting.optimizer.clip_at
        ),
        Clip::Value => format!(
            "            downhill::optim::clip_by_value(&mut gradients, {:?})?;\n",
            setting.optimizer.clip_at
        ),
    };
    let mutable = if clip.is_empty() { "" } else { "mut " };
    let is_lbfgs = setting.optimizer.kind == OptimizerKind::Lbfgs;
    let optimizers: &[&str] = match setting.optimizer.kind {
        OptimizerKind::Muon => &["muon", "adam_w"],
        _ => &["optimizer"],
    };
    let mut stepping = String::new();
    for name in optimizers {
        if setting.optimizer.schedule != ScheduleKind::Constant {
            stepping += "            ";
            let _ = match is_lbfgs {
                true => writeln!(
                    stepping,
                    "{name} = {name}.learning_rate(schedule.learning_rate(step));"
                ),
                false => {
                    writeln!(stepping, "{name}.set_learning_rate(schedule.learning_rate(step));")
                }
            };
        }
        if !is_lbfgs {
            let _ = writeln!(stepping, "            {name}.step(&mut model, &gradients)?;");
        }
    }
    let computing = match is_lbfgs {
        true => format!(
            "{stepping}            optimizer.step(&mut model, |model| {{\n                \
             let loss = loss(&{forward}, &batch.{targets})?;\n                \
             let gradients = loss.backward();\n                Ok((loss, gradients))\n            }})?;\n"
        ),
        false => format!(
            "            let logits = {forward};\n            \
             let loss = loss(&logits, &batch.{targets})?;\n            \
             let {mutable}gradients = loss.backward();\n{clip}{stepping}"
        ),
    };
    let _ = write!(
        text,
        "\n    let mut step = 0;\n    \
         'training: loop {{\n        \
         for batch in train.batches({}, &mut rng) {{\n            \
         if step == {steps} {{\n                break 'training;\n            }}\n\
         {computing}            step += 1;\n        }}\n    }}\n\n",
        setting.optimizer.batch,
    );
    text += "    for (name, part) in [(\"train\", &train), (\"test\", &test)] {\n        \
             if part.is_empty() {\n            continue;\n        }\n        \
             let batch = part.full_batch();\n        \
             let logits = without_recording(|| model.forward(&batch.features));\n";
    let _ = write!(
        text,
        "        println!(\"{{name}} loss {{}}\", loss(&logits, &batch.{targets})?.item());\n    }}\n    Ok(())\n}}\n",
    );
    text
}

/// Where the loss is computed, in one line.
pub(crate) fn loss_line(plan: &Plan) -> String {
    let targets = if plan.data.class_names().is_none() { "targets" } else { "labels" };
    loss_body(plan, targets).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn loss_name(plan: &Plan) -> &'static str {
    let values = plan.data.class_names().is_none();
    match plan.setting.loss.kind {
        LossKind::CrossEntropy if values => "BinaryCrossEntropyWithLogits",
        LossKind::CrossEntropy => "CrossEntropy",
        LossKind::Binary => "BinaryCrossEntropyWithLogits",
        LossKind::Focal => "Focal",
        LossKind::Hinge => "MulticlassHinge",
        LossKind::Squared => "MeanSquaredError",
        LossKind::Absolute => "MeanAbsoluteError",
        LossKind::Huber => "Huber",
    }
}

fn loss_body(plan: &Plan, targets: &str) -> String {
    let setting = &plan.setting.loss;
    let name = loss_name(plan);
    let mut options = String::new();
    let mut option = |text: String| options += &text;
    match setting.kind {
        LossKind::CrossEntropy | LossKind::Binary => {
            if setting.smoothing != 0.0 {
                option(format!(".label_smoothing({:?})", setting.smoothing));
            }
            if name == "CrossEntropy" && setting.temperature != 1.0 {
                option(format!(".temperature({:?})", setting.temperature));
            }
        }
        LossKind::Focal => option(format!(".gamma({:?})", setting.gamma)),
        LossKind::Hinge => option(format!(".margin({:?})", setting.margin)),
        LossKind::Huber => option(format!(".delta({:?})", setting.delta)),
        LossKind::Squared | LossKind::Absolute => {}
    }
    if let Some(weights) = plan.loss.class_weights() {
        let method = if setting.kind == LossKind::Focal { "alpha" } else { "class_weights" };
        option(format!(".{method}({weights:?})"));
    }
    let classes = plan.loss.outputs();
    match (setting.kind, plan.data.class_names()) {
        (LossKind::Binary, Some(_)) => format!(
            "    let ones = labels.iter().map(|&label| label as f32).collect();\n    \
             let ones = Tensor::from_shape_vec(&[labels.len(), 1], ones).expect(\"one a label\");\n    \
             {name}::new(){options}.forward(logits, &ones)\n"
        ),
        (LossKind::Squared, Some(_)) => format!(
            "    {name}::new().forward(&logits.softmax(-1), &Tensor::one_hot(labels, {classes}))\n"
        ),
        _ => format!("    {name}::new(){options}.forward(logits, {targets})\n"),
    }
}
