//! How a chart is drawn.

use std::fmt;

use super::axis::{Axis, Kind};
use super::chart::Chart;
use super::extent::Coordinate;
use super::layer::{Layer, Paint, Rectangle, Shape};
use super::layout::{Entry, LINE, Layout, SWATCH, TICK};
use super::lines::{clipped, clipped_ring, thinned};
use super::markers::{dashes, mark};
use super::picture::{
    GRID, INK, LABEL, MARGIN, MUTED, PAPER, Picture, WIDTH, fill, fitted, series_color, stroke,
    style, text_width,
};
use super::svg::{Anchor, Baseline, Color, Drawing, Escaped, Number, Point, Style};

/// By how much a line in the legend is wider.
const BOLDER: f64 = 0.6;
/// How often texts are moved apart until none stands over another.
const ROUNDS: usize = 100;

/// The space between the axes.
struct Frame<'a> {
    x: &'a Axis,
    y: &'a Axis,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    /// What the x axis shows.
    label: &'a str,
}

impl Frame<'_> {
    /// How far along the axes a point lies: from 0 to 1 between their ends.
    fn fractions(&self, (x, y): Point) -> Point {
        (self.x.fraction(x), self.y.fraction(y))
    }

    /// The place on the sheet that lies so far along the axes.
    fn at(&self, (x, y): Point) -> Point {
        (self.left + self.width * x, self.top + self.height * (1.0 - y))
    }

    /// The place of a point, if it lies between the axes.
    fn place(&self, point: Point) -> Option<Point> {
        let (x, y) = self.fractions(point);
        let inside = |fraction: f64| (0.0..=1.0).contains(&fraction);
        (inside(x) && inside(y)).then(|| self.at((x, y)))
    }

    /// The place of a point, moved to the frame's edge if it lies outside.
    fn nearest(&self, point: Point) -> Point {
        let (x, y) = self.fractions(point);
        self.at((x.clamp(0.0, 1.0), y.clamp(0.0, 1.0)))
    }

    /// The part of an area that lies between the axes, as one closed line.
    fn cut(&self, ring: &[Point]) -> Vec<Point> {
        let fractions = ring.iter().map(|&point| self.fractions(point)).collect();
        clipped_ring(fractions).into_iter().map(|point| self.at(point)).collect()
    }

    /// The parts of a line that lie between the axes.
    fn within(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let fractions: Vec<Point> =
            thinned(points).into_iter().map(|point| self.fractions(point)).collect();
        let placed = |part: Vec<Point>| part.into_iter().map(|point| self.at(point)).collect();
        clipped(&fractions).into_iter().map(placed).collect()
    }
}

/// What a script reads off a chart: where the frame lies, and the axes' ends and kinds.
impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, top, width, height, .. } = *self;
        let [left, top, width, height] = [left, top, width, height].map(Number);
        write!(f, " data-frame=\"{left} {top} {width} {height}\"")?;
        for (name, axis) in [("x", self.x), ("y", self.y)] {
            let kind = if matches!(axis.kind, Kind::Logarithmic) { "log" } else { "linear" };
            write!(f, " data-{name}=\"{:e} {:e} {kind}\"", axis.range.0, axis.range.1)?;
        }
        write!(f, " data-label=\"{}\"", Escaped(self.label))
    }
}

impl Chart {
    /// Draws the chart.
    pub fn picture(&self) -> Picture {
        self.laid_out(|layout, frame| {
            let height = layout.top + layout.plot.1 + layout.bottom;
            Picture::draw(&self.title, (WIDTH, height), |drawing| {
                self.draw_legend(drawing, layout);
                self.draw_axes(drawing, frame, layout);
                drawing.group(frame, |drawing| {
                    let mut words = self.words_apart(frame).into_iter();
                    for layer in &self.layers {
                        self.draw_layer(drawing, frame, layer, &mut words);
                    }
                });
            })
        })
    }

    /// Where a point of the chart lies on its [picture](Self::picture), in the coordinates of the
    /// SVG, for what is added to it. Not finite if the point has no place on an axis.
    ///
    /// ```
    /// use downhill_report::plot::Chart;
    ///
    /// let chart = Chart::new("A line", "x", "y").line("y = x", [(0.0, 0.0), (1.0, 1.0)]);
    /// let ((left, bottom), (right, top)) = (chart.place((0.0, 0.0)), chart.place((1.0, 1.0)));
    /// assert!(left < right && top < bottom);
    /// ```
    pub fn place(&self, point: (f64, f64)) -> (f64, f64) {
        self.laid_out(|_, frame| frame.at(frame.fractions(point)))
    }

    fn laid_out<T>(&self, then: impl FnOnce(&Layout, &Frame<'_>) -> T) -> T {
        let (mut x, mut y) = (self.axis(&self.x, Coordinate::X), self.axis(&self.y, Coordinate::Y));
        let layout = self.layout(&mut x, &mut y);
        let Layout { left, top, plot: (width, height), .. } = layout;
        then(&layout, &Frame { x: &x, y: &y, left, top, width, height, label: &self.x.label })
    }

    fn color(&self, paint: Paint) -> Color {
        match paint {
            Paint::Series(index) => series_color(index, self.series, self.graded),
            Paint::Fixed(color) => color,
        }
    }

    /// The dashes of a layer's line.
    fn dashes(&self, layer: &Layer) -> &'static str {
        match (layer.paint, &layer.shape) {
            (Paint::Series(index), Shape::Line { marked: false, .. }) if layer.opacity == 1.0 => {
                dashes(index)
            }
            _ => "",
        }
    }

