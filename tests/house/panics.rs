//! Every documented panic names the caller's file, and what was called. Those of `tensor` are in its
//! own tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use downhill::datasets::{Csv, Fill, Imputer};
use downhill::kernels;
use downhill::losses::CrossEntropy;
use downhill::nn::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm, Conv2d, Embedding, Flatten, Gru, Initializer,
    LayerNorm, Linear, Lstm, MaxPool2d, Mlp, Module, RmsNorm, SelfAttention, Sequential,
    TransformerBlock,
};
use downhill::optim::{FirstOrder, Rule, Update};
use downhill::prelude::*;
use downhill::report::Report;
use downhill::report::plot::{self, Chart, DecisionMap, Field};
use downhill::train::metrics::{ConfusionMatrix, bootstrap_interval};
use downhill::train::{Checkpoint, History, State, TensorBoard, save_with_notes};
use ndarray::{Array2, ShapeBuilder};

/// The message of a panic and the file it names.
fn panic_of(f: impl FnOnce()) -> (String, String) {
    static FOUND: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let file = panic.location().map_or("", |location| location.file());
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("no text");
        *FOUND.lock().unwrap() = (message.into(), file.into());
    }));
    let result = catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(hook);
    match result {
        Ok(()) => ("nothing panics".into(), String::new()),
        Err(_) => FOUND.lock().unwrap().clone(),
    }
}

/// A rule that remembers one value, with a formula for two.
#[derive(Clone)]
struct Wrong;

impl Rule for Wrong {
    fn state(&self) -> &'static [&'static str] {
        &["one"]
    }

    fn validate<E: downhill::tensor::Element>(&self) -> Result<(), downhill::optim::Error> {
        Ok(())
    }

    fn update<E: downhill::tensor::Element>(&self, update: Update<'_, E>) {
        update.each(|weight, _, state: [E; 2]| (weight, state));
    }
}

