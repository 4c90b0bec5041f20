//! What a program uses of the operations, so that a library can compile it, once.
//!
//! A generic function is compiled in each program that uses it, and here each loop for three sets of
//! vector instructions. But one that is marked `#[inline(never)]` is linked, and not compiled again,
//! if a crate that the program depends on has compiled it for the same types. What takes long is
//! marked; a crate between many programs and this one refers to [`compiled`], as the lessons' own
//! library does.

use ndarray::ArrayD;

use crate::operations::{Axes, Norm, keep};
use crate::tensor::Tensor;
use crate::{grad_with, hessian, hessian_vector_product};
use downhill_kernels::Element;

/// Refers to the operations. To be compiled, not called.
pub fn compiled<E: Element>() {
    let (x, y) = (&mut Tensor::<E>::zeros(&[1]), &mut Tensor::<E>::zeros(&[1]));
    let (indices, mask) = (&ArrayD::zeros(vec![1]), &ArrayD::default(vec![1]));
    let number = y.item();
    let shape = y.shape().to_vec();
    let replace = |x: &mut Tensor<E>, result: Tensor<E>| *x = result;
    macro_rules! each {
        ($($result:expr;)*) => {$( replace(x, $result); )*};
    }
    each! {
        &*x + &*y; x.clone() + &*y; &*x + y.clone(); x.clone() + y.clone(); &*x + number;
        &*x - &*y; x.clone() - &*y; &*x - y.clone(); x.clone() - y.clone(); &*x - number;
        &*x * &*y; x.clone() * &*y; &*x * y.clone(); x.clone() * y.clone(); &*x * number;
        &*x / &*y; x.clone() / &*y; &*x / y.clone(); x.clone() / y.clone(); &*x / number;
        -&*x; -x.clone(); x.maximum(y); x.minimum(y);
        x.clone().times(y); x.clone().over(y);
        x.exp(); x.ln(); x.ln_1p(); x.exp_m1(); x.sqrt(); x.square(); x.reciprocal(); x.abs();
        x.sin(); x.cos(); x.tanh(); x.sigmoid(); x.log_sigmoid(); x.softplus(); x.relu();
        x.leaky_relu(number); x.clamp(number, number); x.normal_cdf(); x.gelu(); x.gelu_tanh();
        x.silu(); x.powi(3); x.powf(number); x.x_ln_y(y); x.pow(y);
        x.sum(); x.mean(); x.max(); x.min(); x.log_sum_exp(); x.softmax(0); x.log_softmax(0);
        x.variance(0); x.std(0); x.norm(Norm::L2); x.sort(0).0; x.top_k(1, 0).0; x.cumsum(0);
        x.matmul(y); x.linear(y, y); x.reshape(&shape); x.permute(&shape); x.transpose();
        x.broadcast_to(&shape); x.squeeze(0); x.unsqueeze(0); Tensor::concat(&[&*x, &*y], 0);
        Tensor::stack(&[&*x, &*y], 0); x.slice(0, 0..1); x.pad(0, 1, 1, number);
        x.select_rows(&shape); x.scatter_rows(&shape, 1); x.gather(0, indices);
        x.scatter(0, indices, 1); Tensor::one_hot(&shape, 1); Tensor::select(mask, x, y);
        x.masked_fill(mask, number); hessian(x, y); hessian_vector_product(x, &[y], &[y]).remove(0);
        grad_with(&[&*x], &[&*y], &[&*y]).remove(0);
    }
    fn over_axes<E: Element>(x: &Tensor<E>, axes: impl Into<Axes> + Copy) -> [Tensor<E>; 7] {
        [
            x.sum_axes(axes),
            x.mean_axes(axes),
            x.max_axes(axes),
            x.log_sum_exp_axes(axes),
            x.variance_axes(axes, 0),
            x.sum_axes(keep(axes)),
            x.mean_axes(keep(axes)),
        ]
    }
    each! {
        over_axes(x, 0)[0].clone(); over_axes(x, [0])[0].clone(); over_axes(x, &[0][..])[0].clone();
    }
    *y += x.clone();
    x.backward();
    let _ = (x.argmax(0), format!("{x} {x:?}"));
}

/// Compiles them here for builds without optimisation and for tests, which take many programs; these
/// link to every generic function that is compiled, marked or not.
#[cfg(all(debug_assertions, not(test)))]
#[inline(never)]
pub fn compiled_in_debug_builds() {
    compiled::<f32>();
    compiled::<f64>();
}
