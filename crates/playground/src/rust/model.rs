//! The lines that make the model.

use std::fmt::Write;

use crate::setting::{ActivationKind, Initialization, ModelSetting};
use crate::state::Plan;

/// The lines that make the model; returns the definition of its type, if it needs one.
pub(super) fn model(body: &mut String, uses: &mut Vec<String>, plan: &Plan) -> String {
    let setting = &plan.setting.model;
    let mut sizes = vec![plan.data.width()];
    sizes.extend(&setting.hidden);
    sizes.push(plan.loss.outputs());
    let common = setting.common_activation().map(function);
    let differs_by_layer = common.is_none() && setting.initialization == Initialization::He;
    let initializer = match setting.initialization {
        Initialization::Pytorch => None,
        _ if differs_by_layer => None,
        Initialization::He => Some(format!("kaiming_normal({})", gain(setting.activation_of(0)))),
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
    let plain = common
        .flatten()
        .filter(|_| !setting.residual && !setting.layer_norm && setting.dropout == 0.0);
    let _ = write!(
        body,
        "\nlet mut rng = Xoshiro256PlusPlus::seed_from_u64({});\n\
         let {}mlp = Mlp::new(&{sizes:?}, &mut rng){initialize};\n",
        setting.seed,
        if setting.initialization == Initialization::Equal || differs_by_layer {
            "mut "
        } else {
            ""
        },
    );
    if differs_by_layer {
        uses.push("downhill::nn::Initializer".into());
        let gains: Vec<String> =
            (0..=setting.hidden.len()).map(|layer| gain(setting.activation_of(layer))).collect();
        let _ = write!(
            body,
            "for (layer, gain) in mlp.layers.iter_mut().zip([{}]) {{\n    \
             *layer = layer.clone().initialize(Initializer::kaiming_normal(gain), &mut rng);\n}}\n",
            gains.join(", ")
        );
    }
    if setting.initialization == Initialization::Equal {
        body.push_str("for layer in &mut mlp.layers {\n    layer.weight.update(|weights| weights.fill(0.5));\n}\n");
    }
    if let Some(activation) = plain {
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
        text += match (norm, common) {
            (true, Some(_)) => "        for (layer, norm) in hidden.iter().zip(&self.norms) {\n",
            (false, Some(_)) => "        for layer in hidden {\n",
            (_, None) => "        for (index, layer) in hidden.iter().enumerate() {\n",
        };
        text += "            let z = layer.forward(&x);\n";
        if norm {
            let name = if common.is_some() { "norm" } else { "self.norms[index]" };
            let _ = writeln!(text, "            let z = {name}.forward(&z);");
        }
        let _ = writeln!(
            text,
            "            let a = {};",
            match common {
                Some(activation) => applied(activation),
                None => by_layer(setting),
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

/// The function's name; none is the identity.
fn function(activation: ActivationKind) -> Option<&'static str> {
    Some(match activation {
        ActivationKind::Relu => "Activation::Relu",
        ActivationKind::LeakyRelu => "Activation::LeakyRelu(0.1)",
        ActivationKind::Tanh => "Activation::Tanh",
        ActivationKind::Sigmoid => "Activation::Sigmoid",
        ActivationKind::Softplus => "Activation::Softplus",
        ActivationKind::Gelu => "Activation::Gelu",
        ActivationKind::Silu => "Activation::Silu",
        ActivationKind::Identity => return None,
    })
}

fn gain(activation: ActivationKind) -> String {
    function(activation).map_or("1.0".into(), |name| format!("{name}.gain()"))
}

fn applied(activation: Option<&str>) -> String {
    activation.map_or("z".into(), |name| format!("{name}.forward(&z)"))
}

/// The activations of layers that have different ones.
fn by_layer(setting: &ModelSetting) -> String {
    let last = setting.hidden.len() - 1;
    let arm = |layer: usize| {
        let pattern = if layer == last { "_".into() } else { layer.to_string() };
        let activation = function(setting.activation_of(layer));
        format!("                {pattern} => {},\n", applied(activation))
    };
    format!("match index {{\n{}            }}", (0..=last).map(arm).collect::<String>())
}
