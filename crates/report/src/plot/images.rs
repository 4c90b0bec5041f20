//! Small pictures side by side.

use downhill_tensor::{Element, Tensor};
use downhill_train::format_short;

use super::picture::{
    GRID, INK, LABEL, MARGIN, MUTED, Picture, SERIES, WIDTH, fill, fitted, stroke, style,
    text_width,
};
use super::svg::{Anchor, Baseline, Color, Fill, Point};

/// Numbers in rows, such as a grey-scale image, with a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The pixels row by row.
    pub pixels: Vec<f64>,
    /// The number of pixels in a row.
    pub width: usize,
    /// The lines below the image.
    pub caption: Vec<String>,
}

/// The shades of grey that are told apart, and those of weights to either side of 0.
const SHADES: f64 = 16.0;
const STRENGTHS: f64 = 8.0;
/// The images in a row, as many as fit where there are more than three rows, and the space between
/// two.
const COLUMNS: usize = 4;
const MANY_COLUMNS: usize = 8;
const GAP: f64 = 10.0;
const LINE: f64 = 15.0;

/// Images side by side: of each the least pixel is black, and the greatest white.
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
    let colors = |image: &Image| shades(image).into_iter().map(|shade| fill(grey(shade), 1.0));
    tiles(title, images, None, |image| colors(image).collect())
}

/// Weights as images side by side, on one scale for all: the farther from 0 the stronger the
/// colour, which is another below 0.
///
/// # Panics
///
/// If the pixels of an image do not make up whole rows.
///
/// ```
/// use downhill_report::plot::{Image, weights};
///
/// let edge = Image { pixels: vec![0.5, -0.5, 0.25, -0.25], width: 2, caption: vec!["0".into()] };
/// assert!(weights("Filters", &[edge]).svg().contains("greatest: 0.5"));
/// ```
#[track_caller]
pub fn weights(title: &str, images: &[Image]) -> Picture {
    let sizes = images.iter().flat_map(|image| &image.pixels).map(|weight| weight.abs());
    let greatest = sizes.filter(|size| size.is_finite()).fold(0.0, f64::max);
    let strength = |weight: &f64| {
        let strength = (weight.abs() / greatest * STRENGTHS).round() / STRENGTHS;
        let strength = if strength.is_finite() { strength } else { 0.0 };
        fill(SERIES[usize::from(*weight < 0.0)], strength)
    };
    tiles(title, images, Some(greatest), |image| image.pixels.iter().map(strength).collect())
}

/// The most pixels that there may be in all images of weights, and the images that are shown in any
/// case.
const PIXELS: usize = 8192;
const SHOWN: usize = 10;

/// The weights of a first layer as images: of a linear layer, `[pixels, units]`, one of `height` and
/// `width` for each unit; of a convolution, `[out, in, rows, columns]`, one for each pair of
/// channels. Those that have no name have a number. Of many large ones only the first are made.
///
/// # Panics
///
/// If the weights have another shape.
///
/// ```
/// use downhill_report::plot::weight_images;
/// use downhill_tensor::Tensor;
///
/// let weights = Tensor::from([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]]);
/// let images = weight_images(&weights, [2, 2], &["left", "right"]);
/// assert_eq!(images[1].pixels, [5.0, 6.0, 7.0, 8.0]);
/// ```
#[track_caller]
pub fn weight_images<E: Element>(
    weights: &Tensor<E>,
    [height, width]: [usize; 2],
    names: &[impl ToString],
) -> Vec<Image> {
    // A unit's weights are a column of a linear layer's, and stand side by side in a filter.
    let (width, units, columns) = match *weights.shape() {
        [pixels, units] if pixels == height * width => (width, units, true),
        [out, channels, _, columns] => (columns, out * channels, false),
        ref shape => panic!("weight_images: {shape:?} are no weights of images {height}×{width}"),
    };
    let values: Vec<f64> = weights.to_vec().into_iter().map(Element::as_f64).collect();
    let each = values.len() / units.max(1);
    let image = |unit: usize| {
        let (start, step) = if columns { (unit, units) } else { (unit * each, 1) };
        let name = names.get(unit).map_or_else(|| unit.to_string(), ToString::to_string);
        let pixels = values.iter().skip(start).step_by(step).take(each).copied().collect();
        Image { pixels, width, caption: vec![name] }
    };
    (0..units.min(SHOWN.max(PIXELS / each.max(1)))).map(image).collect()
}

