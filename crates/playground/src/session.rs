//! One page's work: messages in, replies out.

use std::sync::Arc;

use downhill_tensor::{Parameters, Tensor, without_recording};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::data::{Data, header, numeric_columns, table};
use crate::error::Error;
use crate::frame::{Frame, frame};
use crate::picture;
use crate::reply::{Reply, single};
use crate::run::Run;
use crate::rust;
use crate::setting::{Setting, Source};
use crate::state::Plan;
use crate::surface::{Region, surface};
use crate::trace::{self, Part};

/// What a page asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Message {
    /// The setting, and the points.
    Describe,
    /// Another setting. It goes on from here if it can, and begins anew if not.
    Set { setting: Box<Setting> },
    /// The present state.
    Frame(Frame),
    /// The setting that a page begins with, without more.
    Defaults,
    /// A number of further steps.
    Advance { steps: u64 },
    /// Back, or forth, to a step that has been made.
    Seek { step: u64 },
    /// To the end of the epoch.
    Epoch,
    /// Every number on a sample's way.
    Trace { part: Part, index: usize },
    /// The computation behind a sample's loss.
    Graph { part: Part, index: usize },
    /// The numbers of the step that comes next.
    Next,
    /// How a weight has gone: the `index`th number of the parameter called `name`.
    History { name: String, index: usize },
    /// The run as a program.
    Rust,
    /// The loss about the way that the run has gone.
    Surface { region: Region },
    /// Keeps the run as it is, to be compared with what comes.
    Keep,
    /// Parts with the run that is kept.
    Part,
    /// What the network makes of an image of a digit: 64 pixels from 0 to 16.
    Classify { pixels: Vec<f32> },
}

/// The work of one page. It knows nothing of how messages come and go.
#[derive(Debug)]
pub struct Session {
    run: Run,
    /// A run that goes along, step by step, to be compared with.
    kept: Option<Run>,
    /// Counts whatever changes what [`Message::Describe`] would say.
    revision: u64,
    described: Arc<Plan>,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session with the setting that a page begins with.
    pub fn new() -> Self {
        let setting = Setting::default();
        Self::begin(&setting).expect("the setting to begin with is a good one")
    }

    /// A session with another setting.
    ///
    /// # Errors
    ///
    /// [`Error`] with what is wrong with the setting.
    pub fn begin(setting: &Setting) -> Result<Self, Error> {
        setting.check()?;
        let run = start(setting)?;
        let described = Arc::clone(&run.state.plan);
        Ok(Self { run, kept: None, revision: 1, described })
    }

    /// Trains, and returns how many steps were made: fewer if training has come to a halt.
    pub fn advance(&mut self, steps: u64) -> u64 {
        let made = self.run.advance(steps);
        self.take_along();
        made
    }

    /// Answers a message. One that is wrong is answered with what is wrong with it, and changes
    /// nothing.
    pub fn handle(&mut self, message: &str) -> Reply {
        self.answer(message).unwrap_or_else(Reply::error)
    }

    fn answer(&mut self, message: &str) -> Result<Reply, Error> {
        let mut reply = Reply::default();
        match serde_json::from_str(message)? {
            Message::Describe => self.describe(&mut reply),
            Message::Set { setting } => self.set(&setting)?,
            Message::Frame(wanted) => {
                self.take_along();
                frame(&mut reply, &self.run, self.kept.as_ref(), &wanted)?;
            }
            Message::Defaults => {
                let setting = serde_json::to_value(Setting::default());
                reply.set("setting", setting.expect("a setting is plain data"));
            }
            Message::Advance { steps } => {
                if steps > 1000 {
                    let (name, value) = ("steps".into(), steps.to_string());
                    return Err(Error::Range { name, value, range: "at most 1000".into() });
                }
                self.run.advance(steps);
            }
            Message::Trace { part, index } => {
                trace::sample(&mut reply, &self.run.state, part, index)?;
                trace::code(&mut reply, &self.run.state);
            }
            Message::Graph { part, index } => {
                trace::graph(&mut reply, &self.run.state, part, index)?;
            }
            Message::Next => trace::step(&mut reply, &self.run.state)?,
            Message::History { name, index } => {
                trace::history(&mut reply, self.run.moments(), &name, index)?;
            }
            Message::Surface { region } => surface(&mut reply, &self.run, region)?,
            Message::Keep => self.kept = Some(self.run.clone()),
            Message::Part => self.kept = None,
            Message::Classify { pixels } => self.classify(&pixels, &mut reply)?,
            Message::Rust => {
                let was_changed = self.run.changes().any(|step| step > 0);
                let state = &self.run.state;
                reply.set("program", rust::program(&state.plan, state.step, was_changed));
            }
            Message::Seek { step } => self.run.seek(step),
            Message::Epoch => {
                self.run.advance(self.run.state.steps_to_epoch());
            }
        }
        self.status(&mut reply);
        Ok(reply)
    }

