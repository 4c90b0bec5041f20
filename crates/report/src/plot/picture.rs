//! What all pictures have in common: the sheet, the colours, the size of text.

use std::fmt;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The width of every picture, in units that are pixels where a picture is shown at its own size.
/// A phone shows most of it, so that text of 12 units stays legible there.
pub(crate) const WIDTH: f64 = 400.0;
/// The distance of a picture's content from its edge.
pub(crate) const MARGIN: f64 = 12.0;
/// The size of labels, and of titles.
pub(crate) const LABEL: f64 = 12.0;
pub(crate) const TITLE: f64 = 14.0;
/// The height of a line of a title, and of a row of a legend.
const TITLE_LINE: f64 = 19.0;

/// plotters knows whole pixels only, so it is given ten for each unit.
pub(super) const PIXELS: f64 = 10.0;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// What explains: the axes' numbers, lines of reference.
pub(crate) const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6E);
/// Lines that guide the eye.
pub(crate) const GRID: RGBColor = RGBColor(0xDD, 0xE2, 0xE7);
/// The sheet.
pub(crate) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Text on the strong colours of the series, which are dark on a light sheet, and light on a dark
/// one.
pub(crate) const INVERSE: RGBColor = RGBColor(0xFD, 0xFD, 0xFD);

/// What replaces the colours above where the reader's screen is dark. All others are legible on
/// both sheets.
const DARK: [(RGBColor, &str); 6] = [
    (INK, "#E6EDF3"),
    (MUTED, "#9198A1"),
    (GRID, "#2D333B"),
    (PAPER, "#0D1117"),
    (INVERSE, "#010409"),
    (SERIES[0], "#2B94D9"),
];

/// Colours that readers tell apart whatever their colour vision, after Okabe & Ito, "Color
/// universal design" (2008), without black and yellow, which are too near to the two sheets.
pub(crate) const SERIES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// The colour of series `index`, one of the six above. Of more than six that have an order, from
/// dark to light (viridis).
pub(crate) fn series_color(index: usize, count: usize, graded: bool) -> RGBColor {
    if !graded || count <= SERIES.len() {
        return SERIES[index % SERIES.len()];
    }
    // The ends of the scale are too near to the sheets.
    let RGBColor(r, g, b) =
        ViridisRGB::get_color_normalized(index as f64, -0.5 * count as f64, 1.3 * count as f64);
    RGBColor(r, g, b)
}

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A drawing in SVG: legible on a light and a dark screen, without script and without reference
/// to anything outside of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    title: String,
    svg: String,
    width: f64,
}

impl Picture {
    /// A sheet of `size`, in units, with the title on top and below it what `draw` draws; it gets
    /// the whole sheet, and the height that the title takes up.
    pub(crate) fn draw(
        title: &str,
        (width, height): (f64, f64),
        draw: impl FnOnce(&Area<'_>) -> Drawn,
    ) -> Self {
        let mut drawing = String::new();
        let backend =
            SVGBackend::with_string(&mut drawing, (pixels(width) as u32, pixels(height) as u32));
        let area = backend.into_drawing_area();
        let drawn = area.fill(&PAPER).and_then(|()| {
            for (line, y) in title_lines(title, width).iter().zip(0..) {
                let at = (MARGIN, MARGIN + TITLE_LINE * f64::from(y));
                area.draw_text(line, &title_style(), position(at))?;
            }
            draw(&area)?;
            area.present()
        });
        drawn.expect("drawing into a string does not fail");
        drop(area);

        // Shrunk to a narrow screen, a wide picture would not be legible.
        let fitting = match width <= WIDTH {
            true => "max-width:100%".into(),
            false => format!("width:{width}px"),
        };
        let elements = drawing.split_once('>').map_or("", |(_, elements)| elements);
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {} {}\" style=\"{fitting};height:auto\">\n\
             <title>{}</title>\n<style>{}</style>{elements}",
            pixels(width),
            pixels(height),
            escape(title),
            style_sheet(),
        );
        Self { title: title.to_owned(), svg, width }
    }

