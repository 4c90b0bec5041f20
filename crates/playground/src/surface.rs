//! The loss about the way that a run has gone, on a plane through its present weights.

use downhill_tensor::{Parameters, Path, without_recording};
use ndarray::{Array1, Array2};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::directions::leading_directions;
use crate::error::Error;
use crate::network::Network;
use crate::reply::{Reply, number};
use crate::run::Run;
use crate::state::State;

/// What a plane is to show.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Region {
    /// The way from the start to the furthest step, along its two principal components (Li et al.,
    /// "Visualizing the loss landscape of neural nets", 2018, section 7).
    Way,
    /// The last step, and where gradient flow would have led.
    Step,
}

/// The cells along each side, and how many multiplications they may cost.
const CELLS: [usize; 2] = [9, 33];
const MOST_WORK: usize = 400_000_000;
/// The states that the principal components are of.
const MOST_STATES: usize = 32;
/// The parts that a way is followed in, and how often the loss is computed for it at most.
const PARTS: usize = 16;
const MOST_TRIALS: usize = 128;

/// The loss on all points to train on, as a function of all weights in one vector.
struct Landscape<'a> {
    state: &'a State,
    network: Network,
}

impl<'a> Landscape<'a> {
    fn new(state: &'a State) -> Self {
        Self { state, network: state.network.clone() }
    }

    fn place(&mut self, weights: &Array1<f64>) {
        let mut next = weights.iter();
        self.network.visit_mut(Path::ROOT, &mut |_, tensor| {
            tensor.update(|values| {
                values
                    .iter_mut()
                    .zip(&mut next)
                    .for_each(|(value, &weight)| *value = weight as f32);
            });
        });
    }

    fn loss(&mut self, weights: &Array1<f64>) -> f64 {
        self.place(weights);
        let points = &self.state.plan.data.whole_train;
        without_recording(|| {
            let logits = self.network.evaluate(&points.features);
            let loss = self.state.plan.loss.forward(&logits, &points.answers);
            loss.map_or(f64::NAN, |loss| f64::from(loss.item()))
        })
    }

    fn gradient(&mut self, weights: &Array1<f64>) -> Result<Array1<f64>, Error> {
        self.place(weights);
        let points = &self.state.plan.data.whole_train;
        let logits = self.network.evaluate(&points.features);
        let gradients = self.state.plan.loss.forward(&logits, &points.answers)?.backward();
        let mut numbers = Vec::new();
        for (_, parameter) in self.network.named() {
            match gradients.get(&parameter) {
                Some(gradient) => numbers.extend(gradient.to_vec().into_iter().map(f64::from)),
                None => numbers.resize(numbers.len() + parameter.len(), 0.0),
            }
        }
        Ok(numbers.into())
    }

    /// The way of gradient flow, dw/dt = −∇L, from some weights on until it is as long as
    /// `distance`, or to where the loss falls no further: the midpoint rule in parts that are
    /// halved where the loss would rise.
    fn flow(&mut self, from: Array1<f64>, distance: f64) -> Result<Vec<Array1<f64>>, Error> {
        let mut way = vec![from.clone()];
        let (mut at, mut loss, mut left) = (from.clone(), self.loss(&from), distance);
        let mut part = distance / PARTS as f64;
        for _ in 0..MOST_TRIALS {
            if left <= 1e-6 * distance || part < 1e-4 * distance {
                break;
            }
            let length = part.min(left);
            let Some(down) = unit(-self.gradient(&at)?) else { break };
            let middle = &at + &(down * (length / 2.0));
            let Some(down) = unit(-self.gradient(&middle)?) else { break };
            let next = &at + &(down * length);
            let lower = self.loss(&next);
            if lower < loss {
                (at, loss, left) = (next, lower, left - length);
                way.push(at.clone());
                part = (2.0 * part).min(distance / PARTS as f64);
            } else {
                part /= 2.0;
            }
        }
        Ok(way)
    }
}

fn weights(network: &Network) -> Array1<f64> {
    let named = network.named();
    named.iter().flat_map(|(_, tensor)| tensor.to_vec()).map(f64::from).collect()
}

fn length(direction: &Array1<f64>) -> f64 {
    direction.dot(direction).sqrt()
}

/// A direction of length 1; none if it has no direction.
fn unit(direction: Array1<f64>) -> Option<Array1<f64>> {
    let length = length(&direction);
    (length > 0.0 && length.is_finite()).then(|| direction / length)
}

/// Two directions at right angles in the plane of the first two that are independent.
fn plane(candidates: impl IntoIterator<Item = Array1<f64>>) -> Vec<Array1<f64>> {
    let mut found: Vec<Array1<f64>> = Vec::new();
    for mut candidate in candidates.into_iter().filter_map(unit) {
        for other in &found {
            candidate = &candidate - &(other * other.dot(&candidate));
        }
        // What is left of a direction that depends on the others is rounding.
        if length(&candidate) > 1e-5 {
            found.extend(unit(candidate));
        }
        if found.len() == 2 {
            break;
        }
    }
    found
}

