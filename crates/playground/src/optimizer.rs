//! The optimizers behind one door.

use downhill_optim::{
    Adagrad, Adam, AdamW, Lbfgs, Lion, Muon, OneCycle, Optimizer as _, ParameterGroup, RmsProp,
    Schedule, Sgd, clip_by_global_norm, clip_by_norm, clip_by_value,
};
use downhill_tensor::{Gradients, Parameters, Tensor};

use crate::error::Error;
use crate::network::Network;
use crate::setting::{Clip, OptimizerKind, OptimizerSetting, ScheduleKind};

/// What makes a step of a gradient: clipping, the schedule and the optimizer.
#[derive(Debug, Clone)]
pub(crate) struct Optimizer {
    kind: Kind,
    schedule: Schedule,
    clip: Clip,
    clip_at: f64,
}

#[derive(Debug, Clone)]
enum Kind {
    Sgd(Sgd),
    Adagrad(Adagrad),
    RmsProp(RmsProp),
    Adam(Adam),
    AdamW(Adam),
    Lion(Lion),
    /// Matrices, and what else there is.
    Muon(Muon, Adam),
    /// With how many past steps it remembers.
    Lbfgs(Lbfgs, usize),
}

/// How often L-BFGS computes the loss at most in search of the length of a step.
pub(crate) const MOST_TRIALS: usize = 20;

impl Optimizer {
    pub(crate) fn new(setting: &OptimizerSetting, network: &Network) -> Result<Self, Error> {
        let OptimizerSetting {
            learning_rate,
            momentum,
            nesterov,
            dampening,
            centered,
            learning_rate_decay,
            initial_accumulator,
            iterations,
            beta1,
            beta2,
            alpha,
            epsilon,
            amsgrad,
            weight_decay,
            ..
        } = *setting;
        let kind = match setting.kind {
            OptimizerKind::Sgd => {
                let sgd = Sgd::new(learning_rate).momentum(momentum).weight_decay(weight_decay);
                Kind::Sgd(match nesterov && momentum > 0.0 {
                    true => sgd.nesterov(true),
                    false => sgd.dampening(dampening),
                })
            }
            OptimizerKind::Adagrad => Kind::Adagrad(
                Adagrad::new(learning_rate)
                    .learning_rate_decay(learning_rate_decay)
                    .initial_accumulator(initial_accumulator)
                    .epsilon(epsilon)
                    .weight_decay(weight_decay),
            ),
            OptimizerKind::Rmsprop => Kind::RmsProp(
                RmsProp::new(learning_rate)
                    .alpha(alpha)
                    .epsilon(epsilon)
                    .momentum(momentum)
                    .centered(centered)
                    .weight_decay(weight_decay),
            ),
            OptimizerKind::Adam => Kind::Adam(
                Adam::new(learning_rate)
                    .betas(beta1, beta2)
                    .epsilon(epsilon)
                    .amsgrad(amsgrad)
                    .weight_decay(weight_decay),
            ),
            OptimizerKind::Adamw => Kind::AdamW(
                AdamW::new(learning_rate)
                    .betas(beta1, beta2)
                    .epsilon(epsilon)
                    .amsgrad(amsgrad)
                    .weight_decay(weight_decay),
            ),
            OptimizerKind::Lion => {
                Kind::Lion(Lion::new(learning_rate).betas(beta1, beta2).weight_decay(weight_decay))
            }
            OptimizerKind::Muon => {
                let frozen = |pattern: &str| ParameterGroup::matching(pattern).frozen();
                let mut muon = Muon::new(learning_rate)
                    .momentum(momentum)
                    .nesterov(nesterov)
                    .iterations(iterations)
                    .weight_decay(weight_decay)
                    .group(frozen("*.bias"));
                if !network.norms.is_empty() {
                    muon = muon.group(frozen("norms.*"));
                }
                let rest = AdamW::new(learning_rate)
                    .betas(beta1, beta2)
                    .epsilon(epsilon)
                    .weight_decay(weight_decay);
                Kind::Muon(muon, rest.group(frozen("layers.*.weight")))
            }
            OptimizerKind::Lbfgs => {
                let refuses = |text: &str| Err(Error::Mismatch(format!("L-BFGS {text}")));
                if network.has_dropout() {
                    return refuses("compares losses, which dropout would blur");
                }
                if weight_decay != 0.0 || setting.clip != Clip::None {
                    return refuses("knows neither weight decay nor clipping");
                }
                let lbfgs = Lbfgs::new().max_iterations(1).max_evaluations(MOST_TRIALS);
                Kind::Lbfgs(lbfgs.history_size(setting.history), setting.history)
            }
        };
        let schedule = schedule(setting)?;
        Ok(Self { kind, schedule, clip: setting.clip, clip_at: setting.clip_at })
    }

    /// What has been remembered goes on, if it is of use to this optimizer.
    pub(crate) fn resume(&mut self, other: &Self, network: &Network) {
        macro_rules! restore {
            ($($kind:ident)*) => {
                match (&mut self.kind, &other.kind) {
                    $((Kind::$kind(new), Kind::$kind(old)) => {
                        // What does not fit is forgotten, as momentum that is switched off.
                        let _ = old.state(network).and_then(|old| new.restore(network, &old));
                    })*
                    (Kind::Muon(new, new_rest), Kind::Muon(old, old_rest)) => {
                        let _ = old.state(network).and_then(|old| new.restore(network, &old));
                        let _ = old_rest.state(network).and_then(|old| new_rest.restore(network, &old));
                    }
                    (Kind::Lbfgs(new, _), Kind::Lbfgs(old, _)) => {
                        let _ = old.state(network).and_then(|old| new.restore(network, &old));
                    }
                    _ => {}
                }
            };
        }
        restore!(Sgd Adagrad RmsProp Adam AdamW Lion);
    }

