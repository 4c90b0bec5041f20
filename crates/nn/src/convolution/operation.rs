//! The convolution as a differentiable operation.
//!
//! The sum Σ g · (x ∗ w) over all outputs is linear in each of the gradient g, the images x and
//! the kernels w. Its derivatives with respect to g, x and w are three operations. Each is
//! linear in two of the three and has the other two as its derivatives:
//!
//! | operation | with respect to | is |
//! | --- | --- | --- |
//! | [`convolve`]\(x, w\) | x | `spread`(g, w) |
//! | | w | `correlate`(x, g) |
//! | [`spread`]\(g, w\), the transposed convolution | g | `convolve`(x, w) |
//! | | w | `correlate`(x, g) |
//! | [`correlate`]\(x, g\) | x | `spread`(g, w) |
//! | | g | `convolve`(x, w) |
//!
//! So the three are closed under differentiation, to any order. Each is computed image by image
//! as a matrix product with the image's patches, one a column (Chellapilla, Puri & Simard, "High
//! performance convolutional neural networks for document processing", 2006).

use downhill_kernels::{buffer, each_chunk, matmul_onto};
use downhill_tensor::export::written;
use downhill_tensor::{Element, Tensor, operation};
use ndarray::{ArrayD, ArrayView2};

use super::patches::{Patches, Workspace};
use crate::initializer::checked_len;
use crate::window::Window;

/// Products with fewer multiplications than this are not worth waking another thread for.
const WORTH_THREADS: usize = 1 << 20;

/// This many images add up their weight gradients in order before the sums are added up, so that
/// the result does not depend on the number of threads.
const CHUNK: usize = 8;

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
struct Plan {
    images: usize,
    groups: usize,
    /// The number of output channels of a group.
    outputs: usize,
    /// The patches of a group.
    patches: Patches,
}

/// x ∗ weight + bias.
#[inline(never)]
#[track_caller]
pub(crate) fn convolution<E: Element>(
    x: &Tensor<E>,
    weight: &Tensor<E>,
    bias: Option<&Tensor<E>>,
    window: Window,
    groups: usize,
) -> Tensor<E> {
    let (outputs, channels) = (weight.shape()[0] / groups, weight.shape()[1]);
    let inputs = channels * groups;
    let &[images, found, height, width] = x.shape() else {
        panic!("Conv2d: the input has shape {:?}; [N, {inputs}, H, W] is needed", x.shape());
    };
    assert!(
        found == inputs,
        "Conv2d: the input has shape {:?}, but the kernels {:?} take {inputs} channels",
        x.shape(),
        weight.shape()
    );
    let size = [height, width];
    let positions = window.positions("Conv2d", size);
    let patches = Patches { window, channels, size, positions };
    let plan = Plan { images, groups, outputs, patches };
    let padded = patches.padded_size();
    let kernel = window.0.map(|span| span.kernel);
    for shape in [
        &plan.output_shape()[..],
        &[channels, padded[0], padded[1]],
        &[channels, kernel[0], kernel[1], positions[0], positions[1]],
    ] {
        checked_len::<E>("Conv2d", shape);
    }
    convolve(x, weight, bias, plan)
}

/// x ∗ w + bias: `[N, inputs, H, W]` to `[N, outputs, H′, W′]`.
fn convolve<E: Element>(
    x: &Tensor<E>,
    weight: &Tensor<E>,
    bias: Option<&Tensor<E>>,
    plan: Plan,
) -> Tensor<E> {
    let shape = plan.output_shape();
    let area = plan.patches.columns();
    let mut out = buffer(shape.iter().product());
    let (xs, weights, biases) = (x.values(), weight.values(), bias.map(Tensor::values));
    each_chunk(
        &mut out,
        plan.outputs * area,
        plan.is_worth_threads(),
        || plan.patches.workspace(),
        |workspace, index, out| {
            let group = index % plan.groups;
            for (channel, out) in out.chunks_exact_mut(area.max(1)).enumerate() {
                let bias = biases.as_ref().map(|biases| biases[group * plan.outputs + channel]);
                out.fill(bias.unwrap_or(E::zero()));
            }
            plan.gather(&xs, index, workspace);
            matmul_onto(out, plan.kernels(&weights, group), plan.matrix(workspace));
        },
    );
    let inputs: Vec<&Tensor<E>> = [x, weight].into_iter().chain(bias).collect();
    let label = written("conv2d", move |inputs, _, export| {
        export.node("Conv", inputs, plan.patches.window.convolution_attributes(plan.groups))
    });
    operation::variadic(label, &inputs, array(&shape, out), move |index, gradient, _, inputs| {
        match index {
            0 => spread(&gradient, &inputs[1], plan),
            1 => correlate(&inputs[0], &gradient, plan),
            _ => gradient.reshape(&[plan.images, shape[1], area]).sum_axes(-1).sum_axes(0),
        }
    })
}