    fn draw_legend(&self, drawing: &mut Drawing, layout: &Layout) {
        let top = layout.top - 6.0 - LINE * layout.legend.len() as f64;
        for (row, entries) in layout.legend.iter().enumerate() {
            let middle = top + LINE * (row as f64 + 0.5);
            for Entry { left, name, layer } in entries {
                let Some(layer) = layer.map(|index| &self.layers[index]) else {
                    let style = style(MUTED, Anchor::Start, Baseline::Middle);
                    drawing.text(name, (*left, middle), style);
                    continue;
                };
                let color = self.color(layer.paint);
                if let Shape::Line { width, .. } = layer.shape {
                    let mut stroke = stroke(color, 1.0, width + BOLDER);
                    stroke.dashes = self.dashes(layer);
                    drawing.line(&[(*left, middle), (left + SWATCH, middle)], stroke, "");
                }
                match &layer.shape {
                    Shape::Points(_) | Shape::Line { marked: true, .. } => {
                        let center = (left + SWATCH / 2.0, middle);
                        mark(drawing, layer.series(), center, 4.0, fill(color, 1.0));
                    }
                    Shape::Intervals(_) => {
                        let bar = [
                            (left + SWATCH / 2.0, middle - 5.5),
                            (left + SWATCH / 2.0, middle + 5.5),
                        ];
                        drawing.line(&bar, stroke(color, 1.0, 1.6), "");
                        drawing.circle((left + SWATCH / 2.0, middle), 2.6, fill(color, 1.0));
                    }
                    Shape::Line { .. } => {}
                    _ => {
                        let corners = [(*left, middle - 5.0), (left + SWATCH, middle + 5.0)];
                        drawing.rectangle(corners, fill(color, layer.opacity));
                    }
                }
                let style = style(INK, Anchor::Start, Baseline::Middle);
                drawing.text(name, (left + SWATCH + 6.0, middle), style);
            }
        }
    }

    fn draw_axes(&self, drawing: &mut Drawing, frame: &Frame<'_>, layout: &Layout) {
        let (width, height) = layout.plot;
        let (right, bottom) = (layout.left + width, layout.top + height);
        let (grid, axis) = (stroke(GRID, 1.0, 0.8), stroke(MUTED, 1.0, 0.8));
        for tick in frame.x.ticks() {
            let x = layout.left + width * along(frame.x, tick);
            if self.x.names.is_none() {
                drawing.line(&[(x, layout.top), (x, bottom)], grid, "");
            }
            drawing.line(&[(x, bottom), (x, bottom + TICK)], axis, "");
            let (anchor, baseline) = match layout.upright {
                true => (Anchor::End, Baseline::Middle),
                false => (Anchor::Middle, Baseline::Top),
            };
            let style = Style { upright: layout.upright, ..style(MUTED, anchor, baseline) };
            drawing.text(&frame.x.label(tick), (x, bottom + 2.0 * TICK), style);
        }
        for tick in frame.y.ticks() {
            let y = layout.top + height * (1.0 - along(frame.y, tick));
            if self.y.names.is_none() {
                drawing.line(&[(layout.left, y), (right, y)], grid, "");
            }
            drawing.line(&[(layout.left - TICK, y), (layout.left, y)], axis, "");
            let style = style(MUTED, Anchor::End, Baseline::Middle);
            drawing.text(&frame.y.label(tick), (layout.left - 2.0 * TICK, y), style);
        }
        drawing.line(
            &[(layout.left, layout.top), (layout.left, bottom), (right, bottom)],
            axis,
            "",
        );

        let below = (layout.left + width / 2.0, bottom + layout.bottom - MARGIN / 2.0);
        drawing.text(&self.x.label, below, style(INK, Anchor::Middle, Baseline::Bottom));
        // Not up to the legend.
        let label = fitted(&self.y.label, height + 12.0, LABEL);
        let style = Style { upright: true, ..style(INK, Anchor::Middle, Baseline::Top) };
        drawing.text(&label, (MARGIN, layout.top + height / 2.0), style);
    }

    /// The words of all layers, in the layers' order, so that none stands over another.
    fn words_apart(&self, frame: &Frame<'_>) -> Vec<(&str, Option<Point>)> {
        let texts = self.layers.iter().filter_map(|layer| match &layer.shape {
            Shape::Texts { texts, upright: false, .. } => Some(texts),
            _ => None,
        });
        let mut words: Vec<(&str, Option<Point>)> =
            texts.flatten().map(|(at, text)| (text.as_str(), frame.place(*at))).collect();
        move_apart(words.iter_mut().filter_map(|(text, place)| Some((*text, place.as_mut()?))));
        words
    }

