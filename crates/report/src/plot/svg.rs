//! The elements of a drawing, written as SVG.

use std::fmt::{self, Display, Write};

/// A colour by its red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Color(pub(super) u8, pub(super) u8, pub(super) u8);

impl Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

/// A place on the sheet, in units from its left and its top.
pub(super) type Point = (f64, f64);

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) color: Color,
    pub(super) opacity: f64,
    pub(super) width: f64,
    /// The lengths of dashes and gaps, in units; empty for a line that is whole.
    pub(super) dashes: &'static str,
}

/// How an area is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fill {
    pub(super) color: Color,
    pub(super) opacity: f64,
}

/// Where a text's place lies along it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Where a text's place lies across it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Baseline {
    Top,
    Middle,
    Bottom,
}

/// How a text is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) color: Color,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) anchor: Anchor,
    pub(super) baseline: Baseline,
    /// Whether it is written upwards.
    pub(super) upright: bool,
    /// The colour around the letters, which sets them off from what lies below.
    pub(super) halo: Option<Color>,
}

/// What has been drawn, in the order of drawing.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    elements: String,
}

impl Drawing {
    pub(super) fn into_elements(self) -> String {
        self.elements
    }

    /// What `draw` draws, as a group with these attributes.
    pub(super) fn group(&mut self, attributes: impl Display, draw: impl FnOnce(&mut Self)) {
        self.write(format_args!("<g{attributes}>\n"));
        draw(self);
        self.write(format_args!("</g>\n"));
    }

    pub(super) fn line(&mut self, points: &[Point], stroke: Stroke, attributes: impl Display) {
        self.write(format_args!(
            "<polyline fill=\"none\"{stroke}{attributes} points=\"{}\"/>\n",
            Points(points)
        ));
    }

    pub(super) fn polygon(&mut self, points: &[Point], fill: Fill) {
        self.write(format_args!("<polygon{fill} points=\"{}\"/>\n", Points(points)));
    }

    /// Closed lines, as one area: what two of them enclose is a hole.
    pub(super) fn area<'a>(&mut self, rings: impl Iterator<Item = &'a [Point]>, fill: Fill) {
        self.write(format_args!("<path{fill} fill-rule=\"evenodd\" d=\""));
        for ring in rings {
            self.write(format_args!("M{}Z", Points(ring)));
        }
        self.write(format_args!("\"/>\n"));
    }

    /// A rectangle between opposite corners.
    pub(super) fn rectangle(&mut self, corners: [Point; 2], fill: Fill) {
        self.titled_rectangle(corners, fill, None);
    }

    /// The same, with what is shown while a pointer rests on it.
    pub(super) fn titled_rectangle(&mut self, [a, b]: [Point; 2], fill: Fill, title: Option<&str>) {
        // The corners are rounded and not the size, so that neighbours touch.
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        let (left, right) = (tenths(a.0.min(b.0)), tenths(a.0.max(b.0)));
        let (top, bottom) = (tenths(a.1.min(b.1)), tenths(a.1.max(b.1)));
        self.write(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{fill}",
            Number(left),
            Number(top),
            Number(right - left),
            Number(bottom - top)
        ));
        match title {
            None => self.write(format_args!("/>\n")),
            Some(title) => {
                self.write(format_args!("><title>{}</title></rect>\n", Escaped(title)));
            }
        }
    }

    /// Rectangles between opposite corners, as one area with the edges of pixels.
    pub(super) fn rectangles(&mut self, all: impl Iterator<Item = [Point; 2]>, fill: Fill) {
        self.write(format_args!("<path{fill} shape-rendering=\"crispEdges\" d=\""));
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        for [a, b] in all {
            let (left, top) = (tenths(a.0), tenths(a.1));
            let (width, height) = (Number(tenths(b.0) - left), Number(tenths(b.1) - top));
            let (left, top) = (Number(left), Number(top));
            self.write(format_args!("M{left} {top}h{width}v{height}H{left}z"));
        }
        self.write(format_args!("\"/>\n"));
    }

    pub(super) fn circle(&mut self, (x, y): Point, radius: f64, fill: Fill) {
        self.write(format_args!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{fill}/>\n",
            Number(x),
            Number(y),
            Number(radius)
        ));
    }

    pub(super) fn text(&mut self, text: &str, (x, y): Point, style: Style) {
        if text.is_empty() {
            return;
        }
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let shift = match style.baseline {
            Baseline::Top => " dy=\"0.76em\"",
            Baseline::Middle => " dy=\"0.35em\"",
            Baseline::Bottom => "",
        };
        let (x, y) = (Number(x), Number(y));
        let mut more = String::new();
        if style.bold {
            more.push_str(" font-weight=\"bold\"");
        }
        if style.upright {
            write!(more, " transform=\"rotate(-90 {x} {y})\"").expect(INFALLIBLE);
        }
        if let Some(halo) = style.halo {
            let halo = format!(" stroke=\"{halo}\" stroke-width=\"3\" paint-order=\"stroke\"");
            more.push_str(&halo);
        }
        self.write(format_args!(
            "<text x=\"{x}\" y=\"{y}\"{shift} text-anchor=\"{anchor}\" font-size=\"{}\" \
             font-family=\"sans-serif\" fill=\"{}\"{more}>{}</text>\n",
            Number(style.size),
            style.color,
            Escaped(text)
        ));
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        self.elements.write_fmt(text).expect(INFALLIBLE);
    }
}