/// One test, for there is one hook for all threads.
#[test]
fn every_panic_names_the_callers_file_and_what_was_called() {
    let rng = &|| Xoshiro256PlusPlus::seed_from_u64(7);
    let zeros = |shape: &[usize]| Tensor::<f32>::zeros(shape);
    let (x, y) = (&zeros(&[2, 3]), &zeros(&[4]));
    let image = &zeros(&[1, 1, 3, 3]);
    let matrix = &Array2::<f32>::zeros((2, 3));
    let far = usize::MAX;
    let folder = tempfile::tempdir().unwrap();
    let parameter = &Tensor::parameter([0.0_f32]);
    type Case<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let mut cases: Vec<Case<'_>> = Vec::new();
    macro_rules! cases {
        ($($name:literal: $expression:expr;)*) => {
            $(cases.push(($name, Box::new(|| {
                let _ = $expression;
            })));)*
        };
    }
    cases! {
        // Layers that cannot be made.
        "Linear": Linear::<f32>::new(0, 1, &mut rng());
        "Linear": Linear::<f32>::new(1 << 33, 1 << 31, &mut rng());
        "Mlp": Mlp::<f32>::new(&[1], &mut rng());
        "Mlp": Mlp::<f32>::new(&[1, 0], &mut rng());
        "Mlp": Mlp::<f32>::new(&[1, 1 << 33, 1 << 31], &mut rng());
        "Embedding": Embedding::<f32>::new(0, 1, &mut rng());
        "Embedding": Embedding::<f32>::new(1 << 62, 4, &mut rng());
        "Embedding": Embedding { vectors: y.clone() }.initialize(Initializer::normal(1.0), &mut rng());
        "Conv2d": Conv2d::<f32>::new(1, 0, 3, &mut rng());
        "Conv2d": Conv2d::<f32>::new(1, 1, [3, 0], &mut rng());
        "Conv2d": Conv2d::<f32>::new(1, 1, 1 << 32, &mut rng());
        "Conv2d": Conv2d::<f32>::grouped(2, 3, 1, 2, &mut rng());
        "Conv2d": Conv2d::<f32>::new(1, 1, 3, &mut rng()).stride(0);
        "Conv2d": Conv2d::<f32>::new(1, 1, 3, &mut rng()).dilation(0);
        "MaxPool2d": MaxPool2d::new(0);
        "MaxPool2d": MaxPool2d::new(2).stride(0);
        "MaxPool2d": MaxPool2d::new(2).padding(2);
        "MaxPool2d": MaxPool2d::new(2).padding(1 << 63);
        "AvgPool2d": AvgPool2d::new([2, 0]);
        "AvgPool2d": AvgPool2d::new(2).stride([1, 0]);
        "AvgPool2d": AvgPool2d::new(3).padding(2);
        "AdaptiveAvgPool2d": AdaptiveAvgPool2d::new(0);
        "Gru": Gru::<f32>::new(0, 1, &mut rng());
        "Gru": Gru::<f32>::new(1, far, &mut rng());
        "Lstm": Lstm::<f32>::new(1, 0, &mut rng());
        "Lstm": Lstm::<f32>::new(1, 1 << 62, &mut rng());
        "SelfAttention": SelfAttention::<f32>::new(0, 1, &mut rng());
        "SelfAttention": SelfAttention::<f32>::new(4, 3, &mut rng());
        "SelfAttention": SelfAttention::<f32>::causal(4, 0, &mut rng());
        "SelfAttention": SelfAttention::<f32>::causal(1 << 63, 1, &mut rng());
        "SelfAttention": TransformerBlock::<f32>::new(4, 3, 4, &mut rng());
        "Mlp": TransformerBlock::<f32>::new(4, 2, 0, &mut rng());
        "Initializer::draw": {
            let fans = downhill::nn::Fans { inputs: 1, outputs: 1 };
            Initializer::normal(1.0).draw::<f32>(&[1 << 32, 1 << 32], fans, &mut rng())
        };
        // Inputs that do not fit.
        "linear": Linear::new(4, 1, &mut rng()).forward(x);
        "matmul": Linear::new(4, 1, &mut rng()).without_bias().forward(x);
        "linear": Mlp::new(&[4, 1], &mut rng()).forward(x);
        "linear": {
            let layer: Box<dyn Module> = Box::new(Linear::new(4, 1, &mut rng()));
            layer.evaluate(x)
        };
        "linear": {
            let mut layer: Box<dyn Module> = Box::new(Mlp::new(&[4, 1], &mut rng()));
            layer.forward_training(x, &mut rng())
        };
        "Sequential": Sequential::new().then(Linear::new(4, 1, &mut rng())).evaluate(x);
        "Sequential": {
            let model = Sequential::new().then(Linear::new(4, 1, &mut rng()));
            let mut model: Box<dyn Module> = Box::new(Sequential::new().then(model));
            model.forward_training(x, &mut rng())
        };
        "Mlp": {
            let mut model = Mlp::new(&[3, 1], &mut rng());
            model.layers.clear();
            model.forward(x)
        };
        "select_rows": Embedding::<f32>::new(2, 1, &mut rng()).forward(&[2]);
        "Conv2d": Conv2d::new(1, 1, 3, &mut rng()).forward(x);
        "Conv2d": Conv2d::new(2, 1, 3, &mut rng()).forward(image);
        "Conv2d": Conv2d::new(1, 1, 4, &mut rng()).forward(image);
        "Conv2d": Conv2d::new(1, 1, 3, &mut rng()).stride(2).padding_same().forward(image);
        "Conv2d": Conv2d::new(1, 1, 3, &mut rng()).dilation(far).forward(image);
        "Conv2d": Conv2d::new(1, 1, 3, &mut rng()).dilation(far).padding_same().forward(image);
        "Conv2d": Conv2d::new(1, 1, 3, &mut rng()).padding(far).forward(image);
        "Conv2d": Conv2d::new(1, 1, 3, &mut rng()).padding(1 << 40).forward(image);
        "MaxPool2d": MaxPool2d::new(2).forward(x);
        "MaxPool2d": MaxPool2d::new(4).forward(image);
        "AvgPool2d": AvgPool2d::new(2).forward(x);
        "AvgPool2d": AvgPool2d::new(4).forward(image);
        "AdaptiveAvgPool2d": AdaptiveAvgPool2d::new(1).forward(x);
        "AdaptiveAvgPool2d": AdaptiveAvgPool2d::new(1).forward(&zeros(&[1, 1, 0, 1]));
        "Flatten": Flatten.forward(&Tensor::scalar(0.0_f32));
        "BatchNorm": BatchNorm::new(2).forward_training(x, &mut rng());
        "BatchNorm": BatchNorm::new(3).forward_training(&zeros(&[1, 3]), &mut rng());
        "BatchNorm": BatchNorm::new(2).evaluate(x);
        "LayerNorm": LayerNorm::new(2).forward(x);
        "LayerNorm": LayerNorm::over(&[3, 3]).forward(x);
        "RmsNorm": RmsNorm::new(2).forward(x);
        "LayerNorm": LayerNorm::<f32>::new(2).epsilon(-1.0);
        "RmsNorm": RmsNorm::<f32>::new(2).epsilon(f64::NAN);
        "BatchNorm": BatchNorm::<f32>::new(2).epsilon(f64::INFINITY);
        "BatchNorm": BatchNorm::<f32>::new(2).momentum(1.5);
        "Gru": Gru::new(2, 1, &mut rng()).forward(x);
        "Gru": Gru::new(3, 1, &mut rng()).forward(&zeros(&[1, 0, 3]));
        "linear": {
            let gru = Gru::new(3, 1, &mut rng());
            gru.forward_from(&zeros(&[1, 1, 3]), &zeros(&[1, 2]))
        };
        "linear": Gru::new(2, 1, &mut rng()).step(x, &zeros(&[2, 1]));
        "Lstm": Lstm::new(2, 1, &mut rng()).forward(x);
        "linear": {
            let lstm = Lstm::new(2, 1, &mut rng());
            lstm.step(x, &lstm.start(2))
        };
        "linear": {
            let lstm = Lstm::new(3, 1, &mut rng());
            lstm.forward_from(&zeros(&[1, 1, 3]), &Lstm::new(3, 2, &mut rng()).start(1))
        };
        "SelfAttention": SelfAttention::new(4, 1, &mut rng()).forward(x);
        "SelfAttention": {
            let padding = Array2::from_elem((2, 2), false);
            SelfAttention::new(3, 1, &mut rng()).forward_padded(&zeros(&[2, 1, 3]), &padding)
        };
        "LayerNorm": TransformerBlock::new(4, 1, 4, &mut rng()).evaluate(x);
        // Losses and optimizers.
        "forward_linear": CrossEntropy::new().forward_linear(x, &zeros(&[2, 2]), None, &[0, 1]);
        "forward_linear": CrossEntropy::new().forward_linear(x, y, None, &[0, 1]);
        // Kernels.
        "dot": kernels::dot(&[0.0_f32], &[]);
        "zip": kernels::zip(&[0.0_f32], &[], |x, _| x);
        "zip_in_place": kernels::zip_in_place(&mut [0.0_f32], &[], |x, _| x);
        "times_slope": kernels::times_slope(&[0.0_f32], &[], |x: f32| x);
        "matmul": kernels::matmul(matrix.view(), matrix.view());
        "matmul": kernels::linear(matrix.view(), matrix.view());
        "matmul": kernels::affine(matrix.view(), matrix.view(), &[0.0; 3]);
        "affine": kernels::affine(matrix.view(), matrix.t(), &[0.0; 3]);
        "matmul": {
            let wide = Array2::<f32>::zeros((1 << 33, 0));
            kernels::matmul(wide.view(), Array2::zeros((0, 1 << 31)).view())
        };
        "matmul": kernels::matmul_onto(&mut [0.0; 6], matrix.view(), matrix.view());
        "matmul_onto": kernels::matmul_onto(&mut [0.0; 3], matrix.view(), matrix.t());
        "matmul_part": {
            let mut out = Array2::zeros((2, 3));
            kernels::matmul_part(out.view_mut(), matrix.view(), matrix.t(), true, &[]);
        };
        "matmul_part": {
            let mut out = Array2::zeros((2, 2).f());
            kernels::matmul_part(out.view_mut(), matrix.view(), matrix.t(), true, &[]);
        };
        // Data sets.
        "batches": dataset().batches(0, &mut rng());
        "batches": dataset().batches_in_order(0);
        "select": dataset().select(&[9]);
        "batch": dataset().batch(&[9]);
        "Standardizer::fit": Standardizer::fit(&dataset().select(&[]));
        "separator": downhill::datasets::Csv::new("x.csv").separator('→');
        "comments": downhill::datasets::Csv::new("x.csv").comments('→');
        "full_batch": lacking().full_batch();
        "batch": lacking().batch(&[0]);
        "batches": lacking().batches(1, &mut rng());
        "batches": lacking().batches_in_order(1);
        "batches": lacking().batches_balanced(1, &mut rng());
        "batches": lacking().batches_weighted(1, &[1.0; 2], &mut rng());
        "batches": dataset().batches_balanced(0, &mut rng());
        "batches": dataset().batches_weighted(0, &[1.0; 8], &mut rng());
        "Standardizer::fit": Standardizer::fit(&lacking());
        "Standardizer::transform": Standardizer::fit(&dataset()).transform(&lacking());
        "Imputer::transform": {
            let imputer = Imputer::fit(&lacking(), Fill::Value(0.0)).unwrap();
            imputer.transform(&dataset())
        };
        // Metrics.
        "ConfusionMatrix": ConfusionMatrix::new(&[0], &[0], 1 << 63);
        "with_names": confusion().with_names(&["one"]);
        "confusion matrix": confusion().name(2).to_owned();
        "confusion matrix": confusion().count(0, 2);
        "confusion matrix": confusion().true_count(2);
        "confusion matrix": confusion().predicted_count(3);
        "confusion matrix": confusion().precision(2);
        "confusion matrix": confusion().recall(2);
        "confusion matrix": confusion().f1(2);
        "confusion matrix": confusion().f_beta(far, 2.0);
        "bootstrap_interval": bootstrap_interval(0, 1, 0.9, &mut rng(), |_| 0.0);
        "bootstrap_interval": bootstrap_interval(1, 0, 0.9, &mut rng(), |_| 0.0);
        "bootstrap_interval": bootstrap_interval(1, 1, 1.0, &mut rng(), |_| 0.0);
        // What surrounds a loop.
        "History::every": History::<f32>::disabled().every(0);
        "item": {
            let weight = Tensor::parameter([0.0_f32, 1.0]);
            let gradients = weight.sum().backward();
            History::new(&weight).step(&weight, &gradients, &weight, 0.1);
        };
        "History": {
            let (weight, other) = (Tensor::parameter([0.0_f32]), Tensor::parameter([0.0_f32]));
            let loss = weight.sum();
            History::new(&weight).every(1).step(&other, &loss.backward(), &loss, 0.1);
        };
        "History": {
            let (weight, other) = (Tensor::parameter([0.0_f32]), Tensor::parameter([0.0_f32]));
            let loss = weight.sum();
            History::new(&weight).diverged(&other, &loss.backward(), &loss, 0.1);
        };
        "State": {
            let (mut weight, mut other) = (Tensor::parameter([0.0_f32]), Tensor::parameter([0.0]));
            State::new("weight", &mut weight).model("weight", &mut other).shapes()
        };
        "State": {
            let (mut weight, mut count) = (Tensor::parameter([0.0_f32]), 0);
            State::new("weight", &mut weight).value("weight", &mut count).shapes()
        };
        "Checkpoint::keep": Checkpoint::open(folder.path().join("run")).unwrap().keep(0);
        "Checkpoint::share": Checkpoint::open(folder.path().join("run")).unwrap().share(0.0);
        "save_with_notes": {
            let notes = [("checksum", String::new())];
            save_with_notes(parameter, &notes, folder.path().join("model"))
        };
        "TensorBoard::image": {
            let mut board = TensorBoard::create(folder.path().join("board")).unwrap();
            board.image("x", 0, 2, &[0.0; 3])
        };
        // Pictures.
        "Field": Field::new((0.0, 1.0), (0.0, 1.0), 2, vec![0.0; 3]);
        "Field": Field::new((0.0, 1.0), (0.0, 1.0), 1 << 32, vec![]);
        "Field": Field::sample((0.0, 1.0), (0.0, 1.0), 1, |x, _| x);
        "Chart": Chart::new("", "", "").x_range(1.0, 1.0);
        "Chart": Chart::new("", "", "").y_range(0.0, f64::NAN);
        "contours": {
            let field = Field::sample((0.0, 1.0), (0.0, 1.0), 2, |x, _| x);
            Chart::new("", "", "").contours(&field, &[f64::NAN])
        };
        "images": plot::images("Digits", &[image_of_3()]);
        "images": plot::weights("Filters", &[image_of_3()]);
        "weight_images": plot::weight_images(x, [5, 5], &["a"]);
        "heat_map": plot::heat_map("", ["", ""], &["a"], &["b"], &[0.0; 2]);
        "plane_of": plot::plane_of(y);
        "DecisionMap": DecisionMap::new(x, &[0, 1], &["a", "b"]);
        "DecisionMap": DecisionMap::new(&zeros(&[1, 2]), &[1], &["a"]);
        "DecisionMap": DecisionMap::new(&zeros(&[1, 2]), &[0], &["a"]).capture(0, x);
        "embedding": report().embedding("", x, &["one"], &[]);
        "plane_of": report().embedding("", y, &["one"], &[]);
        "heat_map": report().language_model(&[], &["a"], &[0.0; 2]);
    }
    let mut wrong = Vec::new();
    for (index, (name, case)) in cases.iter().enumerate() {
        let (message, file) = panic_of(case);
        let named = message.trim_start_matches("assertion `left == right` failed: ");
        if !named.starts_with(&format!("{name}:")) || file != file!() {
            wrong.push(format!("case {index}, {name}: {file}: {message}"));
        }
    }
    let mut model = Tensor::parameter([0.0_f32]);
    let gradients = model.square().sum().backward();
    // The caller is the rule.
    let step = || drop(FirstOrder::with_rule(0.1, Wrong).step(&mut model, &gradients));
    let (message, file) = panic_of(step);
    if !message.starts_with("Update::each:") || file != file!() {
        wrong.push(format!("{file}: {message}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn confusion() -> ConfusionMatrix {
    ConfusionMatrix::new(&[0, 1], &[0, 1], 2).unwrap()
}

/// A table of one column in which a value is missing.
fn lacking() -> Dataset {
    let table = Csv::from_text("table", "x,class\n1,a\n,b\n").keep_missing(true);
    table.read_classification().unwrap()
}

fn image_of_3() -> plot::Image {
    plot::Image { pixels: vec![0.0; 3], width: 2, caption: vec![] }
}

fn report() -> Report {
    Report::create(tempfile::tempdir().unwrap().path().join("report"), "A run").unwrap()
}

fn dataset() -> Dataset {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(7);
    downhill::datasets::synthetic::moons(8, 0.1, rng).unwrap()
}
