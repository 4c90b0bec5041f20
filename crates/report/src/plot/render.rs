//! How a chart is laid out and drawn.

use std::collections::BTreeSet;

use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::cartesian::Cartesian2d;
use plotters::prelude::{Circle, PathElement, Polygon, RGBColor, Rectangle, SVGBackend, Text};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, Kind};
use super::chart::Chart;
use super::extent::Coordinate;
use super::field::Ring;
use super::layer::{Layer, Paint, Shape};
use super::lines::{clipped, thinned};
use super::markers::{dashes, mark};
use super::picture::{
    Area, Drawn, GRID, INK, LABEL, MARGIN, MUTED, PAPER, PIXELS, Picture, SERIES, WIDTH, fill,
    fitted, label_style, pixels, position, series_color, stroke, text_width,
};

/// The least width or height of a place for a name.
const NAME_HEIGHT: f64 = 13.0;
/// The greatest width of the names along an axis.
const NAME_WIDTH: f64 = 130.0;
/// The length of the marks at labels, and their distance from the labels.
const TICK: f64 = 4.0;
/// The height of a line of labels.
const LINE: f64 = 16.0;
const SWATCH: f64 = 24.0;
/// By how much a line in the legend is wider.
const BOLDER: f64 = 0.6;
/// The most series that a legend names.
const NAMES: usize = 16;

type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Where everything lies, in units.
struct Layout {
    /// The legend's rows.
    legend: Vec<Vec<Entry>>,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    plot: (f64, f64),
    /// Whether the names along x stand upright, for lack of room.
    upright: bool,
}

/// A place in the legend.
struct Entry {
    /// The distance from the left of the sheet.
    left: f64,
    name: String,
    /// The layer that bears the name; none where the name speaks of the legend itself.
    layer: Option<usize>,
}

impl Chart {
    /// Draws the chart.
    pub fn picture(&self) -> Picture {
        let (mut x, mut y) = (self.axis(&self.x, Coordinate::X), self.axis(&self.y, Coordinate::Y));
        let layout = self.layout(&mut x, &mut y);
        let height = layout.top + layout.plot.1 + layout.bottom;
        let picture = Picture::draw(&self.title, (WIDTH, height), |area| {
            self.draw_legend(area, &layout)?;
            let mut context = ChartBuilder::on(area)
                .margin_top(pixels(layout.top))
                .margin_right(pixels(layout.right))
                .set_label_area_size(LabelAreaPosition::Left, pixels(layout.left))
                .set_label_area_size(LabelAreaPosition::Bottom, pixels(layout.bottom))
                .build_cartesian_2d(x.clone(), y.clone())?;
            self.draw_axes(area, &mut context, &layout)?;
            for layer in &self.layers {
                self.draw_layer(&mut context, layer)?;
            }
            Ok(())
        });
        let mut dashed = BTreeSet::new();
        for layer in &self.layers {
            if let Shape::Line { width, marked: false, .. } = layer.shape
                && let Paint::Series(index) = layer.paint
            {
                let width = self.line_width(layer, width);
                dashed.extend([width, width + BOLDER].map(|width| (index, pixels(width))));
            }
        }
        dashed.into_iter().fold(picture, |picture, (index, width)| {
            picture.dashed(self.color(Paint::Series(index)), width, dashes(index))
        })
    }