    fn set(&mut self, setting: &Setting) -> Result<(), Error> {
        setting.check()?;
        let present = &self.run.state.plan;
        if *setting == present.setting {
            return Ok(());
        }
        if setting.same_start(&present.setting) {
            return self.run.change(setting, Arc::clone(&present.data));
        }
        // Points that are placed by hand while the network learns.
        let moved = Setting { data: setting.data.clone(), ..present.setting.clone() };
        if setting.data.source == Source::Points
            && present.setting.data.source == Source::Points
            && setting.same_start(&moved)
        {
            let data = Arc::new(Data::new(&setting.data)?);
            if data.class_names() == present.data.class_names() {
                return self.run.change(setting, data);
            }
        }
        self.run = start(setting)?;
        Ok(())
    }

    /// Brings the run that is kept to the step of the other.
    fn take_along(&mut self) {
        if let Some(kept) = &mut self.kept {
            let step = self.run.state.step;
            kept.seek(step);
            kept.advance(step - kept.state.step);
        }
    }

    fn classify(&self, pixels: &[f32], reply: &mut Reply) -> Result<(), Error> {
        let state = &self.run.state;
        let (Source::Digits, Some(standardizer)) =
            (state.plan.setting.data.source, &state.plan.data.standardizer)
        else {
            return Err(Error::Mismatch("the points are no images of digits".into()));
        };
        if pixels.len() != 64 {
            return Err(Error::Range {
                name: "the number of pixels".into(),
                value: pixels.len().to_string(),
                range: "64".into(),
            });
        }
        if let Some(pixel) = pixels.iter().find(|pixel| !(0.0..=16.0).contains(*pixel)) {
            let (name, value) = ("a pixel".into(), pixel.to_string());
            return Err(Error::Range { name, value, range: "from 0 to 16".into() });
        }
        let scales = standardizer.mean().into_iter().zip(standardizer.standard_deviation());
        let scaled = pixels.iter().zip(scales).map(|(x, (m, s))| ((f64::from(*x) - m) / s) as f32);
        let image = Tensor::from_shape_vec(&[1, 64], scaled.collect()).expect("64 numbers");
        let said = without_recording(|| state.plan.loss.predict(&state.network.evaluate(&image)));
        reply.set("said", said.array().iter().map(|&p| single(p)).collect::<Value>());
        Ok(())
    }

    /// What every reply says.
    fn status(&mut self, reply: &mut Reply) {
        if !Arc::ptr_eq(&self.described, &self.run.state.plan) {
            self.described = Arc::clone(&self.run.state.plan);
            self.revision += 1;
        }
        let state = &self.run.state;
        reply.set("revision", self.revision);
        reply.set("step", state.step);
        reply.set("end", self.run.end());
        reply.set("epochs", state.epochs());
        reply.set("halted", self.run.halted());
    }

    fn describe(&self, reply: &mut Reply) {
        let plan = &self.run.state.plan;
        let (setting, data) = (&plan.setting, &plan.data);
        reply.set("setting", serde_json::to_value(setting).expect("a setting is plain data"));
        reply.set("classes", data.class_names());
        reply.set("outputs", plan.loss.outputs());
        reply.set("inputs", data.width());
        reply.set("parameters", self.run.state.network.parameter_count());
        let names: Vec<_> = self
            .run
            .state
            .network
            .named()
            .into_iter()
            .map(|(name, tensor)| json!([name, tensor.shape()]))
            .collect();
        reply.set("names", names);
        reply.set("extent", picture::extent(setting, data).to_vec());
        reply.set("dropped", data.dropped);
        if setting.data.source == Source::Table {
            let table = table(&setting.data.table).expect("the points were read from it");
            let header = header(table);
            let target = match setting.data.target.as_str() {
                "" => header.last().map_or("", String::as_str),
                target => target,
            };
            reply.set("numeric", numeric_columns(table, target));
            reply.set("target", target);
            reply.set("header", header);
        }
        for (name, batch, samples) in
            [("train", &data.whole_train, &data.train), ("test", &data.whole_test, &data.test)]
        {
            reply.put_floats(&format!("{name}.answers"), batch.answers.numbers());
            match setting.data.source {
                Source::Digits => picture::images(reply, &format!("{name}.images"), data, samples),
                // Of one feature, a point stands where its value is.
                _ if data.width() == 1 => {
                    let points = batch.features.to_vec().into_iter().zip(batch.answers.numbers());
                    reply.put_floats(&format!("{name}.points"), points.flat_map(|(x, y)| [x, y]));
                }
                _ => reply.put_floats(&format!("{name}.points"), batch.features.to_vec()),
            }
        }
    }
}

fn start(setting: &Setting) -> Result<Run, Error> {
    Run::new(Plan::new(setting.clone(), Arc::new(Data::new(&setting.data)?))?)
}