/// A colour, and the rectangles that have it.
type Area = (Fill, Vec<[Point; 2]>);

/// Images side by side, and above them the scale of weights, if they are some.
#[track_caller]
fn tiles(
    title: &str,
    images: &[Image],
    greatest: Option<f64>,
    colors: impl Fn(&Image) -> Vec<Fill>,
) -> Picture {
    for image in images {
        assert!(
            image.width > 0 && image.pixels.len().is_multiple_of(image.width),
            "images: {} pixels of an image of `{title}` are no whole rows of {}",
            image.pixels.len(),
            image.width
        );
    }
    let columns = if images.len() > 3 * COLUMNS { MANY_COLUMNS } else { COLUMNS };
    let side = (WIDTH - 2.0 * MARGIN - GAP * (columns as f64 - 1.0)) / columns as f64;
    let height =
        |image: &Image| side * (image.pixels.len() / image.width) as f64 / image.width as f64;
    let tallest = images.iter().map(height).fold(0.0, f64::max);
    let lines = images.iter().map(|image| image.caption.len()).max().unwrap_or(0) as f64;
    let row_height = tallest + LINE * lines + GAP;
    let legend = Picture::title_height(title, WIDTH) + 6.0;
    let top = legend + if greatest.is_some() { LINE + 6.0 } else { 0.0 };
    let rows = images.len().div_ceil(columns) as f64;
    Picture::draw(title, (WIDTH, top + rows * row_height), |drawing| {
        if let Some(greatest) = greatest {
            let mut left = MARGIN;
            let size = format!("greatest: {}", format_short(greatest));
            for (color, name) in
                [(Some(SERIES[0]), "above 0"), (Some(SERIES[1]), "below 0"), (None, &size)]
            {
                if let Some(color) = color {
                    let corners = [(left, legend), (left + LABEL, legend + LABEL)];
                    drawing.rectangle(corners, fill(color, 1.0));
                    left += LABEL + 5.0;
                }
                let style = style(MUTED, Anchor::Start, Baseline::Top);
                drawing.text(name, (left, legend + 1.0), style);
                left += text_width(name, LABEL) + GAP;
            }
        }
        // One area for each colour, that of all images: there are fewer colours than pixels.
        let mut areas: Vec<Area> = Vec::new();
        for (index, image) in images.iter().enumerate() {
            let left = MARGIN + (index % columns) as f64 * (side + GAP);
            let top = top + (index / columns) as f64 * row_height;
            let pixel = side / image.width as f64;
            let at = |(x, y): (usize, usize)| (left + x as f64 * pixel, top + y as f64 * pixel);
            for (y, row) in colors(image).chunks(image.width).enumerate() {
                let mut x = 0;
                for run in row.chunk_by(|a, b| a == b) {
                    if run[0].opacity > 0.0 {
                        let corners = [at((x, y)), at((x + run.len(), y + 1))];
                        match areas.iter_mut().find(|(fill, _)| *fill == run[0]) {
                            Some((_, area)) => area.push(corners),
                            None => areas.push((run[0], vec![corners])),
                        }
                    }
                    x += run.len();
                }
            }
        }
        for (fill, area) in areas {
            drawing.rectangles(area.into_iter(), fill);
        }
        for (index, image) in images.iter().enumerate() {
            let left = MARGIN + (index % columns) as f64 * (side + GAP);
            let top = top + (index / columns) as f64 * row_height;
            let (right, bottom) = (left + side, top + height(image));
            let frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            drawing.line(&frame, stroke(GRID, 1.0, 0.7), "");
            for (line, text) in image.caption.iter().enumerate() {
                let below = bottom + 3.0 + LINE * line as f64;
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
