//! What all pictures have in common: the sheet, the colours, the size of text.

use std::fmt;

use super::svg::{Anchor, Baseline, Color, Drawing, Escaped, Fill, Number, Stroke, Style};

/// The width of every picture, in units that are pixels where a picture is shown at its own size.
/// A phone shows most of it, so that text of 12 units stays legible there.
pub(super) const WIDTH: f64 = 400.0;
/// The distance of a picture's content from its edge.
pub(super) const MARGIN: f64 = 12.0;
/// The size of labels, and of titles.
pub(super) const LABEL: f64 = 12.0;
pub(super) const TITLE: f64 = 14.0;
/// The height of a line of a title, and of a row of a legend.
const TITLE_LINE: f64 = 19.0;

/// Text and axes.
pub(super) const INK: Color = Color(0x1F, 0x23, 0x28);
/// What explains: the axes' numbers, lines of reference.
pub(super) const MUTED: Color = Color(0x59, 0x63, 0x6E);
/// Lines that guide the eye.
pub(super) const GRID: Color = Color(0xDD, 0xE2, 0xE7);
/// The sheet.
pub(super) const PAPER: Color = Color(0xFF, 0xFF, 0xFF);

/// What replaces the colours above where the reader's screen is dark. All others are legible on
/// both sheets.
const DARK: [(Color, &str); 6] = [
    (INK, "#E6EDF3"),
    (MUTED, "#9198A1"),
    (GRID, "#2D333B"),
    (PAPER, "#0D1117"),
    (SERIES[0], "#2B94D9"),
    (SERIES[1], "#D55E00"),
];

/// Colours that readers tell apart whatever their colour vision, after Okabe & Ito, "Color
/// universal design" (2008), without black and yellow, which are too near to the two sheets. Words in
/// either of the first two have a contrast of 4.5: on a light sheet the second is darker than theirs.
pub(super) const SERIES: [Color; 6] = [
    Color(0x00, 0x72, 0xB2),
    Color(0xC2, 0x55, 0x00),
    Color(0x00, 0x9E, 0x73),
    Color(0xCC, 0x79, 0xA7),
    Color(0xE6, 0x9F, 0x00),
    Color(0x56, 0xB4, 0xE9),
];

/// Colours from dark to light in steps that look even: viridis, by Smith & van der Walt (2015), at
/// every seventh of its length.
const VIRIDIS: [Color; 8] = [
    Color(68, 1, 84),
    Color(70, 50, 127),
    Color(54, 92, 141),
    Color(39, 127, 142),
    Color(31, 161, 135),
    Color(74, 194, 109),
    Color(159, 218, 58),
    Color(253, 231, 37),
];

/// The colour of series `index`, one of the six above. Of more than six that have an order, from
/// dark to light.
pub(super) fn series_color(index: usize, count: usize, graded: bool) -> Color {
    if !graded || count <= SERIES.len() {
        return SERIES[index % SERIES.len()];
    }
    // The ends of the scale are too near to the sheets.
    let position = 0.28 + 0.54 * index as f64 / (count - 1) as f64;
    let place = position * (VIRIDIS.len() - 1) as f64;
    let (lower, share) = (VIRIDIS[place as usize], place.fract());
    let upper = VIRIDIS[place as usize + 1];
    let mixed = |a: u8, b: u8| (f64::from(a) * (1.0 - share) + f64::from(b) * share).round() as u8;
    Color(mixed(lower.0, upper.0), mixed(lower.1, upper.1), mixed(lower.2, upper.2))
}

/// A drawing in SVG: legible on a light and a dark screen, without script and without reference
/// to anything outside of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    title: String,
    /// The root's opening tag and the title.
    opening: String,
    elements: String,
    width: f64,
}

impl Picture {
    /// A sheet of `size`, in units, with the title on top and what `draw` draws, which gets the
    /// whole sheet.
    pub(super) fn draw(title: &str, size: (f64, f64), draw: impl FnOnce(&mut Drawing)) -> Self {
        Self::draw_untitled(title, size, |drawing| {
            for (line, text) in title_lines(title, size.0).iter().enumerate() {
                let at = (MARGIN, MARGIN + TITLE_LINE * line as f64);
                let style = style(INK, Anchor::Start, Baseline::Top);
                drawing.text(text, at, Style { size: TITLE, bold: true, ..style });
            }
            draw(drawing);
        })
    }

    /// The same without the title, which is then only read aloud.
    pub(super) fn draw_untitled(
        title: &str,
        (width, height): (f64, f64),
        draw: impl FnOnce(&mut Drawing),
    ) -> Self {
        let mut drawing = Drawing::default();
        drawing.rectangle([(0.0, 0.0), (width, height)], fill(PAPER, 1.0));
        draw(&mut drawing);

        // Shrunk to a narrow screen, a wide picture would not be legible.
        let fitting = match width <= WIDTH {
            true => "max-width:100%".into(),
            false => format!("width:{width}px"),
        };
        let opening = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{0}\" \
             height=\"{1}\" viewBox=\"0 0 {0} {1}\" style=\"{fitting};height:auto\">\n\
             <title>{2}</title>\n",
            Number(width),
            Number(height),
            Escaped(title),
        );
        Self { title: title.to_owned(), opening, elements: drawing.into_elements(), width }
    }

    /// How the colours change on a dark screen: style sheets prevail over attributes, which alone are
    /// what a viewer sees that knows none. The edges of rectangles are not blurred, because between
    /// those that touch the sheet would shine through.
    pub(crate) fn style_sheet() -> String {
        let rules = DARK.map(|(light, dark)| {
            format!("[fill='{light}']{{fill:{dark}}}[stroke='{light}']{{stroke:{dark}}}")
        });
        format!(
            "rect{{shape-rendering:crispEdges}}polyline,text{{stroke-linejoin:round}}\
             @media(prefers-color-scheme:dark){{{}}}",
            rules.concat()
        )
    }

    /// The height of the title of a picture of this width, with the space around it.
    pub(super) fn title_height(title: &str, width: f64) -> f64 {
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
    pub fn svg(&self) -> String {
        let Self { opening, elements, .. } = self;
        format!("{opening}<style>{}</style>\n{elements}</svg>\n", Self::style_sheet())
    }

    /// The same for a page that has the [style sheet](Self::style_sheet).
    pub(crate) fn embedded(&self) -> String {
        format!("{}{}</svg>\n", self.opening, self.elements)
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.svg())
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

/// The style of lines and outlines.
pub(super) fn stroke(color: Color, opacity: f64, width: f64) -> Stroke {
    Stroke { color, opacity, width, dashes: "" }
}

/// The style of areas.
pub(super) fn fill(color: Color, opacity: f64) -> Fill {
    Fill { color, opacity }
}

/// The style of labels.
pub(super) fn style(color: Color, anchor: Anchor, baseline: Baseline) -> Style {
    Style { color, size: LABEL, bold: false, anchor, baseline, upright: false, halo: None }
}

/// Bold letters are wider.
pub(super) const BOLD: f64 = 1.1;

/// An upper estimate of the width of `text`: fonts differ, and one of the widest in use is DejaVu
/// Sans, whose digits are 0.64 of the font size wide.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
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
pub(super) fn fitted(text: &str, width: f64, size: f64) -> String {
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