    /// How many numbers are remembered for each parameter at most.
    pub(crate) fn numbers_a_parameter(&self) -> usize {
        match &self.kind {
            Kind::Lbfgs(_, history) => 2 * history + 2,
            _ => 3,
        }
    }

    /// The learning rate of a step, counted from 0.
    pub(crate) fn learning_rate(&self, step: u64) -> f64 {
        self.schedule.learning_rate(step)
    }

    /// Makes gradients smaller where they are large.
    pub(crate) fn clip(&self, gradients: &mut Gradients) -> Result<(), Error> {
        match self.clip {
            Clip::None => {}
            Clip::GlobalNorm => {
                clip_by_global_norm(gradients, self.clip_at)?;
            }
            Clip::Norm => clip_by_norm(gradients, self.clip_at)?,
            Clip::Value => clip_by_value(gradients, self.clip_at)?,
        }
        Ok(())
    }

    /// Makes a step, counted from 0, of gradients that have been clipped. `loss` is what they are
    /// the gradients of, for an optimizer that looks around.
    pub(crate) fn step(
        &mut self,
        step: u64,
        network: &mut Network,
        gradients: &Gradients,
        loss: impl Fn(&Network) -> Result<Tensor, Error>,
    ) -> Result<(), Error> {
        let learning_rate = self.learning_rate(step);
        macro_rules! step {
            ($($kind:ident)*) => {
                match &mut self.kind {
                    $(Kind::$kind(optimizer) => {
                        optimizer.set_learning_rate(learning_rate);
                        optimizer.step(network, gradients)?;
                    })*
                    Kind::Muon(muon, rest) => {
                        muon.set_learning_rate(learning_rate);
                        rest.set_learning_rate(learning_rate);
                        muon.step(network, gradients)?;
                        rest.step(network, gradients)?;
                    }
                    Kind::Lbfgs(optimizer, _) => {
                        *optimizer = std::mem::take(optimizer).learning_rate(learning_rate);
                        optimizer.step(network, |network| {
                            let loss = loss(network)?;
                            let gradients = loss.backward();
                            Ok((loss, gradients))
                        })?;
                    }
                }
            };
        }
        step!(Sgd Adagrad RmsProp Adam AdamW Lion);
        Ok(())
    }

    /// What is remembered, by name.
    pub(crate) fn state(&self, network: &Network) -> Result<Vec<(String, Tensor)>, Error> {
        macro_rules! state {
            ($($kind:ident)*) => {
                match &self.kind {
                    $(Kind::$kind(optimizer) => optimizer.state(network)?,)*
                    Kind::Muon(muon, rest) => {
                        let mut state = muon.state(network)?;
                        state.extend(rest.state(network)?);
                        state
                    }
                    Kind::Lbfgs(optimizer, _) => last_of_lbfgs(optimizer, network)?,
                }
            };
        }
        Ok(state!(Sgd Adagrad RmsProp Adam AdamW Lion))
    }
}

/// What L-BFGS remembers of its last step, parameter by parameter.
fn last_of_lbfgs(optimizer: &Lbfgs, network: &Network) -> Result<Vec<(String, Tensor)>, Error> {
    let mut parts = Vec::new();
    for (what, whole) in optimizer.state(network)? {
        if whole.shape().len() != 1 {
            continue;
        }
        let mut numbers = whole.to_vec().into_iter();
        for (name, parameter) in network.named() {
            let part = numbers.by_ref().take(parameter.len()).collect();
            let part = Tensor::from_shape_vec(parameter.shape(), part);
            parts
                .push((format!("{name}.{what}"), part.expect("it holds a number for each weight")));
        }
    }
    Ok(parts)
}

/// How many of a schedule's steps go up, and how many down.
pub(crate) fn warm_up(steps: u64) -> [u64; 2] {
    let up = (steps / 10).max(1);
    [up, (steps - up).max(1)]
}

fn schedule(setting: &OptimizerSetting) -> Result<Schedule, Error> {
    let (rate, steps) = (setting.learning_rate, setting.schedule_steps);
    let gamma = setting.schedule_gamma;
    Ok(match setting.schedule {
        ScheduleKind::Constant => Schedule::constant(rate)?,
        ScheduleKind::Step => Schedule::step(rate, steps, gamma)?,
        // gamma in all the steps.
        ScheduleKind::Exponential => Schedule::exponential(rate, gamma.powf(1.0 / steps as f64))?,
        ScheduleKind::Linear => Schedule::linear(rate, 0.0, steps)?,
        ScheduleKind::Polynomial => Schedule::polynomial(rate, steps, setting.schedule_power)?,
        ScheduleKind::Cosine => Schedule::cosine(rate, steps, 0.0)?,
        ScheduleKind::Restarts => Schedule::cosine_with_restarts(rate, steps, 1, 0.0)?,
        ScheduleKind::OneCycle => Schedule::one_cycle(rate, steps, OneCycle::default())?,
        ScheduleKind::WarmUp => Schedule::linear(0.0, rate, steps)?,
        ScheduleKind::WarmUpCosine => {
            let [up, down] = warm_up(steps);
            Schedule::linear(0.0, rate, up)?.then(up, Schedule::cosine(rate, down, 0.0)?)
        }
    })
}