    fn draw_layer<'a>(
        &self,
        drawing: &mut Drawing,
        frame: &Frame<'_>,
        layer: &Layer,
        words: &mut impl Iterator<Item = (&'a str, Option<Point>)>,
    ) {
        let (color, series) = (self.color(layer.paint), layer.series());
        match &layer.shape {
            Shape::Line { points, width, marked } => {
                if let [point] = points[..]
                    && let Some(place) = frame.place(point)
                {
                    // A line of one point would not be seen.
                    drawing.circle(place, 2.5, fill(color, layer.opacity));
                }
                let parts = frame.within(points);
                if *marked {
                    for part in &parts {
                        drawing.line(part, stroke(PAPER, layer.opacity, width + 1.6), "");
                    }
                }
                let mut stroke = stroke(color, layer.opacity, *width);
                stroke.dashes = self.dashes(layer);
                let name =
                    layer.name.as_deref().map(|name| format!(" data-name=\"{}\"", Escaped(name)));
                for part in &parts {
                    drawing.line(part, stroke, name.as_deref().unwrap_or_default());
                }
                if *marked {
                    let places = points.iter().filter_map(|&point| frame.place(point));
                    places.for_each(|place| mark(drawing, series, place, 1.8, fill(color, 1.0)));
                    if let Some(last) = points.last().and_then(|&point| frame.place(point)) {
                        mark(drawing, series, last, 5.6, fill(PAPER, 1.0));
                        mark(drawing, series, last, 4.2, fill(color, 1.0));
                    }
                }
            }
            Shape::Points(points) => {
                let radius = if points.len() > 200 { 2.2 } else { 3.0 };
                let places = points.iter().filter_map(|&point| frame.place(point));
                places.for_each(|place| {
                    mark(drawing, series, place, radius, fill(color, layer.opacity));
                });
            }
            Shape::Rectangles(rectangles) => {
                for Rectangle { corners, share, title } in rectangles {
                    if corners.iter().all(|corner| corner.0.is_finite() && corner.1.is_finite()) {
                        let corners = corners.map(|corner| frame.nearest(corner));
                        let fill = fill(color, layer.opacity * share);
                        drawing.titled_rectangle(corners, fill, title.as_deref());
                    }
                }
            }
            Shape::Intervals(intervals) => {
                for &(x, value, (low, high)) in intervals {
                    let [low, high] = [(x, low), (x, high)].map(|end| frame.nearest(end));
                    drawing.line(&[low, high], stroke(color, layer.opacity, 1.6), "");
                    drawing.circle(frame.nearest((x, value)), 2.6, fill(color, layer.opacity));
                }
            }
            Shape::Polygons(polygons) => {
                let rings = polygons.iter().flatten();
                let placed: Vec<Vec<Point>> = rings.map(|ring| frame.cut(ring)).collect();
                let placed: Vec<_> = placed.into_iter().filter(|ring| ring.len() > 2).collect();
                if !placed.is_empty() {
                    drawing.area(placed.iter().map(Vec::as_slice), fill(color, layer.opacity));
                }
            }
            Shape::Texts { texts, upright, halo } => {
                let anchor = if *upright { Anchor::End } else { Anchor::Middle };
                let style = Style {
                    upright: *upright,
                    halo: halo.then_some(PAPER),
                    ..style(color, anchor, Baseline::Middle)
                };
                let own = texts.iter().map(|(at, text)| (text.as_str(), frame.place(*at)));
                let placed: Vec<(&str, Option<Point>)> = match upright {
                    true => own.collect(),
                    false => words.take(texts.len()).collect(),
                };
                for (text, place) in placed {
                    if let Some(place) = place {
                        drawing.text(text, place, style);
                    }
                }
            }
        }
    }
}

/// Moves texts that would stand over one another apart, no farther than they must.
fn move_apart<'a>(texts: impl Iterator<Item = (&'a str, &'a mut Point)>) {
    let mut texts: Vec<_> = texts.collect();
    for _ in 0..ROUNDS {
        let mut are_apart = true;
        for later in 1..texts.len() {
            let (before, rest) = texts.split_at_mut(later);
            let (text, place) = &mut rest[0];
            for (other, other_place) in before {
                let widths = text_width(text, LABEL) + text_width(other, LABEL);
                let (dx, dy) = (place.0 - other_place.0, place.1 - other_place.1);
                let over = (widths / 2.0 + 1.0 - dx.abs(), 0.8 * LABEL - dy.abs());
                if over.0 <= 0.0 || over.1 <= 0.0 {
                    continue;
                }
                are_apart = false;
                if over.0 < over.1 {
                    place.0 += dx.signum() * over.0 / 2.0;
                    other_place.0 -= dx.signum() * over.0 / 2.0;
                } else {
                    place.1 += dy.signum() * over.1 / 2.0;
                    other_place.1 -= dy.signum() * over.1 / 2.0;
                }
            }
        }
        if are_apart {
            break;
        }
    }
}

/// How far along an axis a label stands: at its start if the axis is too short for numbers.
fn along(axis: &Axis, tick: f64) -> f64 {
    let fraction = axis.fraction(tick);
    if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) }
}
