//! Decisions: cross-entropy of what was done, weighted by what came of it.
//!
//! ```text
//! cargo run --release --example cart_pole
//! cargo run --release --example cart_pole -- --baseline none
//! cargo run --release --example cart_pole -- --seeds 10
//! cargo run --release --example cart_pole -- --animation cart_pole.svg
//! ```
//!
//! A pole stands on a cart, and the cart is pushed left or right, fifty times a second. Nobody says
//! which push is right. There is a reward of 1 for every step until the pole falls or the cart
//! leaves the track, and 500 steps are the end.
//!
//! A policy gives each push a probability, and one is drawn. REINFORCE (Williams, 1992) then treats
//! what was done as a label, and what came of it as the label's weight:
//!
//! ```text
//! loss = mean of  (return − baseline) · −ln p(push)
//! ```
//!
//! The return of a push is the sum of rewards from there to the end, each counted γ times as much
//! as the one before. A push that led to more than the baseline becomes likelier, one that led to
//! less becomes rarer. The baseline changes no gradient on the mean, but makes it far less noisy:
//! without it every push is praised, the good ones only a little more.
//!
//! What to look for: how the steps grow, how far seeds differ, and what is left without a baseline.

#[path = "cart_pole/animation.rs"]
mod animation;
#[path = "cart_pole/world.rs"]
mod world;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use downhill::prelude::*;
use downhill::train::state;
use lesson::keep::Checkpoints;

use crate::world::{LONGEST, World};

/// Trains a policy: the loop.
fn fit(
    seed: u64,
    mut checkpoints: Checkpoints,
    arguments: &Arguments,
) -> Result<(Mlp, Xoshiro256PlusPlus), Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut policy = Mlp::new(&[4, 32, 2], &mut rng);
    let mut optimizer = Adam::new(arguments.learning_rate);
    let cross_entropy = CrossEntropy::new().reduction(Reduction::None);
    let mut update = 0;
    checkpoints.restore(state!(policy; optimizer; rng, update), false)?;
    while update < arguments.updates {
        let episodes = play(&policy, EPISODES, &mut rng);
        let states: Vec<[f32; 4]> = episodes.iter().flat_map(|it| it.states.clone()).collect();
        let pushes: Vec<usize> = episodes.iter().flat_map(|it| it.pushes.clone()).collect();
        let weights = advantages(&episodes, arguments.baseline);

        let logits = policy.forward(&tensor(&states));
        let surprise = cross_entropy.forward(&logits, &pushes)?;
        let loss = (surprise * Tensor::from(weights)).mean();
        let gradients = loss.backward();
        optimizer.step(&mut policy, &gradients)?;

        update += 1;
        if update == 1 || update % (arguments.updates / 8).max(1) == 0 {
            println!("   update {update:>3}: {:>5}", pushes.len() / EPISODES);
        }
        checkpoints.epoch(state!(policy; optimizer; rng, update), None)?;
        if lesson::interrupted() {
            break;
        }
    }
    checkpoints.finish(state!(policy; optimizer; rng, update))?;
    Ok((policy, rng))
}

/// Teaches a policy to balance a pole, by trial and error
#[derive(Parser)]
struct Arguments {
    /// What a return is compared with
    #[arg(long, value_enum, default_value = "mean")]
    baseline: Baseline,

    /// Updates of the policy, each after 16 episodes
    #[arg(long, default_value = "150", value_parser = lesson::positive_count)]
    updates: usize,

    /// The length of a step of Adam
    #[arg(long, default_value = "0.01", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// How many runs, each from a seed of its own
    #[arg(long, default_value = "1", value_parser = lesson::positive_count)]
    seeds: usize,

    /// The first seed
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Draw one episode of the trained policy as an animated SVG
    #[arg(long, value_name = "FILE")]
    animation: Option<PathBuf>,

    #[command(flatten)]
    keep: lesson::keep::Keep,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Baseline {
    /// The mean return of all pushes of the update
    Mean,
    /// Nothing
    None,
}

/// How many episodes are played at once before each update.
const EPISODES: usize = 16;
/// γ: what a reward counts one step later.
const DISCOUNT: f32 = 0.99;

fn main() -> ExitCode {
    lesson::run(teach)
}

fn teach(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let (mut solved, mut policies) = (0, Vec::new());
    for seed in arguments.seed..arguments.seed + arguments.seeds as u64 {
        println!("seed {seed}: steps until the pole falls, mean of {EPISODES} episodes");
        let run = format!("seed-{seed}");
        let checkpoints = arguments.keep.checkpoints::<Arguments>(Some(&run), None)?;
        let (policy, mut rng) = fit(seed, checkpoints, &arguments)?;
        let last: Vec<usize> = play(&policy, 20, &mut rng).iter().map(Episode::len).collect();
        let mean = last.iter().sum::<usize>() as f64 / last.len() as f64;
        solved += usize::from(mean >= 475.0);
        println!("   the trained policy, mean of 20 episodes: {mean:.1} of {LONGEST}\n");
        if let Some(path) = &arguments.animation {
            let episode = play(&policy, 1, &mut rng).remove(0);
            fs::write(path, animation::animation(&episode.states))
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        policies.push(policy);
        if lesson::interrupted() {
            break;
        }
    }
    arguments.keep.save(&policies, &[]);
    println!("{solved} of {} seeds reach 475", arguments.seeds);
    Ok(())
}

/// One way from upright to the fall: a state and a push for every step.
struct Episode {
    states: Vec<[f32; 4]>,
    pushes: Vec<usize>,
}

impl Episode {
    fn len(&self) -> usize {
        self.pushes.len()
    }
}

/// Plays `count` episodes at once, so that the policy is asked for all of them together.
fn play(policy: &Mlp, count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Episode> {
    let mut worlds: Vec<World> = (0..count).map(|_| World::new(rng)).collect();
    let mut episodes: Vec<Episode> =
        (0..count).map(|_| Episode { states: Vec::new(), pushes: Vec::new() }).collect();
    for _step in 0..LONGEST {
        let standing: Vec<usize> =
            (0..count).filter(|&index| !worlds[index].has_fallen()).collect();
        if standing.is_empty() {
            break;
        }
        let states: Vec<[f32; 4]> = standing.iter().map(|&index| worlds[index].state()).collect();
        let right = without_recording(|| policy.forward(&tensor(&states)).softmax(-1)).to_vec();
        for (row, &index) in standing.iter().enumerate() {
            let push = usize::from(rng.random_range(0.0..1.0) < right[2 * row + 1]);
            episodes[index].states.push(states[row]);
            episodes[index].pushes.push(push);
            worlds[index].step(push == 1);
        }
    }
    episodes
}

/// For every push, what came of it: the discounted return, less the baseline, in units of the
/// returns' deviation.
fn advantages(episodes: &[Episode], baseline: Baseline) -> Vec<f32> {
    let mut returns = Vec::new();
    for episode in episodes {
        let first = returns.len();
        let mut sum = 0.0;
        for _push in &episode.pushes {
            sum = 1.0 + DISCOUNT * sum;
            returns.push(sum);
        }
        // The last push was followed by least.
        returns[first..].reverse();
    }
    let count = returns.len() as f32;
    let mean = returns.iter().sum::<f32>() / count;
    let variance = returns.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count;
    let level = if baseline == Baseline::Mean { mean } else { 0.0 };
    returns.iter().map(|x| (x - level) / variance.sqrt().max(1e-6)).collect()
}

fn tensor(states: &[[f32; 4]]) -> Tensor {
    Tensor::from_shape_vec(&[states.len(), 4], states.concat()).expect("four numbers a state")
}
