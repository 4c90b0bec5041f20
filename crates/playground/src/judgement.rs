//! Which classes are taken for which, and whether probabilities mean what they say.

use downhill_tensor::without_recording;

use crate::data::{Answers, Batch};
use crate::reply::Reply;
use crate::state::State;

/// The bins that confidence is sorted into.
const BINS: usize = 10;

/// How the points of one part are judged. `name.confusion`, `[C, C]`, counts the points of each
/// class (a row) by what they are taken for (a column). `name.calibration`, `[10, 3]`, sorts the
/// points by how sure the network is of what it takes them for, into bins of equal width: of each
/// bin the mean confidence, the share that is right, and the number of points.
pub(crate) fn judge(reply: &mut Reply, name: &str, state: &State, batch: &Batch) {
    let Answers::Labels(labels) = &batch.answers else { return };
    if labels.is_empty() {
        return;
    }
    let said =
        without_recording(|| state.plan.loss.predict(&state.network.evaluate(&batch.features)));
    let classes = said.shape()[1];
    let mut confusion = vec![0.0; classes * classes];
    let mut bins = [[0.0; 3]; BINS];
    for ((row, named), &label) in said.array().rows().into_iter().zip(said.argmax(-1)).zip(labels) {
        confusion[label * classes + named] += 1.0;
        let confidence = row[named];
        // Bins hold their upper end, as those of `downhill_train::metrics::Calibration`.
        let edge = |bin: &usize| (*bin + 1) as f32 / BINS as f32 >= confidence;
        let bin = &mut bins[(0..BINS - 1).find(edge).unwrap_or(BINS - 1)];
        bin[0] += confidence;
        bin[1] += f32::from(u8::from(named == label));
        bin[2] += 1.0;
    }
    reply.put_floats(&format!("{name}.confusion"), confusion);
    let means = bins.map(|[confidence, right, count]| [confidence / count, right / count, count]);
    reply.put_floats(&format!("{name}.calibration"), means.into_iter().flatten());
}

/// Of the points to test on that are taken for another class, those whose own class gets the least
/// probability: the point, what it is taken for, and that probability.
pub(crate) fn worst(state: &State, count: usize) -> Vec<[f32; 3]> {
    let Answers::Labels(labels) = &state.plan.data.whole_test.answers else { return Vec::new() };
    if labels.is_empty() {
        return Vec::new();
    }
    let features = &state.plan.data.whole_test.features;
    let said = without_recording(|| state.plan.loss.predict(&state.network.evaluate(features)));
    let named = said.argmax(-1);
    let points = said.array();
    let mut wrong: Vec<[f32; 3]> = (0..labels.len())
        .filter(|&index| named[index] != labels[index])
        .map(|index| [index as f32, named[index] as f32, points[[index, labels[index]]]])
        .collect();
    wrong.sort_by(|a, b| a[2].total_cmp(&b[2]));
    wrong.truncate(count);
    wrong
}