/// The transposed convolution: adds each kernel, times its output's gradient, to where it lay.
fn spread<E: Element>(gradient: &Tensor<E>, weight: &Tensor<E>, plan: Plan) -> Tensor<E> {
    let shape = plan.input_shape();
    let mut out = buffer(shape.iter().product());
    let (gradients, weights) = (gradient.values(), weight.values());
    each_chunk(
        &mut out,
        plan.patches.channels_len(),
        plan.is_worth_threads(),
        || plan.patches.workspace(),
        |workspace, index, out| {
            let kernels = plan.kernels(&weights, index % plan.groups);
            workspace.matrix.fill(E::zero());
            matmul_onto(&mut workspace.matrix, kernels.t(), plan.outputs_of(&gradients, index));
            plan.patches.scatter(workspace, out);
        },
    );
    operation::binary(
        "conv2d_spread",
        [gradient, weight],
        array(&shape, out),
        move |x, _, _, weight| convolve(&x, weight, None, plan),
        move |x, _, gradient, _| correlate(&x, gradient, plan),
    )
}

/// The sum over all positions of each output's gradient times the patch it was computed from.
fn correlate<E: Element>(x: &Tensor<E>, gradient: &Tensor<E>, plan: Plan) -> Tensor<E> {
    let shape = plan.weight_shape();
    let (xs, gradients) = (x.values(), gradient.values());
    let len: usize = shape.iter().product();
    let mut sums = vec![E::zero(); len * plan.images.div_ceil(CHUNK)];
    each_chunk(
        &mut sums,
        len,
        plan.is_worth_threads(),
        || plan.patches.workspace(),
        |workspace, chunk, sums| {
            for image in chunk * CHUNK..plan.images.min((chunk + 1) * CHUNK) {
                for (group, sums) in sums.chunks_exact_mut(len / plan.groups).enumerate() {
                    let index = image * plan.groups + group;
                    plan.gather(&xs, index, workspace);
                    let patches = plan.matrix(workspace);
                    matmul_onto(sums, plan.outputs_of(&gradients, index), patches.t());
                }
            }
        },
    );
    let mut total = vec![E::zero(); len];
    for sums in sums.chunks_exact(len) {
        total.iter_mut().zip(sums).for_each(|(total, &sum)| *total += sum);
    }
    operation::binary(
        "conv2d_correlate",
        [x, gradient],
        array(&shape, total),
        move |weight, _, _, gradient| spread(gradient, &weight, plan),
        move |weight, _, x, _| convolve(x, &weight, None, plan),
    )
}

fn array<E>(shape: &[usize], values: Vec<E>) -> ArrayD<E> {
    ArrayD::from_shape_vec(shape, values).expect("as many values as the shape holds")
}

/// Groups are numbered through all images: group g of image i is number i · groups + g.
impl Plan {
    fn input_shape(&self) -> [usize; 4] {
        let [height, width] = self.patches.size;
        [self.images, self.groups * self.patches.channels, height, width]
    }

    fn output_shape(&self) -> [usize; 4] {
        let [height, width] = self.patches.positions;
        [self.images, self.groups * self.outputs, height, width]
    }

    fn weight_shape(&self) -> [usize; 4] {
        let [height, width] = self.patches.window.0.map(|span| span.kernel);
        [self.groups * self.outputs, self.patches.channels, height, width]
    }

    fn is_worth_threads(&self) -> bool {
        let products = self.outputs * self.patches.rows() * self.patches.columns();
        self.images * self.groups * products >= WORTH_THREADS
    }

    /// The patches of a group of channels of x.
    fn gather<E: Element>(&self, xs: &[E], index: usize, workspace: &mut Workspace<E>) {
        let len = self.patches.channels_len();
        self.patches.gather(&xs[index * len..][..len], workspace);
    }

    /// Patches as a matrix, `[patch, positions]`.
    fn matrix<'a, E>(&self, workspace: &'a Workspace<E>) -> ArrayView2<'a, E> {
        view([self.patches.rows(), self.patches.columns()], 0, &workspace.matrix)
    }

    /// The kernels of a group of weights, `[outputs / groups, patch]`.
    fn kernels<'a, E>(&self, weights: &'a [E], group: usize) -> ArrayView2<'a, E> {
        view([self.outputs, self.patches.rows()], group, weights)
    }

    /// The values of a group of outputs, `[outputs / groups, positions]`.
    fn outputs_of<'a, E>(&self, values: &'a [E], index: usize) -> ArrayView2<'a, E> {
        view([self.outputs, self.patches.columns()], index, values)
    }
}

/// The matrix number `index` of those that stand in `values` one after the other.
fn view<E>(shape: [usize; 2], index: usize, values: &[E]) -> ArrayView2<'_, E> {
    let len = shape[0] * shape[1];
    ArrayView2::from_shape(shape, &values[index * len..][..len])
        .expect("the slice has the shape's length")
}
