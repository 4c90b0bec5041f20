//! Ten thousand damaged files of models: none takes memory beyond a bound, changes the model and then
//! fails, or gives it a value that is no number.

use std::fs;
use std::path::Path;

use downhill_nn::{BatchNorm, Embedding, Linear};
use downhill_tensor::{Parameters, parameters};
use downhill_train::{load, save};
use peak_alloc::PeakAlloc;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Errors, names and buffers.
const SLACK: usize = 1 << 16;

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
                assert!(values(&model).iter().flatten().all(|value| value.is_finite()));
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
