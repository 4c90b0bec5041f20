//! Processes that are killed or stopped at random moments: the run ends within seconds with a
//! message that names the rank, and its last checkpoint resumes it, on another number of processes,
//! to the same bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a run may go on, on a machine that is busy, once a process has been killed, and once one
/// has been stopped. The latter is missed after 3 seconds, and its absence told after 5 more.
const KILLED: Duration = Duration::from_secs(20);
const STOPPED: Duration = Duration::from_secs(30);

const ROUNDS: u64 = 20;

fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    profile.join("examples/digits_mpi")
}

/// The digits on a number of processes, with checkpoints in `folder`, until `model` is written.
fn digits(ranks: usize, folder: Option<&Path>, model: &Path) -> Child {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--bind-to", "none", "-n", &ranks.to_string()]);
    command.arg(program());
    command.args(["--epochs", "12", "--hidden", "32", "--batch-norm", "--dropout", "0.1"]);
    command.args(["--batch-size", "48", "--parts", "4", "--quiet", "--save"]).arg(model);
    if let Some(folder) = folder {
        command.arg("--resume").arg("--checkpoint").arg(folder);
    }
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.env("DOWNHILL_TIMEOUT", "3");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mpirun starts")
}

/// The output of a run that ends within `time`.
#[track_caller]
fn ended(mut child: Child, time: Duration) -> Output {
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if started.elapsed() > time {
            let _ = child.kill();
            panic!("a run hangs: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("its output")
}

/// The processes that `mpirun` has started, by rank, once there are all.
fn ranks_of(mpirun: u32, ranks: usize) -> Vec<u32> {
    let started = Instant::now();
    loop {
        let mut found: Vec<(usize, u32)> = children(mpirun)
            .into_iter()
            .filter_map(|child| {
                let environment = fs::read(format!("/proc/{child}/environ")).ok()?;
                let name = b"OMPI_COMM_WORLD_RANK=";
                let value =
                    environment.split(|&byte| byte == 0).find_map(|it| it.strip_prefix(name))?;
                Some((std::str::from_utf8(value).ok()?.parse().ok()?, child))
            })
            .collect();
        if found.len() == ranks {
            found.sort_unstable();
            return found.into_iter().map(|(_, child)| child).collect();
        }
        assert!(started.elapsed() < KILLED, "mpirun has started {} processes", found.len());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn children(parent: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn exists(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

fn kill(signal: &str, process: u32) -> io::Result<ExitStatus> {
    Command::new("kill").args([signal, &process.to_string()]).stderr(Stdio::null()).status()
}

fn signal(name: &str, process: u32) {
    let sent = kill(name, process);
    assert!(sent.is_ok_and(|status| status.success()), "kill {name} {process}");
}

/// Stops runs by `name`, each at another moment and rank, and goes on with what it left, on another
/// number of processes.
fn survive(name: &str, within: Duration, told: impl Fn(&str, usize) -> bool) {
    let place = std::env::temp_dir().join(format!("downhill{name}-{}", std::process::id()));
    fs::create_dir_all(&place).expect("a folder for temporary files");
    let reference = place.join("reference");
    let started = Instant::now();
    let output = ended(digits(1, None, &reference), Duration::from_secs(300));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let whole = started.elapsed();
    let reference = fs::read(reference).expect("a model");

    let (mut stopped, mut resumed) = (0, 0);
    for run in 0.. {
        if stopped == ROUNDS {
            break;
        }
        let (folder, model) =
            (place.join(format!("run-{run}")), place.join(format!("model-{run}")));
        // Each run is stopped five times at most.
        let mut round = 5 * run;
        loop {
            let ranks = [2, 4, 3, 4, 2, 3][round as usize % 6];
            let mut child = digits(ranks, Some(&folder), &model);
            if stopped < ROUNDS && round < 5 * run + 5 {
                let processes = ranks_of(child.id(), ranks);
                let victim = (round as usize * 7 + 3) % ranks;
                let share = (round * 37 % 100) as u32;
                std::thread::sleep(Duration::from_millis(300) + whole * share / 150);
                if processes.iter().all(|&it| exists(it)) {
                    let begun = Instant::now();
                    signal(name, processes[victim]);
                    // One that is stopped after the end of MPI keeps only `mpirun` waiting.
                    while child.try_wait().expect("a child").is_none() && begun.elapsed() < within {
                        let mut others = processes.iter().filter(|&&it| it != processes[victim]);
                        if others.all(|&it| !exists(it)) {
                            let _ = kill("-CONT", processes[victim]);
                            break;
                        }
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    let output = ended(child, within);
                    stopped += 1;
                    round += 1;
                    let text = String::from_utf8_lossy(&output.stderr);
                    if output.status.success() {
                        // It had come to its end before.
                        break;
                    }
                    assert!(told(&text, victim), "rank {victim} of {ranks}: {text}");
                    println!("rank {victim} of {ranks}: {:.1} s", begun.elapsed().as_secs_f64());
                    continue;
                }
            }
            resumed += 1;
            let output = ended(child, Duration::from_secs(300));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            break;
        }
        let same = fs::read(&model).expect("a model") == reference;
        assert!(same, "the run that was stopped from round {run} on has other weights");
    }
    println!("{name}: {stopped} times, {resumed} runs came to their end");
    fs::remove_dir_all(place).expect("the folder is ours");
}

#[test]
fn runs_survive_that_their_processes_are_killed() {
    survive("-KILL", KILLED, |text, rank| {
        text.contains(&format!("process rank {rank} with PID")) && text.contains("signal 9")
    });
}

#[test]
fn runs_survive_that_their_processes_hang() {
    survive("-STOP", STOPPED, |text, rank| {
        let lines = text.lines().filter(|line| line.starts_with("error: ")).count();
        lines >= 1 && text.contains(&format!("error: rank {rank} has not answered for 3 s"))
    });
}
