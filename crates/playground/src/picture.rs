//! What the network makes of a whole region.

use downhill_tensor::{Tensor, without_recording};

use crate::data::{Data, Samples};
use crate::reply::Reply;
use crate::setting::{Setting, Source};
use crate::state::State;

/// The region that is looked at: left, right, bottom, top. Of one feature, the bottom and the top
/// are values.
pub(crate) fn extent(setting: &Setting, data: &Data) -> [f32; 4] {
    let mut extent = [f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, f32::NEG_INFINITY];
    if data.width() == 1 {
        return [-1.2, 1.2, -0.1, 1.1];
    }
    for batch in [&data.whole_train, &data.whole_test] {
        for point in batch.features.array().rows() {
            for axis in 0..2 {
                extent[2 * axis] = extent[2 * axis].min(point[axis]);
                extent[2 * axis + 1] = extent[2 * axis + 1].max(point[axis]);
            }
        }
    }
    if setting.data.source == Source::Table {
        for axis in 0..2 {
            let margin = (extent[2 * axis + 1] - extent[2 * axis]).max(1e-3) * 0.08;
            extent[2 * axis] -= margin;
            extent[2 * axis + 1] += margin;
        }
        return extent;
    }
    let reach =
        extent.iter().filter(|x| x.is_finite()).fold(1.2, |reach: f32, x| reach.max(x.abs()));
    [-reach, reach, -reach, reach]
}

/// The middles of a grid's cells, row by row from the upper left; of one feature only the first
/// coordinate.
fn grid([left, right, bottom, top]: [f32; 4], rows: usize, cells: usize, width: usize) -> Tensor {
    let along =
        |from: f32, to: f32, index: usize| from + (to - from) * (index as f32 + 0.5) / cells as f32;
    let points = (0..rows * cells).flat_map(|cell| {
        [along(left, right, cell % cells), along(top, bottom, cell / cells)].into_iter().take(width)
    });
    Tensor::from_shape_vec(&[rows * cells, width], points.collect()).expect("as many as are taken")
}

/// What is said of each cell of a grid: its probabilities, or its value, in 255ths. Of one feature,
/// `name.line` holds the values along it as they are.
pub(crate) fn map(reply: &mut Reply, name: &str, state: &State, extent: [f32; 4], cells: usize) {
    without_recording(|| {
        let width = state.plan.data.width();
        let rows = if width == 1 { 1 } else { cells };
        let logits = state.network.evaluate(&grid(extent, rows, cells, width));
        let said = state.plan.loss.predict(&logits);
        match width {
            1 => reply.put_floats(&format!("{name}.line"), said.to_vec()),
            // NaN becomes 0.
            _ => reply.put_bytes(name, said.array().iter().map(|p| (p * 255.0).round() as u8)),
        }
    });
}

/// The output of each hidden unit in each cell of a grid: 128 is 0, and 1 and 255 are as far from
/// it as the unit gets, which `name.scale` says.
pub(crate) fn units(reply: &mut Reply, name: &str, state: &State, extent: [f32; 4], cells: usize) {
    without_recording(|| {
        let (hidden, logits) =
            state.network.trace(&grid(extent, cells, cells, state.plan.data.width()));
        let mut scales = Vec::new();
        let mut images = Vec::new();
        for layer in hidden.iter().map(|layer| &layer.output).chain([&logits]) {
            for unit in layer.array().columns() {
                let scale = unit.iter().fold(0.0, |scale: f32, x| scale.max(x.abs()));
                let factor = if scale > 0.0 { 127.0 / scale } else { 0.0 };
                images.extend(unit.iter().map(|x| (128.0 + x * factor).round() as u8));
                scales.push(scale);
            }
        }
        reply.put_bytes(name, images);
        reply.put_floats(&format!("{name}.scale"), scales);
    });
}

/// The images of digits, 0 white and 255 black, as they were before they were standardised.
pub(crate) fn images(reply: &mut Reply, name: &str, data: &Data, samples: &Samples) {
    let (Some(standardizer), Samples::Classes(samples)) = (&data.standardizer, samples) else {
        return;
    };
    let (mean, scale) = (standardizer.mean(), standardizer.standard_deviation());
    let pixels = samples.features().mapv(f64::from) * scale + mean;
    // Pixels count to 16.
    reply.put_bytes(name, pixels.iter().map(|pixel| (pixel * (255.0 / 16.0)).round() as u8));
}
