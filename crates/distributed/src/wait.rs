//! How a process waits for others: never without end, and it can say for whom.

use std::time::{Duration, Instant};

use mpi::Rank;
use mpi::collective::{CommunicatorCollectives, Root};
use mpi::datatype::Equivalence;
use mpi::point_to_point::{Destination, Source};
use mpi::request::{Request, Scope, scope};
use mpi::topology::Communicator;

use crate::group::Group;
use crate::run::{Speaker, fail};

/// The tag of the messages of a roll call.
const ROLL_CALL: mpi::Tag = 77;

/// How long answers to a roll call are awaited, once this process has called.
const ANSWERS: Duration = Duration::from_secs(5);

/// How often a process asks MPI before it looks at the clock.
const ASKED: u32 = 256;

/// The most values in one message, whose length MPI counts in 32 bits.
const MESSAGE: usize = 1 << 30;

impl Group {
    /// Waits until a request is done. `what` says in the error what was waited for.
    pub(crate) fn wait<'a, D, S>(&self, what: &str, request: Request<'a, D, S>)
    where
        D: ?Sized,
        S: Scope<'a>,
    {
        self.wait_for(what, request, self.timeout);
    }

    /// [`wait`](Self::wait) with another timeout.
    pub(crate) fn wait_for<'a, D, S>(
        &self,
        what: &str,
        mut request: Request<'a, D, S>,
        timeout: Duration,
    ) where
        D: ?Sized,
        S: Scope<'a>,
    {
        let (mut asked, mut started) = (0_u32, None);
        let is_crowded = self.is_crowded();
        loop {
            match request.test() {
                Ok(_) => return,
                Err(unfinished) => request = unfinished,
            }
            asked += 1;
            if is_crowded {
                std::thread::yield_now();
            }
            if asked.is_multiple_of(ASKED) {
                let started: Instant = *started.get_or_insert_with(Instant::now);
                if started.elapsed() > timeout {
                    self.call_the_roll(what, timeout);
                }
                if started.elapsed() > Duration::from_secs(1) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }

    /// Ends the run after a wait that took too long, and says who is to blame: all that are still
    /// waiting call out, and the lowest of them tells who did not.
    fn call_the_roll(&self, what: &str, timeout: Duration) -> ! {
        let world = Self::world();
        let mut whereabouts = vec![None; self.ranks()];
        whereabouts[self.rank()] = Some(what.to_owned());
        let others = (0..self.ranks()).filter(|&rank| rank != self.rank());
        let call = what.as_bytes();
        scope(|scope| {
            for rank in others {
                let process = world.process_at_rank(rank as Rank);
                // Never completed: the process ends here.
                std::mem::forget(process.immediate_send_with_tag(scope, call, ROLL_CALL));
            }
            let called = Instant::now();
            while called.elapsed() < ANSWERS {
                let any = world.any_process();
                match any.immediate_probe_with_tag(ROLL_CALL) {
                    Some(status) => {
                        let from = world.process_at_rank(status.source_rank());
                        let (text, _) = from.receive_vec_with_tag::<u8>(ROLL_CALL);
                        let text = String::from_utf8_lossy(&text).into_owned();
                        whereabouts[status.source_rank() as usize] = Some(text);
                    }
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
            }
            let missing: Vec<String> = (0..self.ranks())
                .filter(|&rank| whereabouts[rank].is_none())
                .map(|rank| rank.to_string())
                .collect();
            let first = whereabouts.iter().position(Option::is_some);
            let seconds = timeout.as_secs_f64();
            let message = match &missing[..] {
                [] => {
                    let places: Vec<String> = whereabouts
                        .iter()
                        .flatten()
                        .enumerate()
                        .map(|(rank, place)| format!("rank {rank} in {place}"))
                        .collect();
                    format!("all wait for one another for {seconds} s: {}", places.join(", "))
                }
                [one] => format!("rank {one} has not answered for {seconds} s in {what}"),
                several => {
                    let ranks = several.join(", ");
                    format!("ranks {ranks} have not answered for {seconds} s in {what}")
                }
            };
            let speaker = if first == Some(self.rank()) { Speaker::First } else { Speaker::Deputy };
            fail(speaker, &message, 1)
        })
    }

    /// Waits until all processes have come here.
    pub(crate) fn meet(&self, what: &str) {
        self.wait(what, Self::world().immediate_barrier());
    }

    /// What every process gives, in the order of their ranks; all give equally many values.
    pub(crate) fn gather<T>(&self, what: &str, mine: &[T]) -> Vec<T>
    where
        T: Equivalence + Clone + Default,
    {
        if self.ranks() == 1 {
            return mine.to_vec();
        }
        let mut all = vec![T::default(); mine.len() * self.ranks()];
        let world = Self::world();
        scope(|scope| {
            self.wait(what, world.immediate_all_gather_into(scope, mine, &mut all[..]));
        });
        all
    }

    /// Replaces the bytes by those of the process of rank `root`.
    pub(crate) fn broadcast(&self, what: &str, root: usize, bytes: &mut Vec<u8>) {
        if self.ranks() == 1 {
            return;
        }
        let world = Self::world();
        let process = world.process_at_rank(root as Rank);
        let mut length = [bytes.len() as u64];
        scope(|scope| {
            self.wait(what, process.immediate_broadcast_into(scope, &mut length[..]));
        });
        bytes.resize(length[0] as usize, 0);
        for message in bytes.chunks_mut(MESSAGE) {
            scope(|scope| {
                self.wait(what, process.immediate_broadcast_into(scope, message));
            });
        }
    }
}
