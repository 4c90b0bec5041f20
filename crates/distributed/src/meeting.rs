//! How the parts of a batch meet where a layer asks for a sum over the whole batch.
//!
//! A process with one part computes it and, at such a place, adds with the other processes. One
//! with several parts computes each in a thread of its own, one after the other: when a part asks
//! for a sum it is stopped and the next goes on, and when the last has asked, all go on with the
//! sum.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use downhill_nn::Peers;

use crate::cut::{self, Node, cut};
use crate::error::Error;
use crate::exchange::add;
use crate::group::Group;

impl Group {
    /// The sum over all parts of a batch of `len` items; of each of this process' parts that has
    /// items, its number and its values.
    fn sum_of_parts(&self, len: usize, mine: &[(usize, Vec<f64>)]) -> Vec<f64> {
        const WHAT: &str = "a sum over the parts of a batch";
        let mut width = mine.first().map_or(0, |(_, values)| values.len());
        if len < self.parts {
            // There are processes without items, who do not know how much there is to add.
            let widths = self.gather(WHAT, &[width as u64]);
            width = widths.into_iter().max().unwrap_or(0) as usize;
        }
        let mut slots = vec![0.0; self.most_parts() * width];
        for (part, values) in mine {
            let slot = part - self.parts_of(self.rank()).start;
            slots[slot * width..][..values.len()].copy_from_slice(values);
        }
        let all = self.gather(WHAT, &slots);
        self.sum_slots(len, width, &all)
    }

    /// The sum of what processes have gathered: of each as many slots of `width` values as the
    /// process with the most parts has parts.
    pub(crate) fn sum_slots(&self, len: usize, width: usize, all: &[f64]) -> Vec<f64> {
        let most = self.most_parts();
        let mut known = |node: &Node| {
            if node.len() > 1 {
                return None;
            }
            let part = node.start;
            if cut(len, self.parts, part).is_empty() {
                return Some(None);
            }
            let rank = (0..self.ranks()).find(|&rank| self.parts_of(rank).contains(&part))?;
            let slot = rank * most + part - self.parts_of(rank).start;
            Some(Some(Cow::Borrowed(&all[slot * width..][..width])))
        };
        cut::sum(0..self.parts, &mut known, &add).map_or_else(|| vec![0.0; width], Cow::into_owned)
    }

    /// Takes part in the sums of the others as long as there are some, as a process without items.
    pub(crate) fn attend(&self, len: usize) {
        while !self.sum_of_parts(len, &[]).is_empty() {}
    }

    /// Says to processes without items that there are no more sums.
    fn leave(&self, len: usize) {
        if len < self.parts {
            self.sum_of_parts(len, &[]);
        }
    }

    /// What `compute` makes of the only part of this process.
    pub(crate) fn alone<R>(
        &self,
        len: usize,
        part: usize,
        compute: impl FnOnce(Box<dyn Peers>) -> R,
    ) -> R {
        let result = compute(Box::new(Alone { group: self.clone(), len, part }));
        self.leave(len);
        result
    }

    /// The results of `compute`, one for each part. The parts wait for one another at their sums.
    pub(crate) fn together<I: Send, R: Send, X: Send>(
        &self,
        len: usize,
        parts: Vec<(usize, I)>,
        compute: impl Fn(usize, I, Box<dyn Peers>) -> Result<R, X> + Sync,
    ) -> Result<Vec<R>, Together<X>> {
        let compute = &compute;
        let outcomes = thread::scope(|scope| {
            let mut seats = Vec::new();
            for (part, input) in parts {
                let (resume, resumed) = channel();
                let (say, said) = channel();
                let run = move || {
                    // The first message is only the sign to begin.
                    resumed.recv().ok()?;
                    let seat = Seat { say: say.clone(), resumed };
                    let compute = || compute(part, input, Box::new(seat));
                    let outcome = catch_unwind(AssertUnwindSafe(compute));
                    let _ = say.send(None);
                    Some(outcome)
                };
                seats.push((part, resume, said, scope.spawn(run)));
            }
            let mut message = Vec::new();
            loop {
                let mut sums = Vec::new();
                for (part, resume, said, _) in &seats {
                    let _ = resume.send(message.clone());
                    if let Ok(Some(values)) = said.recv() {
                        sums.push((*part, values));
                    }
                }
                if sums.len() < seats.len() {
                    break;
                }
                message = self.sum_of_parts(len, &sums);
            }
            let threads: Vec<_> = seats.into_iter().map(|(_, _, _, thread)| thread).collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        let (mut results, mut were_released) = (Vec::new(), false);
        for outcome in outcomes {
            match outcome {
                Ok(Some(Ok(Ok(result)))) => results.push(result),
                Ok(Some(Ok(Err(error)))) => return Err(Together::Part(error)),
                Ok(Some(Err(panic))) if panic.is::<Released>() => were_released = true,
                Ok(Some(Err(panic))) | Err(panic) => resume_unwind(panic),
                Ok(None) => were_released = true,
            }
        }
        if were_released {
            return Err(Together::Unlike);
        }
        self.leave(len);
        Ok(results)
    }
}

/// Why parts did not come to their end together.
pub(crate) enum Together<X> {
    Part(X),
    Unlike,
}

impl<X: Into<Box<dyn std::error::Error + Send + Sync>>> From<Together<X>> for Error {
    fn from(together: Together<X>) -> Self {
        match together {
            Together::Part(error) => Self::Part(error.into()),
            Together::Unlike => Self::Unlike,
        }
    }
}

/// The only part of a process.
struct Alone {
    group: Group,
    len: usize,
    part: usize,
}

impl Peers for Alone {
    fn sum(&self, values: Vec<f64>) -> Vec<f64> {
        self.group.sum_of_parts(self.len, &[(self.part, values)])
    }
}

/// A part among others of its process.
struct Seat {
    say: Sender<Option<Vec<f64>>>,
    resumed: Receiver<Vec<f64>>,
}

/// What a part ends with when the others cannot go on.
struct Released;

impl Peers for Seat {
    fn sum(&self, values: Vec<f64>) -> Vec<f64> {
        let _ = self.say.send(Some(values));
        self.resumed.recv().unwrap_or_else(|_| resume_unwind(Box::new(Released)))
    }
}

/// A part of a model that has nothing to normalise by the whole batch.
pub(crate) struct Nobody;

impl Peers for Nobody {
    fn sum(&self, _values: Vec<f64>) -> Vec<f64> {
        panic!(
            "a layer asks for a sum over the batch, but the model names no running averages; are \
             all of its fields named in `parameters!`?"
        );
    }
}
