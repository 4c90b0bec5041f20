//! A run as a program: the same training, written out.

use std::fmt::Write;

use crate::data::Data;
use crate::run::Plan;
use crate::setting::{
    ActivationKind, Clip, DataSetting, Initialization, LossKind, OptimizerKind, OptimizerSetting,
    ScheduleKind, Setting, Source,
};

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
    let optimizers: &[&str] = match setting.optimizer.kind {
        OptimizerKind::Muon => &["muon", "adam_w"],
        _ => &["optimizer"],
    };
    let mut stepping = String::new();
    for name in optimizers {
        if setting.optimizer.schedule != ScheduleKind::Constant {
            let _ = writeln!(
                stepping,
                "            {name}.set_learning_rate(schedule.learning_rate(step));"
            );
        }
        let _ = writeln!(stepping, "            {name}.step(&mut model, &gradients)?;");
    }
    let _ = write!(
        text,
        "\n    let mut step = 0;\n    \
         'training: loop {{\n        \
         for batch in train.batches({}, &mut rng) {{\n            \
         if step == {steps} {{\n                break 'training;\n            }}\n            \
         let logits = {forward};\n            \
         let loss = loss(&logits, &batch.{targets})?;\n            \
         let {mutable}gradients = loss.backward();\n\
         {clip}{stepping}            step += 1;\n        }}\n    }}\n\n",
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

fn data(body: &mut String, uses: &mut Vec<String>, setting: &Setting, data: &Data) {
    let DataSetting { count, arms, noise, test, rarity, seed, .. } = setting.data;
    let splits = test != 0.0 && setting.data.source != Source::Points;
    if splits || !matches!(setting.data.source, Source::Points | Source::Table | Source::Digits) {
        let _ = writeln!(body, "let mut rng = Xoshiro256PlusPlus::seed_from_u64({seed});");
    }
    let mut synthetic = |call: String| {
        uses.push("downhill::datasets::synthetic".into());
        format!("synthetic::{call}")
    };
    let drawn = match setting.data.source {
        Source::Moons => synthetic(format!("moons({count}, {noise:?}, &mut rng)?")),
        Source::Circles => synthetic(format!("circles({count}, {noise:?}, &mut rng)?")),
        Source::Spirals => synthetic(format!("spirals({arms}, {count}, {noise:?}, &mut rng)?")),
        Source::Xor => synthetic(format!("exclusive_or({count}, {noise:?}, &mut rng)?")),
        Source::Blobs => synthetic(format!("blobs({arms}, {count}, {noise:?}, &mut rng)?")),
        Source::Plane => synthetic(format!("plane({count}, {noise:?}, &mut rng)?")),
        Source::Hills => synthetic(format!("hills({count}, {noise:?}, &mut rng)?")),
        Source::Digits => "Dataset::read_csv(\"data/digits.csv\", \"digit\")?".into(),
        Source::Points => {
            uses.push("downhill::datasets::Classes".into());
            let points: Vec<String> =
                setting.data.points.iter().map(|[x, y, _]| format!("[{x:?}, {y:?}]")).collect();
            let labels: Vec<String> =
                setting.data.points.iter().map(|point| point[2].to_string()).collect();
            let names: Vec<String> = data.class_names().unwrap_or_default().to_vec();
            let _ = writeln!(
                body,
                "let points: Vec<[f32; 2]> = vec![{}];\nlet labels = vec![{}];\n\
                 let names = {names:?}.map(String::from).to_vec();",
                points.join(", "),
                labels.join(", "),
            );
            "Dataset::new(ndarray::arr2(&points), Classes::new(labels, names)?)?".into()
        }
        Source::Table => table(uses, &setting.data),
    };
    let _ = writeln!(
        body,
        "let data: Dataset{} = {drawn};",
        match data.class_names() {
            Some(_) => "",
            None => {
                uses.push("downhill::datasets::Numbers".into());
                "<f32, Numbers<f32>>"
            }
        }
    );
    let is_drawn = matches!(
        setting.data.source,
        Source::Moons | Source::Circles | Source::Spirals | Source::Xor | Source::Blobs
    );
    if is_drawn && rarity != 1.0 {
        let _ = write!(
            body,
            "// Of the second class, the first share remains.\n\
             let rare = data.labels().iter().filter(|&&label| label == 1).count() as f64 * {rarity:?};\n\
             let mut seen = 0;\n\
             let kept: Vec<usize> = (0..data.len())\n    \
             .filter(|&row| {{\n        let second = data.labels()[row] == 1;\n        \
             seen += usize::from(second);\n        !second || seen <= rare.ceil() as usize\n    }})\n    \
             .collect();\nlet data = data.select(&kept);\n"
        );
    }
    let split = if data.class_names().is_some() { "split_stratified" } else { "split" };
    let _ = match splits {
        true => writeln!(body, "let (train, test) = data.{split}({:?}, &mut rng)?;", 1.0 - test),
        false => writeln!(body, "let (train, test) = (data.clone(), data.select(&[]));"),
    };
    if data.standardizer.is_some() {
        let _ = write!(
            body,
            "let standardizer = Standardizer::fit(&train);\n\
             let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));\n"
        );
    }
    if let Some(components) = &data.components {
        let rows: Vec<String> = components
            .rows()
            .into_iter()
            .map(|row| format!("[{:?}, {:?}]", row[0], row[1]))
            .collect();
        let _ = write!(
            body,
            "// The two directions in which the features vary most.\n\
             let components = ndarray::arr2(&[{}]);\n\
             let project = |part: &Dataset| Dataset::new(part.features().dot(&components), part.targets().clone());\n\
             let (train, test) = (project(&train)?, project(&test)?);\n",
            rows.join(", ")
        );
    }
}

fn table(uses: &mut Vec<String>, setting: &DataSetting) -> String {
    uses.push("downhill::datasets::Csv".into());
    let text = crate::data::table(&setting.table).unwrap_or_default();
    let path = match setting.table.contains('\n') {
        true => "table.csv".to_owned(),
        false => format!("data/{}.csv", setting.table),
    };
    let header = crate::data::header(text);
    let target = match setting.target.as_str() {
        "" => header.last().cloned().unwrap_or_default(),
        target => target.to_owned(),
    };
    let columns = match setting.columns.is_empty() {
        true => crate::data::numeric_columns(text, &target),
        false => setting.columns.clone(),
    };
    format!(
        "Csv::new({path:?})\n    .target({target:?})\n    .features(&{columns:?})\n    \
         .drop_missing(true)\n    .read_classification()?"
    )
}

/// The lines that make the model; returns the definition of its type, if it needs one.
fn model(body: &mut String, uses: &mut Vec<String>, plan: &Plan) -> String {
    let setting = &plan.setting.model;
    let mut sizes = vec![plan.data.width()];
    sizes.extend(&setting.hidden);
    sizes.push(plan.loss.outputs());
    let activation = match setting.activation {
        ActivationKind::Relu => Some("Activation::Relu"),
        ActivationKind::LeakyRelu => Some("Activation::LeakyRelu(0.1)"),
        ActivationKind::Tanh => Some("Activation::Tanh"),
        ActivationKind::Sigmoid => Some("Activation::Sigmoid"),
        ActivationKind::Softplus => Some("Activation::Softplus"),
        ActivationKind::Gelu => Some("Activation::Gelu"),
        ActivationKind::Silu => Some("Activation::Silu"),
        ActivationKind::Identity => None,
    };
    let gain = match activation {
        Some(activation) => format!("{activation}.gain()"),
        None => "1.0".into(),
    };
    let initializer = match setting.initialization {
        Initialization::Pytorch => None,
        Initialization::He => Some(format!("kaiming_normal({gain})")),
        Initialization::Xavier => Some("xavier_uniform(1.0)".into()),
        Initialization::Equal => Some("normal(0.0)".into()),
        Initialization::Small => Some("normal(0.001)".into()),
        Initialization::Large => Some("normal(4.0)".into()),
    };
    let initialize = match initializer {
        None => String::new(),
        Some(text) => {
            uses.push("downhill::nn::Initializer".into());
            format!(".initialize(Initializer::{text}, &mut rng)")
        }
    };
    let is_plain =
        activation.is_some() && !setting.residual && !setting.layer_norm && setting.dropout == 0.0;
    let _ = write!(
        body,
        "\nlet mut rng = Xoshiro256PlusPlus::seed_from_u64({});\n\
         let {}mlp = Mlp::new(&{sizes:?}, &mut rng){initialize};\n",
        setting.seed,
        if setting.initialization == Initialization::Equal { "mut " } else { "" },
    );
    if setting.initialization == Initialization::Equal {
        body.push_str("for layer in &mut mlp.layers {\n    layer.weight.update(|weights| weights.fill(0.5));\n}\n");
    }
    if is_plain {
        let activation = activation.expect("a plain model has one");
        let _ = writeln!(body, "let mut model = mlp.activation({activation});");
        return String::new();
    }
    let norm = setting.layer_norm;
    let hidden = &setting.hidden;
    let dropout = setting.dropout;
    let _ = writeln!(
        body,
        "let mut model = Network {{ layers: mlp.layers{} }};",
        if norm {
            format!(", norms: {hidden:?}.map(LayerNorm::new).to_vec()")
        } else {
            String::new()
        },
    );
    let fields = if norm { "layers, norms" } else { "layers" };
    let mut text = format!(
        "struct Network {{\n    layers: Vec<Linear>,\n{}}}\nparameters!(Network {{ {fields} }});\n\n\
         impl Network {{\n",
        if norm { "    norms: Vec<LayerNorm>,\n" } else { "" },
    );
    if norm {
        uses.push("downhill::nn::LayerNorm".into());
    }
    let pass = |dropping: bool| {
        let mut text = String::from(
            "        let (last, hidden) = self.layers.split_last().expect(\"there is an output layer\");\n        \
             let mut x = features.clone();\n",
        );
        text += match norm {
            true => "        for (layer, norm) in hidden.iter().zip(&self.norms) {\n",
            false => "        for layer in hidden {\n",
        };
        text += "            let z = layer.forward(&x);\n";
        if norm {
            text += "            let z = norm.forward(&z);\n";
        }
        let _ = writeln!(
            text,
            "            let a = {};",
            match activation {
                Some(activation) => format!("{activation}.forward(&z)"),
                None => "z".into(),
            }
        );
        if dropping {
            text += "            let a = dropout.forward_training(&a, rng);\n";
        }
        text += match setting.residual {
            true => "            x = if a.shape() == x.shape() { &x + a } else { a };\n",
            false => "            x = a;\n",
        };
        text += "        }\n        last.forward(&x)\n";
        text
    };
    let _ = write!(
        text,
        "    fn forward(&self, features: &Tensor) -> Tensor {{\n{}    }}\n",
        pass(false)
    );
    if dropout > 0.0 {
        uses.push("downhill::nn::Dropout".into());
        let _ = write!(
            text,
            "\n    fn train(&self, features: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Tensor {{\n        \
             let mut dropout = Dropout::new({dropout:?}).expect(\"a rate below 1\");\n{}    }}\n",
            pass(true)
        );
    }
    text += "}\n\n";
    text
}

fn optimizer(
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
            make("optimizer", "Sgd", &[momentum, nesterov, decay]);
        }
        OptimizerKind::Adagrad => make("optimizer", "Adagrad", &[epsilon, decay]),
        OptimizerKind::Rmsprop => {
            let alpha = format!(".alpha({:?})", setting.alpha);
            make("optimizer", "RmsProp", &[alpha, epsilon, momentum, decay]);
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
                decay_always.clone(),
                frozen("*.bias"),
                if layer_norm { frozen("norms.*") } else { String::new() },
            ];
            make("muon", "Muon", &muon);
            make("adam_w", "AdamW", &[betas, epsilon, decay_always, frozen("layers.*.weight")]);
            uses.push("downhill::optim::ParameterGroup".into());
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
        ScheduleKind::Cosine => format!("cosine({rate:?}, {steps}, 0.0)?"),
        ScheduleKind::Restarts => format!("cosine_with_restarts({rate:?}, {steps}, 1, 0.0)?"),
        ScheduleKind::OneCycle => {
            uses.push("downhill::optim::OneCycle".into());
            format!("one_cycle({rate:?}, {steps}, OneCycle::default())?")
        }
        ScheduleKind::WarmUp => format!("linear(0.0, {rate:?}, {steps})?"),
    };
    let _ = writeln!(body, "let schedule = Schedule::{schedule};");
}
