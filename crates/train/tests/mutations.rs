//! Ten thousand damaged files of models, and some hundred damaged directories of checkpoints: none
//! takes memory beyond a bound, changes the model and then fails, or gives it a value that is no
//! number.
//!
//! ```text
//! DOWNHILL_MUTATIONS=10000 cargo test --release -p downhill-train --test mutations -- --nocapture
//! ```
//!
//! damages as many directories as the variable says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use downhill_nn::{BatchNorm, Embedding, Linear, Module};
use downhill_optim::{Adam, Optimizer};
use downhill_tensor::{Parameters, Tensor, parameters};
use downhill_train::{Checkpoint, Error, Position, State, load, save};
use peak_alloc::PeakAlloc;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Errors, names and buffers.
const SLACK: usize = 1 << 16;

/// Memory is counted of the whole program, so that one thing is tried at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Model {
    table: Embedding,
    norm: BatchNorm,
    head: Linear,
}
parameters!(Model { table, norm, head });

fn model() -> Model {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    Model {
        table: Embedding::new(400, 30, &mut rng),
        norm: BatchNorm::new(30),
        head: Linear::new(30, 200, &mut rng),
    }
}

fn values(model: &Model) -> Vec<Vec<f32>> {
    model.named().iter().map(|(_, tensor)| tensor.to_vec()).collect()
}

/// The state dict of the model's twin in PyTorch, without a checksum, in numbers of all kinds.
fn pytorch(path: &Path) {
    let ones = |count: usize, one: &[u8]| one.repeat(count);
    let (half, single, double) = ([0, 0x3c], 1_f32.to_le_bytes(), 1_f64.to_le_bytes());
    let entries = [
        ("table.weight", Dtype::F16, vec![400, 30], ones(12_000, &half)),
        ("norm.weight", Dtype::BF16, vec![30], ones(30, &[0x80, 0x3f])),
        ("norm.bias", Dtype::F32, vec![30], ones(30, &single)),
        ("norm.running_mean", Dtype::F64, vec![30], ones(30, &double)),
        ("norm.running_var", Dtype::F32, vec![30], ones(30, &single)),
        ("norm.num_batches_tracked", Dtype::I64, vec![], vec![7, 0, 0, 0, 0, 0, 0, 0]),
        ("head.weight", Dtype::F32, vec![200, 30], ones(6000, &single)),
        ("head.bias", Dtype::F32, vec![200], ones(200, &single)),
    ];
    let views = entries.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn damaged_files_are_refused_or_read_but_never_believed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    pytorch(&path);
    let theirs = fs::read(&path).unwrap();
    save(&model(), &path).unwrap();
    let ours = fs::read(&path).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut read, mut refused) = (0, 0);
    for round in 0..10_000 {
        // Files with a checksum are all refused.
        let mut bytes = if round % 10 == 0 { ours.clone() } else { theirs.clone() };
        for _ in 0..rng.random_range(1..6) {
            // Mostly in the header, which is the smaller part of a file.
            let end = if rng.random_range(0..4) == 0 { bytes.len() } else { 1000 };
            bytes[rng.random_range(0..end)] = rng.random();
        }
        if rng.random_range(0..10) == 0 {
            bytes.truncate(rng.random_range(0..bytes.len()));
        }
        fs::write(&path, &bytes).unwrap();
        let mut model = model();
        let before = values(&model);

        let used = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outcome = load(&mut model, &path);
        let most = MEMORY.peak_usage() - used;
        assert!(most <= 3 * bytes.len() + SLACK, "{most} bytes for a file of {}", bytes.len());
        match outcome {
            Ok(()) => {
                read += 1;
                let may_be = |tensor: &Tensor, value: f32| {
                    value.is_finite() || !tensor.is_parameter() && !value.is_nan()
                };
                let all = model.named();
                assert!(all.iter().all(|(_, tensor)| {
                    tensor.to_vec().iter().all(|&value| may_be(tensor, value))
                }));
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("a.safetensors"), "{error}");
                assert_eq!(values(&model), before);
            }
        }
    }
    assert!(read > 100 && refused > 5000, "{read} were read, {refused} refused");
}

/// What a run goes on with.
struct Run {
    model: Model,
    optimizer: Adam,
    rng: Xoshiro256PlusPlus,
    position: Position<Xoshiro256PlusPlus>,
    losses: Vec<f64>,
}

impl Run {
    fn new() -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let (position, losses) = (Position::new(), Vec::new());
        Self { model: model(), optimizer: Adam::new(0.01), rng, position, losses }
    }

    fn step(&mut self) {
        let rows = [self.rng.random_range(0..400), self.rng.random_range(0..400)];
        let x = self.model.norm.forward_training(&self.model.table.forward(&rows), &mut self.rng);
        let loss = self.model.head.forward(&x).square().mean();
        self.optimizer.step(&mut self.model, &loss.backward()).unwrap();
        self.losses.push(loss.item().into());
        self.position.next_batch();
    }

    fn state(&mut self) -> State<'_> {
        let Self { model, optimizer, rng, position, losses } = self;
        State::new("model", model)
            .memory("optimizer", optimizer)
            .value("rng", rng)
            .value("position", position)
            .value("losses", losses)
    }

    fn bytes(&mut self) -> Vec<u8> {
        self.state().to_bytes().unwrap()
    }
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path).unwrap().option("seed", 1)
}