    /// The width of a layer's line. Where colours come round again, lines of one colour differ by
    /// a tenth of a unit, so that each can be given its dashes.
    fn line_width(&self, layer: &Layer, width: f64) -> f64 {
        let round = if self.graded { 0 } else { layer.series() / SERIES.len() };
        width + 0.1 * round as f64
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
    pub fn place(&self, (px, py): (f64, f64)) -> (f64, f64) {
        let (mut x, mut y) = (self.axis(&self.x, Coordinate::X), self.axis(&self.y, Coordinate::Y));
        let Layout { left, top, plot: (width, height), .. } = self.layout(&mut x, &mut y);
        let place = (left + width * x.fraction(px), top + height * (1.0 - y.fraction(py)));
        (PIXELS * place.0, PIXELS * place.1)
    }

    /// Finds a place for everything, and how many labels the axes have room for.
    fn layout(&self, x: &mut Axis, y: &mut Axis) -> Layout {
        let legend = self.legend_rows();
        let top =
            Picture::title_height(&self.title, WIDTH) + 6.0 + LINE * legend.len() as f64 + 6.0;
        let labels_width = |axis: &Axis| {
            let widths = axis.ticks().into_iter().map(|tick| text_width(&axis.label(tick), LABEL));
            widths.fold(0.0, f64::max)
        };
        let named = |axis: &mut Axis, width: f64| {
            if let Kind::Names(names) = &mut axis.kind {
                names.iter_mut().for_each(|name| *name = fitted(name, width, LABEL));
            }
        };
        named(x, NAME_WIDTH);
        named(y, NAME_WIDTH);

        let mut height = match &y.kind {
            Kind::Names(names) => self.height * names.len().max(1) as f64,
            _ => self.height,
        };
        let label_height = match &y.kind {
            Kind::Names(_) => NAME_HEIGHT,
            _ => 2.0 * LINE,
        };
        y.labels = (height / label_height) as usize;
        let title_line = |label: &str| if label.is_empty() { 0.0 } else { LINE };
        let left = MARGIN + title_line(&self.y.label) + labels_width(y) + 2.0 * TICK;
        let mut right = MARGIN;
        let width = |right: f64| WIDTH - left - right;
        let mut upright = false;
        if let Kind::Names(names) = &x.kind {
            upright = labels_width(x) > 0.95 * width(right) / names.len().max(1) as f64;
            x.labels = if upright { (width(right) / NAME_HEIGHT) as usize } else { names.len() };
        } else {
            // The last label reaches beyond the axis' end by half its width.
            x.labels = 8;
            while x.labels > 2 && {
                let wide = labels_width(x);
                wide + 16.0 > width(wide / 2.0) / (x.ticks().len() as f64 - 1.0).max(1.0)
            } {
                x.labels -= 1;
            }
            right = right.max(labels_width(x) / 2.0 + 4.0);
        }
        let labels_height = if upright { labels_width(x) } else { LINE };
        let bottom = 2.0 * TICK + labels_height + title_line(&self.x.label) + MARGIN / 2.0;
        if self.square {
            height = width(right);
            y.labels = (height / label_height) as usize;
        }
        Layout { legend, left, right, top, bottom, plot: (width(right), height), upright }
    }

    /// The layers that the legend names: all, but where there are too many series, some of them,
    /// evenly chosen from the first to the last, and then how many it does not name.
    fn legend_rows(&self) -> Vec<Vec<Entry>> {
        let named: Vec<usize> =
            (0..self.layers.len()).filter(|&index| self.layers[index].name.is_some()).collect();
        let (series, others): (Vec<usize>, Vec<usize>) = named
            .into_iter()
            .partition(|&index| matches!(self.layers[index].paint, Paint::Series(_)));
        let mut chosen: Vec<usize> = match series.len() <= NAMES {
            true => series.clone(),
            false => (0..NAMES).map(|i| series[i * (series.len() - 1) / (NAMES - 1)]).collect(),
        };
        let omitted = series.len() - chosen.len();
        chosen.extend(others);
        let room = WIDTH - 2.0 * MARGIN;
        let mut entries: Vec<(f64, String, Option<usize>)> = Vec::new();
        for &index in &chosen {
            let name = self.layers[index].name.as_deref().unwrap_or_default();
            let name = fitted(name, room - SWATCH - 6.0, LABEL);
            entries.push((SWATCH + 6.0 + text_width(&name, LABEL), name, Some(index)));
        }
        if omitted > 0 {
            let rest = format!("and {omitted} more between them");
            entries.push((text_width(&rest, LABEL), rest, None));
        }
        let mut rows: Vec<Vec<Entry>> = Vec::new();
        let mut end = f64::INFINITY;
        for (width, name, layer) in entries {
            if end + width > WIDTH - MARGIN {
                rows.push(Vec::new());
                end = MARGIN;
            }
            rows.last_mut().expect("a row was begun").push(Entry { left: end, name, layer });
            end += width + 12.0;
        }
        rows
    }

    fn color(&self, paint: Paint) -> RGBColor {
        match paint {
            Paint::Series(index) => series_color(index, self.series, self.graded),
            Paint::Fixed(color) => color,
        }
    }

    fn draw_legend(&self, area: &Area<'_>, layout: &Layout) -> Drawn {
        let top = layout.top - 6.0 - LINE * layout.legend.len() as f64;
        for (row, entries) in layout.legend.iter().enumerate() {
            let middle = top + LINE * (row as f64 + 0.5);
            for Entry { left, name, layer } in entries {
                let Some(layer) = layer.map(|index| &self.layers[index]) else {
                    let style = label_style(MUTED, HPos::Left, VPos::Center);
                    area.draw_text(name, &style, position((*left, middle)))?;
                    continue;
                };
                let color = self.color(layer.paint);
                let center = position((left + SWATCH / 2.0, middle));
                if let Shape::Line { width, .. } = layer.shape {
                    let width = self.line_width(layer, width) + BOLDER;
                    let ends = [(*left, middle), (left + SWATCH, middle)].map(position).to_vec();
                    area.draw(&PathElement::new(ends, stroke(color, 1.0, width)))?;
                }
                match &layer.shape {
                    Shape::Points(_) | Shape::Line { marked: true, .. } => {
                        mark(area, layer.series(), center, 4.0, fill(color, 1.0))?;
                    }
                    Shape::Line { .. } => {}
                    _ => {
                        let corners = [(*left, middle - 5.0), (left + SWATCH, middle + 5.0)];
                        area.draw(&Rectangle::new(
                            corners.map(position),
                            fill(color, layer.opacity),
                        ))?;
                    }
                }
                let style = label_style(INK, HPos::Left, VPos::Center);
                area.draw_text(name, &style, position((left + SWATCH + 6.0, middle)))?;
            }
        }
        Ok(())
    }

    fn draw_axes(&self, area: &Area<'_>, context: &mut Context<'_, '_>, layout: &Layout) -> Drawn {
        let named = |options: &Option<Vec<String>>| options.is_some();
        let nothing = |_: &f64| String::new();
        let mut mesh = context.configure_mesh();
        mesh.light_line_style(stroke(GRID, 0.0, 0.0))
            .bold_line_style(stroke(GRID, 1.0, 0.8))
            .axis_style(stroke(MUTED, 1.0, 0.8))
            .set_all_tick_mark_size(pixels(TICK))
            .label_style(label_style(MUTED, HPos::Center, VPos::Center))
            .axis_desc_style(label_style(INK, HPos::Center, VPos::Center));
        if named(&self.x.names) {
            mesh.disable_x_mesh();
        }
        if named(&self.y.names) {
            mesh.disable_y_mesh();
        }
        if layout.upright {
            mesh.x_label_formatter(&nothing);
        }
        mesh.draw()?;

        let (width, height) = layout.plot;
        let (middle_x, middle_y) = (layout.left + width / 2.0, layout.top + height / 2.0);
        let sheet_height = layout.top + height + layout.bottom;
        if layout.upright {
            let axis = context.as_coord_spec().x_spec();
            let style = label_style(MUTED, HPos::Right, VPos::Center);
            let style = style.transform(FontTransform::Rotate270);
            for tick in axis.ticks() {
                let x = layout.left + width * axis.fraction(tick);
                let at = position((x, layout.top + height + 2.0 * TICK));
                area.draw_text(&axis.label(tick), &style, at)?;
            }
        }
        let style = label_style(INK, HPos::Center, VPos::Bottom);
        area.draw_text(&self.x.label, &style, position((middle_x, sheet_height - MARGIN / 2.0)))?;
        let style = label_style(INK, HPos::Center, VPos::Top).transform(FontTransform::Rotate270);
        // Not up to the legend.
        let label = fitted(&self.y.label, height + 12.0, LABEL);
        area.draw_text(&label, &style, position((MARGIN, middle_y)))
    }

    fn draw_layer(&self, context: &mut Context<'_, '_>, layer: &Layer) -> Drawn {
        let (color, series) = (self.color(layer.paint), layer.series());
        let (x, y) = (context.x_range(), context.y_range());
        let inside = |&(px, py): &(f64, f64)| {
            let within = |value: f64, range: &std::ops::Range<f64>| {
                (range.start.min(range.end)..=range.start.max(range.end)).contains(&value)
            };
            within(px, &x) && within(py, &y)
        };
        match &layer.shape {
            Shape::Line { points, width, marked } => {
                if let [point] = points[..]
                    && inside(&point)
                {
                    // A line of one point would not be seen.
                    let dot = Circle::new(point, pixels(2.5), fill(color, layer.opacity));
                    context.draw_series([dot])?;
                }
                let parts = self.within_axes(context, points);
                for (halo, color, extra) in [(true, PAPER, 1.6), (false, color, 0.0)] {
                    if halo && !marked {
                        continue;
                    }
                    let style =
                        stroke(color, layer.opacity, self.line_width(layer, *width) + extra);
                    context.draw_series(
                        parts.iter().map(|part| PathElement::new(part.clone(), style)),
                    )?;
                }
                if *marked {
                    for &point in points.iter().filter(|point| inside(point)) {
                        mark(context.plotting_area(), series, point, 1.8, fill(color, 1.0))?;
                    }
                    if let Some(&last) = points.last().filter(|point| inside(point)) {
                        mark(context.plotting_area(), series, last, 5.6, fill(PAPER, 1.0))?;
                        mark(context.plotting_area(), series, last, 4.2, fill(color, 1.0))?;
                    }
                }
            }
            Shape::Points(points) => {
                let radius = if points.len() > 200 { 2.2 } else { 3.0 };
                for &point in points.iter().filter(|point| inside(point)) {
                    let style = fill(color, layer.opacity);
                    mark(context.plotting_area(), series, point, radius, style)?;
                }
            }
            Shape::Rectangles(rectangles) => {
                let rectangle = |(corners, share): &([(f64, f64); 2], f64)| {
                    Rectangle::new(*corners, fill(color, layer.opacity * share))
                };
                let finite = |(corners, _): &&([(f64, f64); 2], f64)| {
                    corners.iter().all(|corner| corner.0.is_finite() && corner.1.is_finite())
                };
                context.draw_series(rectangles.iter().filter(finite).map(rectangle))?;
            }
            Shape::Polygons(polygons) => {
                let style = fill(color, layer.opacity);
                let polygon = |rings: &Vec<Ring>| Polygon::new(keyholed(rings), style);
                context.draw_series(polygons.iter().map(polygon))?;
            }
            Shape::Texts(texts) => {
                let style = label_style(color, HPos::Center, VPos::Center);
                let text =
                    |(at, text): &((f64, f64), String)| Text::new(text.clone(), *at, style.clone());
                context.draw_series(texts.iter().map(text))?;
            }
        }
        Ok(())
    }

    /// The parts of a line that lie between the axes.
    fn within_axes(&self, context: &Context<'_, '_>, points: &[(f64, f64)]) -> Vec<Ring> {
        let (x, y) = (context.as_coord_spec().x_spec(), context.as_coord_spec().y_spec());
        let fractions: Vec<_> =
            thinned(points).iter().map(|&(px, py)| (x.fraction(px), y.fraction(py))).collect();
        let back = |part: Vec<(f64, f64)>| {
            part.into_iter().map(|(px, py)| (x.value(px), y.value(py))).collect()
        };
        clipped(&fractions).into_iter().map(back).collect()
    }
}

/// A polygon with holes as one line: a hole is reached through a cut from the outline and back.
fn keyholed(rings: &[Ring]) -> Ring {
    let start = rings.first().and_then(|ring| ring.first()).copied();
    rings.iter().flat_map(|ring| ring.iter().copied().chain(start)).collect()
}