/// The loss about the present weights, the way, the last step and that of gradient flow.
pub(crate) fn surface(reply: &mut Reply, run: &Run, region: Region) -> Result<(), Error> {
    let state = &run.state;
    let here = weights(&state.network);
    let points = state.plan.data.whole_train.len();
    if points == 0 || !here.iter().all(|weight| weight.is_finite()) {
        return Err(Error::Mismatch("there is no loss to look at".into()));
    }
    let mut landscape = Landscape::new(state);

    // The step that led here, and the flow from where it began.
    let before = (state.step > 0).then(|| {
        let mut before = run.clone();
        before.seek(state.step - 1);
        weights(&before.state.network)
    });
    let flow = match &before {
        Some(before) => landscape.flow(before.clone(), length(&(&here - before)))?,
        None => Vec::new(),
    };

    let moments = run.moments();
    let passed = moments.partition_point(|moment| moment.state.step <= state.step);
    let mut way: Vec<Array1<f64>> =
        moments.iter().map(|moment| weights(&moment.state.network)).collect();
    way.insert(passed, here.clone());

    let mut candidates = Vec::new();
    match region {
        Region::Way => {
            let every = way.len().div_ceil(MOST_STATES);
            let chosen: Vec<_> = way.iter().step_by(every).map(|at| at - &here).collect();
            let rows = Array2::from_shape_fn((chosen.len(), here.len()), |(row, column)| {
                chosen[row][column]
            });
            candidates
                .extend(leading_directions(&rows).columns().into_iter().map(|c| c.to_owned()));
        }
        Region::Step => {
            candidates.extend(before.iter().map(|before| &here - before));
            candidates.extend(before.iter().zip(flow.last()).map(|(before, end)| end - before));
        }
    }
    candidates.push(landscape.gradient(&here)?);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    candidates.extend((0..2).map(|_| here.mapv(|_| rng.random_range(-1.0..1.0))));
    let directions = plane(candidates);

    let coordinates = |at: &Array1<f64>| {
        let offset = at - &here;
        [offset.dot(&directions[0]), offset.dot(&directions[1])]
    };
    let way_on: Vec<[f64; 2]> = way.iter().map(&coordinates).collect();
    let flow_on: Vec<[f64; 2]> = flow.iter().map(&coordinates).collect();
    let step_on: Vec<[f64; 2]> = before.iter().chain([&here]).map(&coordinates).collect();
    let (shown, least) = match region {
        Region::Way => ([way_on.as_slice(), &[]], 0.05),
        Region::Step => ([step_on.as_slice(), &flow_on], 1e-4),
    };
    let extent = square(&shown.concat(), least * length(&here).max(1e-3));

    let work = points * here.len();
    let cells = (MOST_WORK / work.max(1)).isqrt().clamp(CELLS[0], CELLS[1]);
    let mut losses = Vec::with_capacity(cells * cells);
    let along = |from: f64, to: f64, at: usize| from + (to - from) * at as f64 / (cells - 1) as f64;
    for row in 0..cells {
        for column in 0..cells {
            let x = along(extent[0], extent[1], column);
            let y = along(extent[3], extent[2], row);
            let at = &here + &(&directions[0] * x) + &(&directions[1] * y);
            losses.push(landscape.loss(&at) as f32);
        }
    }
    reply.set("cells", cells);
    reply.set("extent", extent.map(number).to_vec());
    reply.set("passed", passed);
    if region == Region::Way {
        // How much of the way the plane shows.
        let sum = |squares: &mut dyn Iterator<Item = f64>| squares.sum::<f64>();
        let shown = sum(&mut way_on.iter().map(|[x, y]| x * x + y * y));
        let whole = sum(&mut way.iter().map(|at| length(&(at - &here)).powi(2)));
        reply.set("share", number(if whole > 0.0 { shown / whole } else { 1.0 }));
    }
    reply.put_floats("surface", losses);
    for (name, points) in [("way", way_on), ("taken", step_on), ("flow", flow_on)] {
        reply.put_floats(name, points.into_iter().flatten().map(|x| x as f32));
    }
    Ok(())
}

/// A square about some points, with a margin, at least as large as given: left, right, bottom, top.
fn square(points: &[[f64; 2]], least: f64) -> [f64; 4] {
    let ends = [0, 1].map(|axis| {
        let along = points.iter().map(|point| point[axis]);
        along.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)])
    });
    let half = ends.iter().fold(least, |half, [low, high]| half.max(0.62 * (high - low)));
    let [x, y] = ends.map(|[low, high]| f64::midpoint(low, high));
    [x - half, x + half, y - half, y + half]
}
