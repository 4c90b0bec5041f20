//! The present state of a run, as a page shows it.

use downhill_tensor::Parameters;
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::judgement::{judge, worst};
use crate::picture;
use crate::reply::{Reply, number};
use crate::run::{Moment, Run};
use crate::state::{Record, State};

/// What is wanted of the present state.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Frame {
    /// The cells along each side of the decision map; 0 for none.
    map: usize,
    /// The cells along each side of each unit's map; 0 for none.
    units: usize,
    /// All parameters.
    weights: bool,
    /// The record of the run.
    curves: bool,
    /// Which classes are taken for which, and how sure the network is.
    judged: bool,
    /// The number of mistakes on test points, the worst first.
    worst: usize,
}

/// What is wanted of the present state, and of a run that is kept beside it.
pub(crate) fn frame(
    reply: &mut Reply,
    run: &Run,
    kept: Option<&Run>,
    wanted: &Frame,
) -> Result<(), Error> {
    for (name, cells) in [("frame.map", wanted.map), ("frame.units", wanted.units)] {
        if cells > 256 {
            let (name, value) = (name.into(), cells.to_string());
            return Err(Error::Range { name, value, range: "from 0 to 256".into() });
        }
    }
    let state = &run.state;
    let extent = picture::extent(&state.plan.setting, &state.plan.data);
    let has_map = |state: &State| state.plan.data.width() <= 2;
    if has_map(state) && wanted.map > 0 {
        picture::map(reply, "map", state, extent, wanted.map);
    }
    if has_map(state) && wanted.units > 0 {
        picture::units(reply, "units", state, extent, wanted.units);
    }
    if wanted.weights {
        for (name, tensor) in state.network.named() {
            reply.put_floats(&name, tensor.to_vec());
        }
    }
    let record = run.record();
    reply.set("train_loss", number(record.train_loss));
    reply.set("test_loss", number(record.test_loss));
    reply.set("train_accuracy", number(record.train_accuracy));
    reply.set("test_accuracy", number(record.test_accuracy));
    reply.set("learning_rate", number(record.learning_rate));
    if let Some(kept) = kept {
        let (record, plan) = (kept.record(), &kept.state.plan);
        reply.set(
            "kept",
            json!({
                "step": kept.state.step,
                "train_loss": number(record.train_loss),
                "train_accuracy": number(record.train_accuracy),
                "outputs": plan.data.class_names().map_or(1, <[String]>::len),
            }),
        );
        if has_map(&kept.state) && wanted.map > 0 {
            picture::map(reply, "kept.map", &kept.state, extent, wanted.map);
        }
        if wanted.curves {
            curves(reply, "kept.curve", kept.moments());
        }
    }
    if wanted.judged {
        judge(reply, "train", state, &state.plan.data.whole_train);
        judge(reply, "test", state, &state.plan.data.whole_test);
    }
    if wanted.worst > 0 {
        reply.put_floats("worst", worst(state, wanted.worst).into_iter().flatten());
    }
    if wanted.curves {
        curves(reply, "curve", run.moments());
        reply.set("changes", run.changes().collect::<Vec<_>>());
    }
    Ok(())
}

/// The record as columns, one number for each state that is kept.
fn curves(reply: &mut Reply, prefix: &str, moments: &[Moment]) {
    let mut column = |name: &str, value: &dyn Fn(&Record) -> f64| {
        let name = format!("{prefix}.{name}");
        reply.put_floats(&name, moments.iter().map(|moment| value(&moment.record) as f32));
    };
    column("train_loss", &|record| record.train_loss);
    column("test_loss", &|record| record.test_loss);
    column("train_accuracy", &|record| record.train_accuracy);
    column("test_accuracy", &|record| record.test_accuracy);
    column("learning_rate", &|record| record.learning_rate);
    let layers = moments[0].state.network.layers.len();
    for layer in 0..layers {
        let of = |values: &[f64]| values.get(layer).copied().unwrap_or(f64::NAN);
        column(&format!("gradients.{layer}"), &|record| of(&record.gradients));
        column(&format!("updates.{layer}"), &|record| of(&record.updates));
    }
    let steps = moments.iter().map(|moment| moment.state.step as f32);
    reply.put_floats(&format!("{prefix}.step"), steps);
}
