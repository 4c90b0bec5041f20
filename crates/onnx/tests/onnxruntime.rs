//! What onnxruntime computes from the files, as committed in `onnxruntime.safetensors` by
//! `tests/reference/onnx_models.py`, which writes the files by this test and runs them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use downhill_nn::{
    Activation, AdaptiveAvgPool2d, AvgPool2d, BatchNorm, Bidirectional, Conv2d, Dropout, Embedding,
    Error, Flatten, Gru, LayerNorm, Linear, Lstm, MaxPool2d, Mlp, Module, RmsNorm, SelfAttention,
    Sequential, TransformerBlock,
};
use downhill_onnx::{Axis, Program, save, trace};
use downhill_tensor::{Element, Norm, Tensor, keep, parameters};
use ndarray::{Array2, array};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use safetensors::{Dtype, SafeTensors, View};

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

fn random<E: Element>(shape: &[usize], rng: &mut impl Rng) -> Tensor<E> {
    let count = shape.iter().product();
    let values = (0..count).map(|_| E::from_f64(rng.random::<f64>() * 4.0 - 2.0)).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

/// Embeddings of tokens and places, two blocks, a norm and a head: a small GPT.
struct Gpt {
    tokens: Embedding,
    body: Sequential,
}
parameters!(Gpt { tokens, body });

/// A model's name, the axes of its input after the batch (those of a name have the length 5 in the
/// tests), and the model.
type Case = (&'static str, Vec<Axis>, Box<dyn Module>);

fn cases() -> Vec<Case> {
    let mut rng = rng();
    let rng = &mut rng;
    let mut cases: Vec<Case> = Vec::new();
    let activations = [
        ("relu", Activation::Relu),
        ("leaky_relu", Activation::LeakyRelu(0.1)),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("softplus", Activation::Softplus),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
        ("silu", Activation::Silu),
    ];
    for (name, activation) in activations {
        let mlp = Mlp::new(&[4, 8, 3], rng).activation(activation);
        cases.push((name, vec![4.into()], Box::new(mlp)));
    }
    let no_bias = Linear::new(4, 3, rng).without_bias();
    cases.push(("linear_without_bias", vec![4.into()], Box::new(no_bias)));

    // Drawn, as averages that are computed may differ in the last digit on another processor.
    let mut batch_norm = |channels: usize| {
        let mut norm = BatchNorm::new(channels);
        norm.weight = Tensor::parameter(random(&[channels], rng));
        norm.running_mean = random(&[channels], rng);
        norm.running_variance = random(&[channels], rng).abs() + 0.5;
        norm
    };
    let (norm, flat_norm) = (batch_norm(6), batch_norm(16));
    let cnn = Sequential::new()
        .then(Conv2d::new(2, 6, 3, rng).padding(1))
        .then(norm)
        .then(Activation::Relu)
        .then(MaxPool2d::new(3).stride(2).padding(1))
        .then(Conv2d::grouped(6, 4, [3, 2], 2, rng).stride([1, 2]).padding([0, 1]))
        .then(Dropout::new(0.5).unwrap())
        .then(AvgPool2d::new(2).stride(1).padding(1))
        .then(AvgPool2d::new(2).padding(1).exclude_padding())
        .then(Flatten)
        .then(Linear::new(36, 16, rng))
        .then(flat_norm);
    cases.push(("cnn", vec![2.into(), 9.into(), 8.into()], Box::new(cnn)));
    let dilated = Conv2d::new(1, 2, 2, rng).dilation(2);
    cases.push(("dilated", vec![1.into(), 5.into(), 6.into()], Box::new(dilated)));

    let gru = Sequential::new().then(Gru::new(3, 4, rng)).then(Linear::new(4, 2, rng));
    cases.push(("gru", vec!["time".into(), 3.into()], Box::new(gru)));

    let mut layer_norm = LayerNorm::new(6);
    layer_norm.weight = Tensor::parameter(random(&[6], rng));
    layer_norm.bias = Some(Tensor::parameter(random(&[6], rng)));
    cases.push(("layer_norm", vec!["time".into(), 6.into()], Box::new(layer_norm)));
    let without_bias = LayerNorm::over(&[2, 6]).without_bias();
    cases.push(("layer_norm_over_two_axes", vec![2.into(), 6.into()], Box::new(without_bias)));
    let mut rms_norm = RmsNorm::new(6);
    rms_norm.weight = Tensor::parameter(random(&[6], rng));
    cases.push(("rms_norm", vec!["time".into(), 6.into()], Box::new(rms_norm)));

    let attention = SelfAttention::causal(8, 2, rng);
    cases.push(("attention", vec!["time".into(), 8.into()], Box::new(attention)));
    let block = TransformerBlock::new(8, 4, 16, rng).dropout(0.1).unwrap();
    cases.push(("transformer_block", vec!["time".into(), 8.into()], Box::new(block)));

    let lstm = Sequential::new().then(Lstm::new(3, 4, rng)).then(Linear::new(4, 2, rng));
    cases.push(("lstm", vec!["time".into(), 3.into()], Box::new(lstm)));
    let lstms = Bidirectional::new(Lstm::new(3, 4, rng), Lstm::new(3, 4, rng));
    cases.push(("bidirectional_lstm", vec!["time".into(), 3.into()], Box::new(lstms)));
    let grus = Bidirectional::new(Gru::new(3, 4, rng), Gru::new(3, 4, rng));
    cases.push(("bidirectional_gru", vec!["time".into(), 3.into()], Box::new(grus)));

    let attention = SelfAttention::new(8, 2, rng);
    cases.push(("attention_to_all", vec!["time".into(), 8.into()], Box::new(attention)));

    let image = || vec![2.into(), 9.into(), "width".into()];
    let same = Conv2d::new(2, 3, [4, 2], rng).dilation([1, 3]).padding_same();
    cases.push(("same_size", image(), Box::new(same)));
    let odd = Conv2d::new(2, 3, 3, rng).without_bias().padding_same();
    cases.push(("same_size_odd", image(), Box::new(odd)));
    cases.push(("global_pooling", image(), Box::new(AdaptiveAvgPool2d::new(1))));
    cases.push(("adaptive_pooling", image(), Box::new(AdaptiveAvgPool2d::new([4, 3]))));
    cases.push(("adaptive_pooling_larger", image(), Box::new(AdaptiveAvgPool2d::new([2, 7]))));

    let mut over_two = LayerNorm::over(&[2, 6]);
    over_two.weight = Tensor::parameter(random(&[12], rng));
    over_two.bias = Some(Tensor::parameter(random(&[12], rng)));
    cases.push((
        "layer_norm_over_two_axes_with_bias",
        vec![2.into(), 6.into()],
        Box::new(over_two),
    ));
    cases
}

fn gpt() -> Gpt {
    let mut rng = rng();
    let tokens = Embedding::new(11, 8, &mut rng);
    let body = Sequential::new()
        .then(TransformerBlock::new(8, 2, 32, &mut rng))
        .then(TransformerBlock::new(8, 2, 32, &mut rng).activation(Activation::GeluTanh))
        .then(LayerNorm::new(8))
        .then(Linear::new(8, 11, &mut rng));
    Gpt { tokens, body }
}

fn save_gpt(gpt: &Gpt, path: &Path) {
    let mut program = Program::new();
    let tokens = program.integer_input("input", &["batch".into(), "time".into()]);
    let export = program.export();
    let vectors = export.scope("tokens", |export| gpt.tokens.export(&tokens, export));
    let logits = export.scope("body", |export| gpt.body.export(vectors, export)).unwrap();
    program.output::<f32>("output", &logits, &["batch".into(), "time".into(), 11.into()]);
    program.save(path).unwrap();
}

/// Whether a place of a sequence is filled up: of each another part, and of the last all.
fn padding(batch: usize) -> Array2<bool> {
    Array2::from_shape_fn((batch, 5), |(row, place)| row == 4 || place + row % 3 > 3)
}

fn padded_attention(causal: bool) -> SelfAttention {
    match causal {
        true => SelfAttention::causal(8, 2, &mut rng()),
        false => SelfAttention::new(8, 2, &mut rng()),
    }
}

const PADDED: [(&str, bool); 2] = [("padded_attention", false), ("padded_causal_attention", true)];

fn save_padded(attention: &SelfAttention, path: &Path) {
    let mut program = Program::new();
    let places = ["batch".into(), "time".into()];
    let axes = [&places[..], &[8.into()]].concat();
    let x = program.input::<f32>("input", &axes);
    let padding = program.boolean_input("padding", &places);
    let found = attention.export_padded(x, &padding, program.export()).unwrap();
    program.output::<f32>("output", &found, &axes);
    program.save(path).unwrap();
}

/// A function's name, the axes of its input after the batch, and the function.
type Function = (&'static str, Vec<usize>, Box<dyn Fn(&Tensor) -> Tensor>);

/// Functions that are traced: every operation that has a counterpart, and models that are written
/// by their operations, not by their layers.
fn functions() -> Vec<Function> {
    let rng = &mut rng();
    let mut functions: Vec<Function> = Vec::new();
    let (other, square): (Tensor, Tensor) = (random(&[3], rng), random(&[3, 3], rng));
    functions.push((
        "traced_arithmetic",
        vec![2, 3],
        Box::new(move |x| {
            let larger = x.maximum(&other) - x.minimum(&(x * &other)) / 3.0;
            larger.matmul(&square) + x.matmul(&x.transpose()).matmul(x) * -x
        }),
    ));
    functions.push((
        "traced_elementwise",
        vec![3],
        Box::new(|x| {
            let positive = x.square() + 0.5;
            let bounded = [x.sin(), x.cos(), x.tanh(), x.sigmoid(), x.exp().reciprocal()];
            let piecewise = [x.relu(), x.abs(), x.leaky_relu(0.2), x.clamp(-0.5, 1.5)];
            let smooth = [x.softplus(), x.log_sigmoid(), x.gelu(), x.gelu_tanh(), x.silu()];
            let powers = [
                positive.sqrt(),
                positive.ln(),
                x.powi(3),
                positive.powf(-0.7),
                positive.pow(&(x * 0.5)),
            ];
            let all: Vec<Tensor> =
                bounded.into_iter().chain(piecewise).chain(smooth).chain(powers).collect();
            Tensor::stack(&all.iter().collect::<Vec<_>>(), 1)
        }),
    ));
    functions.push((
        "traced_reductions",
        vec![4, 3],
        Box::new(|x| {
            let all = [
                x.sum_axes(-1),
                x.mean_axes(-1),
                x.max_axes([2]),
                x.min_axes(-1),
                x.log_sum_exp_axes(-1),
                x.norm_axes(Norm::L2, -1),
                x.norm_axes(Norm::L1, -1),
                x.variance_axes(-1, 1),
                x.std_axes(keep(-1), 0).squeeze(-1),
                x.center_axes([1, 2]).sum_axes(-1),
                x.softmax(1).slice(2, 1..2).squeeze(-1),
                x.log_softmax(-1).cumsum(1).sum_axes(2),
            ];
            Tensor::concat(&all.iter().collect::<Vec<_>>(), 1)
        }),
    ));
    functions.push((
        "traced_over_the_batch",
        vec![3],
        Box::new(|x| {
            let centred = x.center_axes(0);
            &centred / (centred.square().mean_axes(0) + 1.0).sqrt() + x.mean() - x.sum_axes(0)
        }),
    ));
    let mask = array![[true, false, false], [false, true, false]].into_dyn();
    functions.push((
        "traced_shapes",
        vec![2, 3],
        Box::new(move |x| {
            let batch = x.shape()[0];
            let flat = x.reshape(&[batch * 2, 3]).permute(&[1, 0]).reshape(&[3, batch, 2]);
            let places = flat.select_rows(&[2, 0, 0]).permute(&[1, 2, 0]);
            let indices = ndarray::ArrayD::from_elem(vec![batch, 2, 1], 2);
            let picked = places.gather(-1, &indices).broadcast_to(&[batch, 2, 3]);
            let chosen = Tensor::select(&mask, &picked, &(x * 2.0)).masked_fill(&mask, 0.5);
            let state = Tensor::zeros(&[batch, 2, 2]);
            Tensor::concat(&[&chosen.pad(2, 1, 2, -1.0), &state], 2).slice(2, 1..7)
        }),
    ));

    let mut norm = BatchNorm::new(4);
    norm.running_mean = random(&[4], rng);
    norm.running_variance = random(&[4], rng).abs() + 0.5;
    let cnn = Sequential::new()
        .then(Conv2d::new(2, 4, 3, rng).padding(1))
        .then(norm)
        .then(Activation::Relu)
        .then(MaxPool2d::new(3).stride(2).padding(1))
        .then(Conv2d::grouped(4, 4, 2, 2, rng).dilation([1, 2]))
        .then(AvgPool2d::new(2).padding(1).exclude_padding())
        .then(AdaptiveAvgPool2d::new(2))
        .then(Flatten)
        .then(Linear::new(16, 3, rng));
    functions.push(("traced_cnn", vec![2, 9, 8], Box::new(move |x| cnn.evaluate(x).softmax(-1))));
    let gru = Sequential::new().then(Gru::new(3, 4, rng)).then(Linear::new(4, 2, rng));
    functions.push(("traced_gru", vec![5, 3], Box::new(move |x| gru.evaluate(x))));
    let block: TransformerBlock = TransformerBlock::new(8, 2, 16, rng);
    let last = RmsNorm::new(8);
    let transformer = move |x: &Tensor| last.forward(&block.evaluate(x)).mean_axes(1);
    functions.push(("traced_transformer", vec![5, 8], Box::new(transformer)));
    functions
}

const BATCHES: [usize; 3] = [1, 2, 5];

fn shape(batch: usize, axes: &[Axis]) -> Vec<usize> {
    let length = |axis: &Axis| match axis {
        Axis::Fixed(length) => *length,
        Axis::Named(_) => 5,
    };
    std::iter::once(batch).chain(axes.iter().map(length)).collect()
}

struct Array(Dtype, Vec<usize>, Vec<u8>);

impl View for &Array {
    fn dtype(&self) -> Dtype {
        self.0
    }
    fn shape(&self) -> &[usize] {
        &self.1
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.2[..]).into()
    }
    fn data_len(&self) -> usize {
        self.2.len()
    }
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.to_vec().iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The name of the model and the size of the batch, the inputs by name, and the output.
type Computed = (String, Vec<(&'static str, Array)>, Tensor);

fn stored(tensor: &Tensor) -> Array {
    Array(Dtype::F32, tensor.shape().to_vec(), bytes(tensor))
}

fn computed() -> Vec<Computed> {
    let mut all = Vec::new();
    for (name, axes, model) in cases() {
        for batch in BATCHES {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(batch as u64);
            let x: Tensor = random(&shape(batch, &axes), &mut rng);
            all.push((format!("{name}.{batch}"), vec![("input", stored(&x))], model.evaluate(&x)));
        }
    }
    for (name, axes, function) in functions() {
        for batch in BATCHES {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(batch as u64);
            let x: Tensor = random(&[&[batch], &axes[..]].concat(), &mut rng);
            all.push((format!("{name}.{batch}"), vec![("input", stored(&x))], function(&x)));
        }
    }
    let gpt = gpt();
    for batch in BATCHES {
        let tokens: Vec<usize> = (0..batch * 5).map(|index| (7 * index + batch) % 11).collect();
        let vectors = gpt.tokens.forward(&tokens).reshape(&[batch, 5, 8]);
        let ids = tokens.iter().flat_map(|&token| (token as i64).to_le_bytes()).collect();
        let input = Array(Dtype::I64, vec![batch, 5], ids);
        all.push((format!("gpt.{batch}"), vec![("input", input)], gpt.body.evaluate(&vectors)));
    }
    for (name, causal) in PADDED {
        for batch in BATCHES {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(batch as u64);
            let (x, padding): (Tensor, _) = (random(&[batch, 5, 8], &mut rng), padding(batch));
            let padded = padding.iter().map(|&padded| u8::from(padded)).collect();
            let padded = Array(Dtype::BOOL, vec![batch, 5], padded);
            let inputs = vec![("input", stored(&x)), ("padding", padded)];
            let output = padded_attention(causal).forward_padded(&x, &padding);
            all.push((format!("{name}.{batch}"), inputs, output));
        }
    }
    all
}

/// Writes all models to a directory.
fn write(directory: &Path) -> Vec<(&'static str, PathBuf)> {
    let path = |name: &str| directory.join(name).with_extension("onnx");
    let mut written = Vec::new();
    for (name, axes, model) in cases() {
        save(&model, &axes, path(name)).unwrap();
        written.push((name, path(name)));
    }
    for (name, axes, function) in functions() {
        let sample = random(&[&[2], &axes[..]].concat(), &mut rng());
        trace(&sample, function).unwrap().save(path(name)).unwrap();
        written.push((name, path(name)));
    }
    save_gpt(&gpt(), &path("gpt"));
    written.push(("gpt", path("gpt")));
    for (name, causal) in PADDED {
        save_padded(&padded_attention(causal), &path(name));
        written.push((name, path(name)));
    }
    written
}

/// FNV-1a, by which a file is known again.
fn hash(bytes: &[u8]) -> i64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step) as i64
}

#[test]
fn onnxruntime_computes_the_same_from_the_files() {
    if let Some(directory) = std::env::var_os("DOWNHILL_ONNX") {
        // For the script.
        let directory = PathBuf::from(directory);
        write(&directory);
        let all = computed();
        let outputs: Vec<(String, Array)> = all
            .iter()
            .map(|(name, _, output)| (format!("{name}.output"), stored(output)))
            .collect();
        let inputs = all.iter().flat_map(|(name, inputs, _)| {
            inputs.iter().map(move |(input, array)| (format!("{name}.{input}"), array))
        });
        let outputs = outputs.iter().map(|(name, output)| (name.clone(), output));
        let file = safetensors::serialize(inputs.chain(outputs), None).unwrap();
        fs::write(directory.join("computed.safetensors"), file).unwrap();
        return;
    }
    let committed = include_bytes!("onnxruntime.safetensors");
    let committed = SafeTensors::deserialize(committed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in write(folder.path()) {
        let run = committed.tensor(&format!("{name}.hash")).unwrap();
        let run = i64::from_le_bytes(run.data().try_into().unwrap());
        assert_eq!(
            run,
            hash(&fs::read(path).unwrap()),
            "{name}: onnxruntime ran another file; tests/reference/onnx_models.py runs the new one"
        );
    }
    for (name, _, output) in computed() {
        let theirs = committed.tensor(&format!("{name}.output")).unwrap();
        assert_eq!(theirs.shape(), output.shape(), "{name}");
        let (theirs, _) = theirs.data().as_chunks::<4>();
        let ours = output.to_vec();
        let largest = ours.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        for (theirs, ours) in theirs.iter().map(|&bytes| f32::from_le_bytes(bytes)).zip(ours) {
            assert!((theirs - ours).abs() <= 1e-5 * largest, "{name}: {theirs} and {ours}");
        }
    }
}

/// A layer of one's own that does not say how it is written.
#[derive(Clone)]
struct Doubled;
parameters!(Doubled {});
impl Module for Doubled {
    fn forward_training(&mut self, x: &Tensor, _rng: &mut dyn Rng) -> Tensor {
        x * 2.0
    }
    fn evaluate(&self, x: &Tensor) -> Tensor {
        x * 2.0
    }
}

#[test]
fn a_layer_without_a_counterpart_is_named_and_nothing_is_written() {
    let model =
        Sequential::new().then(Linear::new(2, 2, &mut rng())).then(Sequential::new().then(Doubled));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let error = save(&model, &[2.into()], &path).unwrap_err();
    assert_eq!(error.to_string(), "the layer `1.0`, Doubled, has no counterpart in ONNX");
    assert!(matches!(error, downhill_onnx::Error::Layer(Error::NoCounterpart { .. })));
    assert!(!path.exists());
}

#[test]
fn tensors_keep_the_models_names_and_shared_ones_are_written_once() {
    let names = |model: &dyn Module| -> HashMap<String, usize> {
        let mut export = downhill_nn::Export::new();
        model.export("x".to_owned(), &mut export).unwrap();
        let count = |mut counts: HashMap<String, usize>, constant: &downhill_nn::Constant| {
            *counts.entry(constant.name.clone()).or_default() += 1;
            counts
        };
        export.constants().iter().fold(HashMap::new(), count)
    };
    let block: TransformerBlock = TransformerBlock::new(8, 2, 16, &mut rng());
    let names = names(&block);
    assert!(names.values().all(|&count| count == 1));
    for name in ["attention.query_key_value.weight", "feed_forward.layers.1.bias"] {
        assert!(names.contains_key(name), "{name}");
    }
}

#[test]
fn what_cannot_be_traced_is_named() {
    let sample: Tensor = random(&[3, 4], &mut rng());
    let error = |function: fn(&Tensor) -> Tensor| match trace(&sample, function) {
        Ok(_) => panic!("it was traced"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error(|x| x.exp_m1()), "the operation `exp_m1` has no counterpart in ONNX");
    let changes = |what: &str| {
        format!(
            "{what} of the function changes with the sample, but not by operations on tensors: \
             numbers that are taken out of tensors, and choices that depend on them, cannot be traced"
        )
    };
    assert_eq!(error(|x| x * x.max().item()), changes("a constant for Mul"));
    assert_eq!(
        error(|x| x.masked_fill(&x.mask(|x| x > 0.0), 0.0)),
        changes("a constant for Where")
    );
    assert_eq!(error(|x| x.sort(-1).0), changes("a constant for GatherElements"));
    assert_eq!(error(|x| Tensor::ones(x.shape())), changes("the output"));
    assert_eq!(error(|x| if x.shape()[0] > 3 { x.exp() } else { x.sin() }), changes("Sin"));
    assert_eq!(
        error(|x| x.slice(0, 0..x.shape()[0] * x.shape()[0] % 3)),
        changes("a constant for Slice")
    );
}

#[test]
fn a_traced_program_is_small() {
    let linear: Linear = Linear::new(4, 3, &mut rng());
    let scale = Tensor::parameter(2.0);
    // Twice the same tensor is one constant, and what does not depend on the input is computed now.
    let function = |x: &Tensor| linear.forward(&(x * &scale)) * (&scale + scale.exp());
    let mut program = trace(&Tensor::ones(&[1, 4]), function).unwrap();
    let export = program.export();
    let operators: Vec<&str> = export.nodes().iter().map(|node| node.operator).collect();
    assert_eq!(operators, ["Mul", "Gemm", "Mul", "Identity"]);
    assert_eq!(export.constants().len(), 4);
    // Over no axis it is the absolute value.
    let function = |x: &Tensor| x.norm_axes(Norm::L2, &[][..]).sum_axes(&[][..]);
    let mut program = trace(&Tensor::ones(&[1, 4]), function).unwrap();
    assert_eq!(program.export().nodes()[0].operator, "Abs");
}
