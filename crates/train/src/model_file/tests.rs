use std::fs;
use std::path::PathBuf;

use downhill_nn::{BatchNorm, Embedding, Linear, Module, Sequential};
use downhill_tensor::{Tensor, parameters};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use super::*;

/// A model with an embedding, a linear map without transposition to hide behind, and buffers.
struct Model<E: Element> {
    table: Embedding<E>,
    norm: BatchNorm<E>,
    head: Linear<E>,
}
parameters!(Model<E> { table, norm, head });

fn model<E: Element>(seed: u64) -> Model<E> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut norm = BatchNorm::new(3);
    let noise = (0..15).map(|_| E::from_f64(rng.random::<f64>())).collect();
    norm.forward_training(&Tensor::from_shape_vec(&[5, 3], noise).unwrap(), &mut rng);
    Model { table: Embedding::new(4, 3, &mut rng), norm, head: Linear::new(3, 2, &mut rng) }
}

fn values<E: Element>(model: &impl Parameters<E>) -> Vec<(String, Vec<E>)> {
    model.named().into_iter().map(|(name, tensor)| (name, tensor.to_vec())).collect()
}

fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

/// The error of loading these bytes, without the path; the model must be as before.
fn refused(bytes: &[u8]) -> String {
    let (_folder, path) = place("a.safetensors");
    fs::write(&path, bytes).unwrap();
    let mut model: Model<f32> = model(1);
    let before = values(&model);
    let error = load(&mut model, &path).unwrap_err().to_string();
    assert_eq!(values(&model), before);
    let error = error.strip_prefix(&path.display().to_string()).expect("the file is named");
    error.trim_start_matches([':', ' ']).to_owned()
}