const INFALLIBLE: &str = "writing into a string does not fail";

impl Display for Stroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " stroke=\"{}\" stroke-width=\"{}\"", self.color, Number(self.width))?;
        if self.opacity < 1.0 {
            write!(f, " opacity=\"{}\"", Opacity(self.opacity))?;
        }
        if !self.dashes.is_empty() {
            write!(f, " stroke-dasharray=\"{}\"", self.dashes)?;
        }
        Ok(())
    }
}

impl Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " fill=\"{}\"", self.color)?;
        if self.opacity < 1.0 {
            write!(f, " opacity=\"{}\"", Opacity(self.opacity))?;
        }
        Ok(())
    }
}

/// A length: a tenth of a unit is less than what is seen.
pub(super) struct Number(pub(super) f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let (sign, whole, tenth) =
            (if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10);
        match tenth {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{tenth}"),
        }
    }
}

/// A number from 0 to 1, written with two or three digits.
struct Opacity(f64);

impl Display for Opacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 1000.0).round() / 1000.0)
    }
}

struct Points<'a>(&'a [Point]);

impl Display for Points<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (x, y)) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{},{}", Number(*x), Number(*y))?;
        }
        Ok(())
    }
}

/// Text within an element or within the quotes of an attribute.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // XML 1.0 has no place for these, not even escaped.
                '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' => {
                    f.write_char('\u{FFFD}')?;
                }
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_a_tenth_and_no_longer_than_that() {
        let written =
            [0.0, -0.0, -0.04, 3.0, 2.95, -12.34, 0.06, -0.5].map(|x| Number(x).to_string());
        assert_eq!(written, ["0", "0", "0", "3", "3", "-12.3", "0.1", "-0.5"]);
    }

    #[test]
    fn neighbouring_rectangles_touch() {
        let mut drawing = Drawing::default();
        let fill = Fill { color: Color(1, 2, 3), opacity: 0.25 };
        drawing.rectangle([(0.04, 0.0), (10.06, 5.0)], fill);
        drawing.rectangle([(10.06, 0.0), (20.14, 5.0)], fill);
        let expected = "<rect x=\"0\" y=\"0\" width=\"10.1\" height=\"5\" fill=\"#010203\" \
                        opacity=\"0.25\"/>\n<rect x=\"10.1\" y=\"0\" width=\"10\" height=\"5\" \
                        fill=\"#010203\" opacity=\"0.25\"/>\n";
        assert_eq!(drawing.into_elements(), expected);
    }

    #[test]
    fn what_xml_gives_a_meaning_or_forbids_is_escaped() {
        assert_eq!(
            Escaped("a<b & \"c\">\0d\n").to_string(),
            "a&lt;b &amp; &quot;c&quot;&gt;\u{FFFD}d\n"
        );
    }
}