fn file(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("checkpoint-{number:08}.safetensors"))
}

/// The same file with damage of some kind.
fn damaged(whole: &[u8], others: &[Vec<u8>], rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    match rng.random_range(0..7) {
        // A bit, anywhere or in the header.
        0 => bytes[rng.random_range(0..whole.len())] ^= 1 << rng.random_range(0..8),
        1 => bytes[rng.random_range(0..header)] ^= 1 << rng.random_range(0..8),
        2 => (0..rng.random_range(1..9)).for_each(|_| {
            bytes[rng.random_range(0..header)] = rng.random();
        }),
        3 => bytes.truncate(rng.random_range(0..whole.len())),
        // A length that promises too much: the header's, or one that is told in it.
        4 => bytes[rng.random_range(0..8)] = rng.random_range(1..=255),
        5 => {
            let digits: Vec<usize> = (8..header).filter(|&at| bytes[at].is_ascii_digit()).collect();
            let at = digits[rng.random_range(0..digits.len())];
            bytes.splice(at..at, *b"9999999");
            let length = (header - 8 + 7) as u64;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        // Something else: the file of a model, of another program, text, noise, nothing.
        _ => bytes.clone_from(&others[rng.random_range(0..others.len())]),
    }
    bytes
}

#[test]
fn damaged_directories_are_resumed_from_what_is_whole() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let rounds = std::env::var("DOWNHILL_MUTATIONS").map_or(300, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("run");

    let mut run = Run::new();
    let mut checkpoint = open(&directory);
    let mut states = BTreeMap::new();
    for number in 1..=3 {
        run.step();
        states.insert(number, run.bytes());
        checkpoint.save(run.state()).unwrap();
        checkpoint.finish().unwrap();
    }
    drop(checkpoint);
    let whole: Vec<Vec<u8>> =
        (1..=3).map(|number| fs::read(file(&directory, number)).unwrap()).collect();

    let other = folder.path().join("other.safetensors");
    let mut others = vec![Vec::new(), b"epoch,loss\n1,0.5\n".to_vec(), vec![0xff; 4096]];
    pytorch(&other);
    others.push(fs::read(&other).unwrap());
    // The checkpoint as another program writes it again, with what it does not know left out.
    let read = safetensors::SafeTensors::deserialize(&whole[2]).unwrap();
    others.push(safetensors::serialize(read.tensors(), None).unwrap());

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let (mut resumed, mut refused) = (0, 0);
    for round in 0..rounds {
        // Most often the newest alone, and all of them every fourth time.
        let first_hit = match round % 4 {
            0 => 1,
            1 => 2,
            _ => 3,
        };
        let mut newest_whole = None;
        for number in 1..=3 {
            let whole = &whole[number as usize - 1];
            let bytes = match number < first_hit {
                true => whole.clone(),
                false => damaged(whole, &others, &mut rng),
            };
            // A byte may have been replaced by the same.
            if bytes == *whole {
                newest_whole = Some(number);
            }
            fs::write(file(&directory, number), bytes).unwrap();
        }
        // Whatever else lies there.
        let garbage = ["checkpoint-18446744073709551615.safetensors", "checkpoint-4.safetensors"];
        garbage.iter().for_each(|name| fs::write(directory.join(name), "?").unwrap());
        if round % 8 == 2 {
            fs::create_dir(file(&directory, 4)).unwrap();
        }

        let mut run = Run::new();
        run.step();
        let before = run.bytes();
        let used = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outcome = open(&directory).restore(run.state());
        let most = MEMORY.peak_usage() - used;
        assert!(most <= 3 * whole[2].len() + SLACK, "round {round}: {most} bytes");
        match outcome {
            Ok(Some(from)) => {
                // The newest that is whole, exactly; the others are told of.
                let expected = newest_whole.expect("nothing is whole");
                assert_eq!(from.path, file(&directory, expected), "round {round}");
                assert_eq!(run.bytes(), states[&expected], "round {round}");
                let newer = 3 - expected as usize + usize::from(round % 8 == 2);
                assert_eq!(from.passed_over.len(), newer, "round {round}: {from}");
                assert_eq!(from.to_string().lines().count(), newer + 1, "round {round}: {from}");
                resumed += 1;
            }
            Ok(None) => panic!("round {round}: there are checkpoints"),
            Err(error) => {
                // A bit of the version's number may say that a later program wrote the file.
                let is_newer = matches!(error, Error::FormatVersion { .. });
                assert!(newest_whole.is_none() || is_newer, "round {round}: {error}");
                let text = error.to_string();
                assert!(text.contains("checkpoint-0000000"), "round {round}: {text}");
                assert!(!text.contains('\n') && text.len() < 1000, "round {round}: {text}");
                assert!(run.bytes() == before, "round {round}: the run has changed");
                refused += 1;
            }
        }
        if round % 8 == 2 {
            fs::remove_dir(file(&directory, 4)).unwrap();
        }
    }
    println!("{rounds} directories: {resumed} resumed, {refused} refused");
    assert!(resumed > rounds / 2 && refused > rounds / 5, "{resumed} resumed, {refused} refused");
}
