//! Small pictures side by side.

use super::picture::{INK, LABEL, MARGIN, Picture, WIDTH, fill, fitted, style};
use super::svg::{Anchor, Baseline, Color};

/// A grey-scale image with a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The pixels row by row. The least is black and the greatest white.
    pub pixels: Vec<f64>,
    /// The number of pixels in a row.
    pub width: usize,
    /// The lines below the image.
    pub caption: Vec<String>,
}

/// The shades of grey that are told apart.
const SHADES: f64 = 16.0;
/// The images in a row, and the space between two.
const COLUMNS: usize = 4;
const GAP: f64 = 10.0;
const LINE: f64 = 15.0;

/// Images side by side, four in a row.
///
/// # Panics
///
/// If the pixels of an image do not make up whole rows.
///
/// ```
/// use downhill_report::plot::{Image, images};
///
/// let cross = vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
/// let cross = Image { pixels: cross, width: 3, caption: vec!["a cross".into()] };
/// assert!(images("Letters", &[cross]).svg().contains("a cross"));
/// ```
#[track_caller]
pub fn images(title: &str, images: &[Image]) -> Picture {
    for image in images {
        assert!(
            image.width > 0 && image.pixels.len().is_multiple_of(image.width),
            "images: {} pixels are no whole rows of {}",
            image.pixels.len(),
            image.width
        );
    }
    let side = (WIDTH - 2.0 * MARGIN - GAP * (COLUMNS as f64 - 1.0)) / COLUMNS as f64;
    let height =
        |image: &Image| side * (image.pixels.len() / image.width) as f64 / image.width as f64;
    let tallest = images.iter().map(height).fold(0.0, f64::max);
    let lines = images.iter().map(|image| image.caption.len()).max().unwrap_or(0) as f64;
    let row_height = tallest + LINE * lines + GAP;
    let top = Picture::title_height(title, WIDTH) + 6.0;
    let rows = images.len().div_ceil(COLUMNS) as f64;
    Picture::draw(title, (WIDTH, top + rows * row_height), |drawing| {
        for (index, image) in images.iter().enumerate() {
            let left = MARGIN + (index % COLUMNS) as f64 * (side + GAP);
            let top = top + (index / COLUMNS) as f64 * row_height;
            let pixel = side / image.width as f64;
            let at = |(x, y): (usize, usize)| (left + x as f64 * pixel, top + y as f64 * pixel);
            let frame = [at((0, 0)), at((image.width, image.pixels.len() / image.width))];
            drawing.rectangle(frame, fill(grey(0), 1.0));
            for (y, row) in shades(image).chunks(image.width).enumerate() {
                let mut x = 0;
                for run in row.chunk_by(|a, b| a == b) {
                    if run[0] > 0 {
                        let corners = [at((x, y)), at((x + run.len(), y + 1))];
                        drawing.rectangle(corners, fill(grey(run[0]), 1.0));
                    }
                    x += run.len();
                }
            }
            for (line, text) in image.caption.iter().enumerate() {
                let below = top + height(image) + 3.0 + LINE * line as f64;
                let text = fitted(text, side + GAP / 2.0, LABEL);
                drawing.text(&text, (left, below), style(INK, Anchor::Start, Baseline::Top));
            }
        }
    })
}

/// Each pixel's shade. What is not finite is black.
fn shades(image: &Image) -> Vec<u8> {
    let finite = || image.pixels.iter().copied().filter(|pixel| pixel.is_finite());
    let min = finite().fold(f64::INFINITY, f64::min);
    let max = finite().fold(f64::NEG_INFINITY, f64::max);
    let shade = |pixel: &f64| ((pixel - min) / (max - min) * (SHADES - 1.0)).round() as u8;
    image.pixels.iter().map(shade).collect()
}

/// A grey that is none of the colours that change on a dark screen: white is one of them.
fn grey(shade: u8) -> Color {
    let grey = shade.saturating_mul(17).min(0xFE);
    Color(grey, grey, grey)
}