    /// With dashes in the lines of this colour and width, in plotters' pixels, that are not
    /// translucent. plotters knows none.
    pub(super) fn dashed(mut self, color: RGBColor, width: i32, dashes: &str) -> Self {
        if !dashes.is_empty() {
            let line = format!(
                "<polyline fill=\"none\" opacity=\"1\" stroke=\"{}\" stroke-width=\"{width}\"",
                hexadecimal(color)
            );
            let dashed = format!("{line} stroke-dasharray=\"{dashes}\" points=");
            self.svg = self.svg.replace(&format!("{line} points="), &dashed);
        }
        self
    }

    /// The height of the title of a picture of this width, with the space around it.
    pub(crate) fn title_height(title: &str, width: f64) -> f64 {
        MARGIN + TITLE_LINE * title_lines(title, width).len() as f64
    }

    /// What the picture shows.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether it is wider than most, and a page should give it room.
    pub(crate) fn is_wide(&self) -> bool {
        self.width > WIDTH
    }

    /// The SVG document, which can be written to a file or put into a page.
    pub fn svg(&self) -> &str {
        &self.svg
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.svg)
    }
}

fn title_lines(title: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in title.split_whitespace() {
        let last = lines.last_mut().expect("there is a first line");
        let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
        if last.is_empty() || text_width(&longer, TITLE) * BOLD <= width - 2.0 * MARGIN {
            *last = longer;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// How the colours change on a dark screen: style sheets prevail over attributes, which alone are
/// what a viewer sees that knows none. The edges of rectangles are not blurred, because between
/// those that touch the sheet would shine through.
fn style_sheet() -> String {
    let rules = DARK.map(|(color, dark)| {
        let light = hexadecimal(color);
        format!("[fill='{light}']{{fill:{dark}}}[stroke='{light}']{{stroke:{dark}}}")
    });
    format!(
        "rect{{shape-rendering:crispEdges}}polyline{{stroke-linejoin:round}}\
         @media(prefers-color-scheme:dark){{{}}}",
        rules.concat()
    )
}

fn hexadecimal(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Units as plotters' pixels.
pub(crate) fn pixels(units: f64) -> i32 {
    (units * PIXELS).round() as i32
}

/// A place on the sheet.
pub(crate) fn position((x, y): (f64, f64)) -> (i32, i32) {
    (pixels(x), pixels(y))
}

/// The style of lines and outlines.
pub(crate) fn stroke(color: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
    ShapeStyle { color: color.mix(opacity), filled: false, stroke_width: pixels(width) as u32 }
}

/// The style of areas.
pub(crate) fn fill(color: RGBColor, opacity: f64) -> ShapeStyle {
    ShapeStyle { color: color.mix(opacity), filled: true, stroke_width: 0 }
}

fn title_style() -> TextStyle<'static> {
    text_style(TITLE, FontStyle::Bold, INK, Pos::new(HPos::Left, VPos::Top))
}

pub(crate) fn label_style(color: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    text_style(LABEL, FontStyle::Normal, color, Pos::new(horizontal, vertical))
}

fn text_style(size: f64, style: FontStyle, color: RGBColor, pos: Pos) -> TextStyle<'static> {
    // plotters' SVG divides sizes by 1.24.
    let font = FontDesc::new(FontFamily::SansSerif, size * PIXELS * 1.24, style);
    TextStyle { font, color: color.to_backend_color(), pos }
}

/// Bold letters are wider.
pub(crate) const BOLD: f64 = 1.1;

/// An upper estimate of the width of `text`: fonts differ, and one of the widest in use is DejaVu
/// Sans, whose digits are 0.64 of the font size wide.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ' ' | '\'' | '|' | ':' => 0.4,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.98,
        'A'..='Z' => 0.76,
        _ if c < '\u{2190}' => 0.64,
        _ => 1.0,
    };
    size * text.chars().map(em).sum::<f64>()
}

/// `text`, or as much of it as fits into `width` with an ellipsis.
pub(crate) fn fitted(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut fitted = String::new();
    for c in text.chars() {
        if text_width(&format!("{fitted}{c}…"), size) > width {
            break;
        }
        fitted.push(c);
    }
    fitted + "…"
}
