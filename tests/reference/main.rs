//! Ours against the figures of PyTorch, optax, SciPy and scikit-learn in this directory, whose
//! README.md says what each case holds and which script made it.

mod layers;
mod logistic_regression;
mod losses;
mod metrics;
mod optimizers;
mod saved;
mod schedules;
mod tensors;

use std::collections::BTreeMap;

use downhill::tensor::Tensor;
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

/// A file of reference figures.
struct Reference {
    cases: Vec<Value>,
    arrays: BTreeMap<String, Array>,
}

/// Numbers as f64, which holds the labels, the counts and the f32 of the files exactly.
struct Array {
    values: ArrayD<f64>,
    is_of_integers: bool,
}

impl Reference {
    /// Reads a file, which must hold `count` cases: every one is to be tested.
    fn read(name: &str, count: usize) -> Self {
        let path = format!("{}/reference/{name}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = header.metadata().as_ref().and_then(|metadata| metadata.get("cases"));
        let cases: Vec<Value> =
            cases.map_or(Vec::new(), |cases| serde_json::from_str(cases).unwrap());
        assert_eq!(cases.len(), count, "{name}");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let arrays = file.iter().map(|(name, view)| (name.to_owned(), array(&view))).collect();
        Self { cases, arrays }
    }

    /// The array that a field of a case names.
    #[track_caller]
    fn array(&self, name: &Value) -> Tensor<f64> {
        let name = name.as_str().unwrap_or_else(|| panic!("{name} names no array"));
        self.arrays[name].values.view().into()
    }

    /// The arrays that an object of a case names, under their roles.
    fn arrays(&self, roles: &Value) -> Vec<(String, Tensor<f64>)> {
        let roles = roles.as_object().unwrap().iter();
        roles.map(|(role, name)| (role.clone(), self.array(name))).collect()
    }
}

fn array(view: &TensorView<'_>) -> Array {
    let (wide, narrow) = (view.data().as_chunks::<8>().0, view.data().as_chunks::<4>().0);
    let values = match view.dtype() {
        Dtype::F64 => wide.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        Dtype::I64 => wide.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
        Dtype::F32 => narrow.iter().map(|&bytes| f32::from_le_bytes(bytes).into()).collect(),
        other => panic!("unexpected {other:?}"),
    };
    Array {
        values: ArrayD::from_shape_vec(view.shape(), values).unwrap(),
        is_of_integers: view.dtype() == Dtype::I64,
    }
}

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap_or_else(|| panic!("{name} of {options}"))
}

fn count(options: &Value, name: &str) -> u64 {
    options[name].as_u64().unwrap_or_else(|| panic!("{name} of {options}"))
}

fn flag(options: &Value, name: &str) -> bool {
    options[name].as_bool().unwrap_or_else(|| panic!("{name} of {options}"))
}

fn text<'a>(options: &'a Value, name: &str) -> &'a str {
    options[name].as_str().unwrap_or_else(|| panic!("{name} of {options}"))
}

/// Asserts that arrays agree to `tolerance`, relative to the larger of 1 and the largest value.
#[track_caller]
fn assert_agrees(what: &str, found: &Tensor<f64>, expected: &Tensor<f64>, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let expected = expected.to_vec();
    let finite = expected.iter().filter(|value| value.is_finite());
    let scale = finite.fold(1.0, |scale: f64, value| scale.max(value.abs()));
    for (index, (found, expected)) in found.to_vec().into_iter().zip(expected).enumerate() {
        let close = found == expected || (found - expected).abs() <= tolerance * scale;
        assert!(close, "{what}[{index}] is {found}, but the reference has {expected}");
    }
}
