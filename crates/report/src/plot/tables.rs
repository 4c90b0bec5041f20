//! Tables of numbers as shades of colour.

use super::chart::Chart;
use super::layer::{Layer, Paint, Rectangle, Shape};
use super::picture::{INK, LABEL, Picture, SERIES, WIDTH, text_width};
use downhill_train::metrics::ConfusionMatrix;

/// The least opacity of a cell that is not empty.
const LEAST: f64 = 0.12;
/// The greatest opacity: text on it has a contrast of 4.5, on a light sheet and on a dark one.
const GREATEST: f64 = 0.7;

/// How a cell of a table is drawn.
struct Cell {
    /// How strong its colour is, from 0 to 1.
    strength: f64,
    /// Which of the series' colours it has.
    color: usize,
    text: String,
}

/// Counts of true and predicted classes. The shade of a cell is its share of its row, the samples
/// of one class; those on the diagonal, where the two agree, differ in colour from the mistakes.
pub fn confusion_matrix(confusion: &ConfusionMatrix) -> Picture {
    let classes = confusion.class_count();
    let names: Vec<&str> = (0..classes).map(|class| confusion.name(class)).collect();
    let chart = Chart::new("Confusion matrix", "predicted class", "true class").square();
    table(chart, &names, &names, |row, column| {
        let count = confusion.count(row, column);
        let share = count as f64 / confusion.true_count(row).max(1) as f64;
        Cell {
            strength: if count == 0 { 0.0 } else { LEAST + (1.0 - LEAST) * share },
            color: usize::from(row != column),
            text: if count == 0 { String::new() } else { count.to_string() },
        }
    })
}

/// A table of numbers, row by row: the farther a number from 0, the stronger its colour. Negative
/// ones have another colour. One that is not finite stays empty.
///
/// # Panics
///
/// If `values` does not hold as many numbers as the table has cells.
///
/// ```
/// use downhill_report::plot::heat_map;
///
/// let next = [0.0, 0.9, 0.1, 0.5, 0.2, 0.3];
/// let labels = ["next character", "character"];
/// let picture = heat_map("What follows what", labels, &["a", "b", "c"], &["a", "b"], &next);
/// assert!(picture.svg().contains("greatest: 0.9"));
/// ```
#[track_caller]
pub fn heat_map(
    title: &str,
    [x_label, y_label]: [&str; 2],
    columns: &[impl ToString],
    rows: &[impl ToString],
    values: &[f64],
) -> Picture {
    assert!(
        values.len() == columns.len() * rows.len(),
        "heat_map: {} values for {} rows and {} columns",
        values.len(),
        rows.len(),
        columns.len()
    );
    let sizes = values.iter().map(|value| value.abs()).filter(|size| size.is_finite());
    let greatest = sizes.fold(0.0, f64::max);
    let chart = Chart::new(title, x_label, y_label);
    let legend = Layer {
        name: Some(format!("greatest: {}", downhill_train::format_short(greatest))),
        shape: Shape::Rectangles(Vec::new()),
        paint: Paint::Fixed(SERIES[0]),
        opacity: GREATEST,
    };
    let mut chart = chart.layer(legend);
    if values.iter().any(|value| *value < 0.0) {
        chart = chart.layer(Layer {
            name: Some("negative".into()),
            shape: Shape::Rectangles(Vec::new()),
            paint: Paint::Fixed(SERIES[1]),
            opacity: GREATEST,
        });
    }
    chart.square = rows.len() * 2 > columns.len() && columns.len() * 2 > rows.len();
    table(chart, columns, rows, |row, column| {
        let value = values[row * columns.len() + column];
        // The root, so that one number far above all others does not make them invisible.
        let strength = match value.is_finite() && greatest > 0.0 {
            true => (value.abs() / greatest).sqrt(),
            false => 0.0,
        };
        Cell {
            strength,
            color: usize::from(value < 0.0),
            text: downhill_train::format_short(value),
        }
    })
}

/// Draws a table; the cells' texts only if all have room.
fn table(
    chart: Chart,
    columns: &[impl ToString],
    rows: &[impl ToString],
    cell: impl Fn(usize, usize) -> Cell,
) -> Picture {
    let mut chart = chart.x_names(columns).y_names(rows);
    let cells: Vec<(usize, usize, Cell)> = (0..rows.len())
        .flat_map(|row| (0..columns.len()).map(move |column| (row, column)))
        .map(|(row, column)| (row, column, cell(row, column)))
        .collect();
    for (color, paint) in SERIES.iter().enumerate().take(2) {
        let rectangles =
            cells.iter().filter(|(_, _, cell)| cell.color == color && cell.strength > 0.0);
        let rectangle = |(row, column, cell): &(usize, usize, Cell)| {
            let (x, y) = (*column as f64, *row as f64);
            Rectangle {
                corners: [(x, y), (x + 1.0, y + 1.0)],
                share: GREATEST * cell.strength,
                title: Some(format!(
                    "{} → {}: {}",
                    rows[*row].to_string(),
                    columns[*column].to_string(),
                    cell.text
                )),
            }
        };
        chart = chart.layer(Layer {
            name: None,
            shape: Shape::Rectangles(rectangles.map(rectangle).collect()),
            paint: Paint::Fixed(*paint),
            opacity: 1.0,
        });
    }
    let widest = cells.iter().map(|(_, _, cell)| text_width(&cell.text, LABEL)).fold(0.0, f64::max);
    // The names along y and the margins take up to a third of the sheet.
    if widest < WIDTH * 0.65 / columns.len().max(1) as f64 {
        let text = |(row, column, cell): &(usize, usize, Cell)| {
            ((*column as f64 + 0.5, *row as f64 + 0.5), cell.text.clone())
        };
        let texts = cells.iter().map(text).collect();
        chart = chart.layer(Layer {
            name: None,
            shape: Shape::Texts { texts, upright: false, halo: false },
            paint: Paint::Fixed(INK),
            opacity: 1.0,
        });
    }
    chart.picture()
}
