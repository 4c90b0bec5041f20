//! The plane as a model divides it.

use downhill::prelude::*;
use downhill_report::plot::DecisionMap;

/// What a model decided before training and after some of the steps.
pub(crate) fn decisions(moments: &[(usize, Mlp)], data: &Dataset) -> DecisionMap {
    let points = data.full_batch().features;
    let mut map = DecisionMap::new(&points, data.labels(), data.class_names());
    for (step, model) in moments {
        let logits = without_recording(|| model.forward(map.grid()));
        map.capture(*step, &logits);
    }
    map
}

/// The plane as the model divides it: a letter for each class, capital where a training point
/// lies.
pub(crate) fn letters(model: &Mlp, data: &Dataset) -> String {
    const COLUMNS: usize = 60;
    const ROWS: usize = 28;
    const EXTENT: f32 = 1.2;
    let at =
        |index: usize, count: usize| EXTENT * (2.0 * (index as f32 + 0.5) / count as f32 - 1.0);
    let cells: Vec<f32> = (0..ROWS * COLUMNS)
        .flat_map(|cell| [at(cell % COLUMNS, COLUMNS), -at(cell / COLUMNS, ROWS)])
        .collect();
    let cells = Tensor::from(cells).reshape(&[ROWS * COLUMNS, 2]);
    let classes = without_recording(|| model.forward(&cells)).argmax(-1);
    let mut letters: Vec<u8> = classes.iter().map(|&class| b'a' + class as u8).collect();
    for (point, &label) in data.features().rows().into_iter().zip(data.labels()) {
        // None for a point that noise has moved off the map.
        let cell = |x: f32, count: usize| {
            let cell = (x / EXTENT + 1.0) / 2.0 * count as f32;
            (0.0..count as f32).contains(&cell).then_some(cell as usize)
        };
        if let (Some(column), Some(row)) = (cell(point[0], COLUMNS), cell(-point[1], ROWS)) {
            letters[row * COLUMNS + column] = b'A' + label as u8;
        }
    }
    let rows = letters.chunks(COLUMNS).map(String::from_utf8_lossy);
    rows.collect::<Vec<_>>().join("\n")
}