fn saved(model: &impl Parameters<f32>) -> Vec<u8> {
    let (_folder, path) = place("a.safetensors");
    save(model, &path).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn what_is_saved_is_loaded_to_the_bit_in_both_types() {
    let (_folder, path) = place("a.safetensors");
    let mut single = model::<f32>(2);
    save(&model::<f32>(1), &path).unwrap();
    load(&mut single, &path).unwrap();
    assert_eq!(values(&single), values(&model::<f32>(1)));

    let mut double = model::<f64>(2);
    let ids: Vec<u64> = double.named().iter().map(|(_, tensor)| tensor.id()).collect();
    save(&model::<f64>(1), &path).unwrap();
    load(&mut double, &path).unwrap();
    assert_eq!(values(&double), values(&model::<f64>(1)));
    assert_eq!(ids, double.named().iter().map(|(_, tensor)| tensor.id()).collect::<Vec<u64>>());
}

#[test]
fn numbers_of_the_other_width_are_converted() {
    let (_folder, path) = place("a.safetensors");
    let mut double = model::<f64>(2);
    save(&model::<f32>(1), &path).unwrap();
    load(&mut double, &path).unwrap();
    let widened = values(&model::<f32>(1))
        .into_iter()
        .map(|(name, values)| (name, values.into_iter().map(f64::from).collect::<Vec<f64>>()));
    assert_eq!(values(&double), widened.collect::<Vec<_>>());
}

#[test]
fn the_same_model_is_the_same_file() {
    assert_eq!(saved(&model(1)), saved(&model(1)));
    assert_ne!(saved(&model(1)), saved(&model(2)));
}

#[test]
fn notes_are_read_as_they_were_written() {
    let (_folder, path) = place("a.safetensors");
    let notes = [("classes", "\"a\"\nß\\".to_owned()), ("empty", String::new())];
    save_with_notes(&model::<f32>(1), &notes, &path).unwrap();
    let file = ModelFile::open(&path).unwrap();
    assert_eq!(file.note("classes"), Some("\"a\"\nß\\"));
    assert_eq!(file.note("empty"), Some(""));
    assert_eq!(file.note("other"), None);
    assert!(file.note("model").unwrap().contains("head.weight [3, 2]"));
    assert_eq!(file.shape("table.vectors"), Some(vec![4, 3]));
}

#[test]
fn a_file_is_as_readable_as_others_and_nothing_is_left_beside_it() {
    let (folder, path) = place("a.safetensors");
    save(&model::<f32>(1), &path).unwrap();
    save(&model::<f32>(2), &path).unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let permissions = |path| fs::metadata(path).unwrap().permissions();
    assert_eq!(permissions(&path), permissions(&plain));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// The state dict of the model's twin in PyTorch, with numbers of every kind.
fn pytorch(change: impl FnOnce(&mut Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let f32s = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let f64s = |values: &[f64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let table = (0..12).flat_map(|x| (0x3c00_u16 + x).to_le_bytes()).collect();
    let bfloat = [0x3f80_u16, 0x4000, 0xbf80].iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut entries = vec![
        ("table.weight", Dtype::F16, vec![4, 3], table),
        ("norm.weight", Dtype::BF16, vec![3], bfloat),
        ("norm.bias", Dtype::F32, vec![3], f32s(&[0.1, 0.2, 0.3])),
        ("norm.running_mean", Dtype::F64, vec![3], f64s(&[1.0, 2.0, 3.0])),
        ("norm.running_var", Dtype::F32, vec![3], f32s(&[4.0, 5.0, 6.0])),
        ("norm.num_batches_tracked", Dtype::I64, vec![], 7_i64.to_le_bytes().to_vec()),
        ("head.weight", Dtype::F32, vec![2, 3], f32s(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("head.bias", Dtype::F32, vec![2], f32s(&[0.0, -0.0])),
    ];
    change(&mut entries);
    let views = entries.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_state_dict_of_pytorch_is_translated() {
    let (_folder, path) = place("a.safetensors");
    fs::write(&path, pytorch(|_| ())).unwrap();
    let mut model: Model<f32> = model(1);
    load(&mut model, &path).unwrap();
    let vectors: Vec<f32> = (0..12).map(|x| 1.0 + x as f32 / 1024.0).collect();
    assert_eq!(model.table.vectors.to_vec(), vectors);
    assert_eq!(model.norm.weight.to_vec(), [1.0, 2.0, -1.0]);
    assert_eq!(model.norm.running_mean.to_vec(), [1.0, 2.0, 3.0]);
    assert_eq!(model.head.weight.to_vec(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
}

#[test]
fn other_names_are_translated_by_the_caller() {
    let (_folder, path) = place("a.safetensors");
    fs::write(&path, pytorch(|entries| entries[7].0 = "fc.bias")).unwrap();
    let rename = |name: &str| name.replace("fc.", "head.");
    ModelFile::open(&path).unwrap().load_renamed(&mut model::<f32>(1), rename).unwrap();
}

#[test]
fn a_file_of_another_model_is_refused_with_the_difference_named() {
    assert_eq!(
        refused(&pytorch(|entries| drop(entries.remove(7)))),
        "the state dict holds nothing for the model's `head.bias`"
    );
    assert_eq!(
        refused(&pytorch(|entries| entries[7].0 = "tail.bias")),
        "the state dict's `tail.bias` has no place in the model: there is no `tail.bias`"
    );
    assert_eq!(
        refused(&pytorch(|entries| entries[6].2 = vec![3, 2])),
        "the state dict's `head.weight` has shape [3, 2], but [2, 3] is needed for the model's \
         `head.weight`"
    );
    assert_eq!(
        refused(&pytorch(|entries| entries[2].1 = Dtype::I32)),
        "the entry `norm.bias` is of type I32, not of floating-point numbers"
    );
}

#[test]
fn numbers_that_are_none_are_refused_with_their_place() {
    let nan = |entry: usize, at: usize| {
        refused(&pytorch(|entries| entries[entry].3[at..][..4].copy_from_slice(&[0, 0, 192, 127])))
    };
    assert_eq!(nan(6, 20), "the entry `head.weight` holds NaN at [1, 2]");
    assert_eq!(
        refused(&pytorch(|entries| entries[3]
            .3
            .copy_from_slice(&[1e300_f64; 3].map(f64::to_le_bytes).concat()))),
        "the entry `norm.running_mean` holds inf at [0]"
    );
}

#[test]
fn a_model_that_has_diverged_does_not_take_the_place_of_a_good_one() {
    let (_folder, path) = place("a.safetensors");
    save(&model::<f32>(1), &path).unwrap();
    let mut diverged = model::<f32>(1);
    diverged.head.weight.update(|values| values[1] = f32::INFINITY);
    let error = save(&diverged, &path).unwrap_err();
    assert_eq!(error.to_string(), "the model's `head.weight` holds inf and is not saved");
    load(&mut diverged, &path).unwrap();
}

#[test]
fn what_is_no_safetensors_file_is_refused() {
    let (_folder, path) = place("a.safetensors");
    assert!(load(&mut model::<f32>(1), &path).unwrap_err().to_string().contains("cannot read"));
    fs::create_dir(&path).unwrap();
    let error = load(&mut model::<f32>(1), &path).unwrap_err().to_string();
    assert_eq!(error, format!("cannot read {}: it is a directory", path.display()));
    let error = save(&model::<f32>(1), &path).unwrap_err().to_string();
    assert_eq!(error, format!("cannot write {}: it is a directory", path.display()));

    assert_eq!(refused(b""), "is no safetensors file: header too small");
    assert!(refused(b"PK\x03\x04 ...").starts_with("is no safetensors file: it is a zip archive"));
    assert_eq!(refused(&[0xff; 100]), "is no safetensors file: header too large");
    let text = b"pixel_0_0,pixel_0_1,digit\n0,0,1\n";
    assert!(refused(text).starts_with("is no safetensors file: "));
}

/// A file with this header and `data` bytes of data.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn headers_that_lie_are_refused() {
    let entry = |name: &str, shape: &str, start: usize, end: usize| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let refused = |entries: &[String], data: usize| {
        refused(&with_header(&format!("{{{}}}", entries.join(",")), data))
    };
    for (entries, data) in [
        // More than there is, less than there is, overlapping, out of order, with a gap.
        (vec![entry("a", "[4]", 0, 16)], 12),
        (vec![entry("a", "[4]", 0, 16)], 20),
        (vec![entry("a", "[2]", 0, 8), entry("b", "[2]", 4, 12)], 12),
        (vec![entry("a", "[2]", 0, 8), entry("b", "[2]", 12, 20)], 20),
        (vec![entry("a", "[4]", 16, 0)], 16),
        // Shapes that do not hold what they say, or more than can be counted.
        (vec![entry("a", "[3]", 0, 16)], 16),
        (vec![entry("a", "[4294967296,4294967296]", 0, 16)], 16),
        (vec![entry("a", "[-1]", 0, 16)], 16),
        (vec![entry("a", "[1e3]", 0, 16)], 16),
    ] {
        let error = refused(&entries, data);
        assert!(error.starts_with("is no safetensors file: "), "{entries:?}: {error}");
    }
    let twice = [entry("a", "[2]", 0, 8), entry("a", "[2]", 0, 8)];
    assert_eq!(refused(&twice, 8), "is no safetensors file: it has two entries `a`");
    let deep = with_header(&"[".repeat(100_000), 0);
    assert!(super::tests::refused(&deep).starts_with("is no safetensors file: "));
}

#[test]
fn a_newer_format_is_refused() {
    let bytes = saved(&model(1));
    let at = bytes.windows(19).position(|part| part == br#""format_version":"1"#).unwrap();
    let mut newer = bytes;
    newer[at + 18] = b'2';
    assert_eq!(refused(&newer), "is of format version 2, and this program reads versions up to 1");
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    let bytes = saved(&model(1));
    for length in 0..bytes.len() {
        let error = refused(&bytes[..length]);
        assert!(error.starts_with("is no safetensors file: "), "{length}: {error}");
    }
}

#[test]
fn a_file_with_any_byte_flipped_is_refused() {
    let bytes = saved(&model(1));
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        refused(&flipped);
    }
}

#[test]
fn a_boxed_model_is_saved_under_the_same_names() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let model: Sequential = Sequential::new().then(Linear::new(2, 1, &mut rng));
    let boxed: Box<dyn Module> = Box::new(Sequential::new().then(Linear::new(2, 1, &mut rng)));
    let (_folder, path) = place("a.safetensors");
    save(&boxed, &path).unwrap();
    let mut model = model;
    load(&mut model, &path).unwrap();
    assert_eq!(model.named()[0].1.to_vec(), boxed.named()[0].1.to_vec());
}

/// A model whose weights show only in their values whether they were transposed.
fn square() -> Linear {
    Linear::new(4, 4, &mut Xoshiro256PlusPlus::seed_from_u64(1))
}

#[test]
fn a_flipped_bit_does_not_turn_a_file_into_one_of_pytorch() {
    let bytes = saved(&square());
    let (_folder, path) = place("a.safetensors");
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, flipped).unwrap();
        assert!(load(&mut square(), &path).is_err(), "bit {bit}");
    }
}

/// A mask that is no parameter, as attention has, beside a parameter.
struct Masked<E: Element> {
    mask: Tensor<E>,
    weight: Tensor<E>,
}
parameters!(Masked<E> { mask, weight });

fn masked<E: Element>(mask: [E; 2], weight: E) -> Masked<E> {
    Masked { mask: Tensor::from(mask), weight: Tensor::parameter([weight]) }
}

#[test]
fn infinities_of_a_buffer_are_kept_and_those_of_a_parameter_refused() {
    let (_folder, path) = place("a.safetensors");
    save(&masked([f64::NEG_INFINITY, 0.0], 1.0), &path).unwrap();
    let mut wide = masked([0.0, 0.0], 2.0);
    load(&mut wide, &path).unwrap();
    assert_eq!(wide.mask.to_vec(), [f64::NEG_INFINITY, 0.0]);
    let mut narrow = masked([0.0_f32, 0.0], 2.0);
    load(&mut narrow, &path).unwrap();
    assert_eq!(narrow.mask.to_vec(), [f32::NEG_INFINITY, 0.0]);

    // A number that the model's type does not reach is no infinity.
    save(&masked([f64::NEG_INFINITY, 1e300], 1.0), &path).unwrap();
    let error = load(&mut narrow, &path).unwrap_err().to_string();
    assert!(error.ends_with("the entry `mask` holds inf at [1]"), "{error}");
    save(&masked([0.0, 0.0], 1e300), &path).unwrap();
    let error = load(&mut narrow, &path).unwrap_err().to_string();
    assert!(error.ends_with("the entry `weight` holds inf at [0]"), "{error}");
    assert_eq!((narrow.mask.to_vec(), narrow.weight.item()), (vec![f32::NEG_INFINITY, 0.0], 1.0));
}

#[test]
fn a_file_of_ours_that_lost_its_notes_is_refused_where_its_names_tell() {
    let bytes = saved(&model(1));
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let error = refused(&safetensors::serialize(read.tensors(), None).unwrap());
    let start = "the entry `norm.running_variance` has a name that PyTorch does not give";
    assert!(error.starts_with(start), "{error}");
}
