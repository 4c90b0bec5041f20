//! Every documented panic names the caller's file and the operation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use downhill_tensor::{
    Axes, Gradients, Norm, Tensor, grad, grad_with, hessian, hessian_vector_product, keep,
};
use ndarray::{ArrayD, arr0, array};

/// The message of a panic and the file it names.
fn panic_of(f: impl FnOnce()) -> (String, String) {
    static FOUND: Mutex<(String, String)> = Mutex::new((String::new(), String::new()));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let file = panic.location().map_or("", |location| location.file());
        let text = panic.payload().downcast_ref::<String>().cloned();
        let message =
            text.or_else(|| panic.payload().downcast_ref::<&str>().map(|&text| text.into()));
        *FOUND.lock().unwrap() = (message.unwrap_or_default(), file.into());
    }));
    let result = catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(hook);
    match result {
        Ok(()) => ("nothing panics".into(), String::new()),
        Err(_) => FOUND.lock().unwrap().clone(),
    }
}

/// One test, for there is one hook for all threads.
#[test]
fn every_panic_names_the_callers_file_and_the_operation() {
    let zeros = |shape: &[usize]| Tensor::<f32>::zeros(shape);
    let (x, y) = (&zeros(&[2, 3]), &zeros(&[4]));
    let scalar = &Tensor::scalar(0.0_f32);
    let parameter = &Tensor::parameter([1.0_f32, 2.0]);
    let wide: &Tensor = &zeros(&[1 << 33, 0]);
    let mask = &array![true, false].into_dyn();
    let far: &ArrayD<usize> = &array![[9]].into_dyn();
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
        // Two operands.
        "add": x + y;
        "sub": x - y;
        "mul": x * y;
        "div": x / y;
        "add": x.clone() + y;
        "add": x + y.clone();
        "add": x.clone() + y.clone();
        "add": { let mut sum = x.clone(); sum += y.clone(); sum };
        "mul": x.clone().times(y);
        "div": x.clone().over(y);
        "maximum": x.maximum(y);
        "minimum": x.minimum(y);
        "pow": x.pow(y);
        "x_ln_y": x.x_ln_y(y);
        "select": Tensor::select(mask, x, y);
        "select": Tensor::select(mask, x, x);
        "masked_fill": x.masked_fill(mask, 0.0);
        "clamp": x.clamp(1.0, 0.0);
        "clamp": x.clamp(f32::NAN, 0.0);
        // Axes.
        "sum": x.sum_axes(2);
        "sum": x.sum_axes([0, -2]);
        "mean": x.mean_axes(-3);
        "mean": x.center_axes(2);
        "variance": x.variance_axes(2, 0);
        "std": x.std_axes(2, 0);
        "norm": x.norm_axes(Norm::L2, 2);
        "sum": x.squared_norm_axes(2);
        "max": x.max_axes(2);
        "min": x.min_axes(keep(2));
        "max": zeros(&[2, 0]).max();
        "min": zeros(&[2, 0]).min();
        "log_sum_exp": x.log_sum_exp_axes(Axes::from([0, 0]));
        "argmax": x.argmax(2);
        "argmax": zeros(&[2, 0]).argmax(1);
        "softmax": x.softmax(2);
        "log_softmax": x.log_softmax(-3);
        // Products.
        "matmul": x.matmul(y);
        "matmul": x.matmul(scalar);
        "matmul": zeros(&[2, 3, 3]).matmul(&zeros(&[4, 3, 3]));
        "linear": x.linear(&zeros(&[3, 2]), y);
        "linear": x.linear(&zeros(&[2, 2]), y);
        // Shapes.
        "reshape": x.reshape(&[5]);
        "permute": x.permute(&[0, 0]);
        "transpose": y.transpose();
        "broadcast_to": x.broadcast_to(&[2, 4]);
        "squeeze": x.squeeze(0);
        "squeeze": x.squeeze(5);
        "unsqueeze": x.unsqueeze(5);
        "concat": Tensor::<f32>::concat(&[], 0);
        "concat": Tensor::concat(&[x, y], 0);
        "concat": Tensor::concat(&[x, &zeros(&[3, 3])], 1);
        "concat": Tensor::concat(&[x], 2);
        "stack": Tensor::<f32>::stack(&[], 0);
        "stack": Tensor::stack(&[x, y], 0);
        "stack": Tensor::stack(&[x, x], 5);
        "slice": x.slice(0, 1..5);
        "slice": x.slice(2, ..);
        "pad": x.pad(2, 0, 0, 0.0);
        // Indices.
        "select_rows": x.select_rows(&[2]);
        "select_rows": scalar.select_rows(&[]);
        "scatter_rows": x.scatter_rows(&[0], 3);
        "scatter_rows": x.scatter_rows(&[0, 3], 3);
        "gather": x.gather(2, far);
        "gather": x.gather(0, &array![1].into_dyn());
        "gather": zeros(&[1, 2]).gather(1, far);
        "scatter": x.scatter(0, far, 3);
        "scatter": zeros(&[1, 1]).scatter(0, far, 3);
        "one_hot": Tensor::<f32>::one_hot(&[3], 3);
        // Lengths beyond what memory has addresses for.
        "zeros": zeros(&[1 << 32, 1 << 32]);
        "zeros": zeros(&[1 << 63, 2, 0]);
        "ones": Tensor::<f32>::ones(&[usize::MAX]);
        "full": Tensor::full(&[1 << 62], 1.0_f32);
        "matmul": wide.matmul(&zeros(&[0, 1 << 31]));
        "matmul": zeros(&[1, 1 << 33, 0]).matmul(&zeros(&[1, 0, 1 << 31]));
        "linear": zeros(&[1 << 43, 0]).linear(&zeros(&[0, 1 << 20]), &zeros(&[1 << 20]));
        "add": zeros(&[0, 1 << 40, 1]) + zeros(&[1, 1, 1 << 23]);
        "select": Tensor::select(&arr0(true).into_dyn(), &zeros(&[0, 1 << 40, 1]), &zeros(&[1 << 23]));
        "reshape": zeros(&[0]).reshape(&[0, 1 << 63, 2]);
        "broadcast_to": scalar.broadcast_to(&[1 << 62]);
        "concat": Tensor::concat(&[&zeros(&[1 << 60, 0]), &zeros(&[1 << 60, 0])], 0);
        "pad": y.pad(0, usize::MAX, 2, 0.0);
        "slice": y.slice(0, ..=usize::MAX);
        "select_rows": zeros(&[1, 0, 1 << 60]).select_rows(&[0, 0]);
        "scatter_rows": zeros(&[0, 1 << 30]).scatter_rows(&[], 1 << 40);
        "scatter": zeros(&[0]).scatter(0, &ArrayD::zeros(vec![0]), 1 << 62);
        "one_hot": Tensor::<f32>::one_hot(&[0; 16], 1 << 60);
        // Differentiation.
        "item": x.item();
        "backward": parameter.backward();
        "backward": scalar.backward();
        "backward": x.backward_with(x);
        "backward_with": parameter.backward_with(scalar);
        "grad": grad(parameter, &[parameter]);
        "grad_with": grad_with(&[parameter], &[scalar], &[parameter]);
        "grad_with": grad_with(&[parameter], &[], &[parameter]);
        "grad": hessian(parameter, parameter);
        "grad": hessian_vector_product(parameter, &[parameter], &[parameter]);
        "grad_with": hessian_vector_product(&parameter.square().sum(), &[parameter], &[scalar]);
        "update": { (parameter * 2.0).update(|_| {}); 0 };
        "update": { (parameter * 2.0).update_from(|_, _| {}); 0 };
        "Gradients::insert": { Gradients::default().insert(x, zeros(&[2, 3])); 0 };
        "Gradients::insert": { Gradients::default().insert(parameter, zeros(&[3])); 0 };
    }
    let mut wrong = Vec::new();
    for (index, (name, case)) in cases.iter().enumerate() {
        let (message, file) = panic_of(case);
        if !message.starts_with(&format!("{name}:")) || file != file!() {
            wrong.push(format!("case {index}, {name}: {file}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
