//! How a process watches over the start and the end of MPI: while it does not run, nothing else could
//! say that another process never came.
//!
//! MPI starts and ends on no process before all have come to it, and what waits there can neither send
//! nor be interrupted. So each process has a thread that answers to its name on a socket of the machine.
//! Who has waited for MPI too long calls the others of the machine by their names, and knows who is
//! stopped, or was never there.

use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use crate::error::ranks_of;

/// How much longer than elsewhere a process waits for those of other machines: MPI may have to reach
/// many.
const FARTHER: Duration = Duration::from_secs(30);

/// How long a process lets those of lower rank say first why the run ends.
const TURN: Duration = Duration::from_secs(3);

/// Ends this process, and by that all, unless what is returned is dropped in time: once another
/// process of this machine has not answered for `timeout`, or one of another machine for [`FARTHER`]
/// longer. `stage` is what waits for them: the start or the end of MPI.
pub(crate) fn guard(stage: &'static str, timeout: Duration) -> Sender<()> {
    let (passed, is_passed) = channel();
    let neighbours = Neighbours::known();
    if let Some(neighbours) = &neighbours {
        neighbours.answer();
    }
    thread::spawn(move || watch(stage, timeout, &is_passed, neighbours));
    passed
}

fn watch(stage: &str, timeout: Duration, is_passed: &Receiver<()>, neighbours: Option<Neighbours>) {
    let is_late = |time| is_passed.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !is_late(timeout) {
        return;
    }
    if let Some(neighbours) = neighbours {
        let missing = neighbours.missing();
        if let Some(speaker) = (0..neighbours.count).find(|rank| !missing.contains(rank))
            && !missing.is_empty()
            && is_passed.try_recv() == Err(TryRecvError::Empty)
        {
            if speaker != neighbours.own {
                thread::sleep(TURN);
            }
            let have = if missing.len() == 1 { "has" } else { "have" };
            let place = if neighbours.are_all { "" } else { " of those on this machine" };
            eprintln!(
                "error: {}{place} {have} not answered for {} s in the {stage} of MPI",
                ranks_of(&missing),
                timeout.as_secs_f64()
            );
            process::exit(1);
        }
    }
    if is_late(FARTHER) {
        let seconds = (timeout + FARTHER).as_secs_f64();
        eprintln!("error: the {stage} of MPI waits for other processes after {seconds} s");
        process::exit(1);
    }
}

/// The processes of this machine.
struct Neighbours {
    /// The name of the run.
    run: String,
    /// The number of this process among them.
    own: usize,
    count: usize,
    /// Whether there are no other machines, so that a number among them is a rank.
    are_all: bool,
}

impl Neighbours {
    /// As `mpirun` of Open MPI tells its processes; `None` if another has started them, or none.
    fn known() -> Option<Self> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
        let count = number("OMPI_COMM_WORLD_LOCAL_SIZE")?;
        Some(Self {
            run: std::env::var("PMIX_NAMESPACE").ok()?,
            own: number("OMPI_COMM_WORLD_LOCAL_RANK")?,
            count,
            are_all: count == number("OMPI_COMM_WORLD_SIZE")?,
        })
    }
}

#[cfg(target_os = "linux")]
mod socket {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::Neighbours;

    /// How long answers are awaited, and how often is called.
    const ANSWERS: Duration = Duration::from_secs(2);
    const CALL: Duration = Duration::from_millis(50);

    impl Neighbours {
        /// A name on this machine, which is no file.
        fn address(&self, who: &str) -> Option<SocketAddr> {
            SocketAddr::from_abstract_name(format!("downhill {} {who}", self.run)).ok()
        }

        fn socket(&self, who: &str) -> Option<UnixDatagram> {
            UnixDatagram::bind_addr(&self.address(who)?).ok()
        }

        /// Answers, as long as this process runs, to whoever calls its number, if it does not yet.
        pub(super) fn answer(&self) {
            let Some(socket) = self.socket(&self.own.to_string()) else { return };
            // A caller that is stopped, its queue full, keeps no other waiting.
            let _ = socket.set_write_timeout(Some(CALL));
            let own = self.own as u64;
            thread::spawn(move || {
                while let Ok((_, caller)) = socket.recv_from(&mut [0; 8]) {
                    // A caller that has gone needs no answer.
                    let _ = socket.send_to_addr(&own.to_le_bytes(), &caller);
                }
            });
        }

        /// The numbers of those that do not answer.
        pub(super) fn missing(&self) -> Vec<usize> {
            let mut missing: Vec<usize> = (0..self.count).filter(|&it| it != self.own).collect();
            let Some(socket) = self.socket(&format!("{} calls", self.own)) else {
                return Vec::new();
            };
            if socket.set_nonblocking(true).is_err() {
                return Vec::new();
            }
            let called = Instant::now();
            while !missing.is_empty() && called.elapsed() < ANSWERS {
                for number in &missing {
                    if let Some(address) = self.address(&number.to_string()) {
                        // Nobody there, or a full queue: an answer would tell.
                        let _ = socket.send_to_addr(&[0; 8], &address);
                    }
                }
                thread::sleep(CALL);
                let mut answer = [0; 8];
                while let Ok(8) = socket.recv(&mut answer) {
                    missing.retain(|&number| number as u64 != u64::from_le_bytes(answer));
                }
            }
            missing
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Neighbours {
    fn answer(&self) {}

    /// Nobody is known to be missing.
    fn missing(&self) -> Vec<usize> {
        Vec::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_missing() {
        let neighbour = |own| Neighbours {
            run: format!("test {}", process::id()),
            own,
            count: 4,
            are_all: true,
        };
        neighbour(0).answer();
        neighbour(2).answer();
        assert_eq!(neighbour(0).missing(), [1, 3]);
        neighbour(1).answer();
        neighbour(3).answer();
        assert_eq!(neighbour(2).missing(), [0; 0]);
    }
}
