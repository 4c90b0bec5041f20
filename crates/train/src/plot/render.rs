//! How a chart is laid out and drawn.

use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::cartesian::Cartesian2d;
use plotters::prelude::{Circle, PathElement, Polygon, RGBColor, Rectangle, SVGBackend, Text};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, Kind};
use super::chart::{Chart, Coordinate, Layer, Paint, Shape};
use super::field::Ring;
use super::lines::{clipped, thinned};
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
const SWATCH: f64 = 16.0;

type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Where everything lies, in units.
struct Layout {
    /// The legend's rows, each of entries with their distance from the left.
    legend: Vec<Vec<(f64, String, usize)>>,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    plot: (f64, f64),
    /// Whether the names along x stand upright, for lack of room.
    upright: bool,
}

impl Chart {
    /// Draws the chart.
    pub fn picture(&self) -> Picture {
        let (mut x, mut y) = (self.axis(&self.x, Coordinate::X), self.axis(&self.y, Coordinate::Y));
        let layout = self.layout(&mut x, &mut y);
        let height = layout.top + layout.plot.1 + layout.bottom;
        Picture::draw(&self.title, (WIDTH, height), |area| {
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
        })
    }

    /// Where a point of the chart lies on its [picture](Self::picture), in the coordinates of the
    /// SVG, for what is added to it. Not finite if the point has no place on an axis.
    ///
    /// ```
    /// use downhill_train::plot::Chart;
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

    /// The layers that the legend names: at most as many as there are colours to tell apart,
    /// evenly chosen from the first to the last.
    fn legend_rows(&self) -> Vec<Vec<(f64, String, usize)>> {
        let named: Vec<usize> =
            (0..self.layers.len()).filter(|&index| self.layers[index].name.is_some()).collect();
        let most = SERIES.len() + 2;
        let chosen: Vec<usize> = match named.len() <= most {
            true => named,
            false => (0..most).map(|i| named[i * (named.len() - 1) / (most - 1)]).collect(),
        };
        let mut rows: Vec<Vec<(f64, String, usize)>> = Vec::new();
        let mut end = f64::INFINITY;
        for index in chosen {
            let name = self.layers[index].name.as_deref().unwrap_or_default();
            let room = WIDTH - 2.0 * MARGIN;
            let name = fitted(name, room - SWATCH - 6.0, LABEL);
            let width = SWATCH + 6.0 + text_width(&name, LABEL);
            if end + width > WIDTH - MARGIN {
                rows.push(Vec::new());
                end = MARGIN;
            }
            rows.last_mut().expect("a row was begun").push((end, name, index));
            end += width + 12.0;
        }
        rows
    }

    fn color(&self, paint: Paint) -> RGBColor {
        match paint {
            Paint::Series(index) => series_color(index, self.series),
            Paint::Fixed(color) => color,
        }
    }

    fn draw_legend(&self, area: &Area<'_>, layout: &Layout) -> Drawn {
        let top = layout.top - 6.0 - LINE * layout.legend.len() as f64;
        for (row, entries) in layout.legend.iter().enumerate() {
            let middle = top + LINE * (row as f64 + 0.5);
            for (x, name, index) in entries {
                let layer = &self.layers[*index];
                let color = self.color(layer.paint);
                match &layer.shape {
                    Shape::Line { width, .. } => {
                        let ends = [(*x, middle), (x + SWATCH, middle)].map(position).to_vec();
                        area.draw(&PathElement::new(ends, stroke(color, 1.0, width + 0.6)))?;
                    }
                    Shape::Points(_) => {
                        let at = position((x + SWATCH / 2.0, middle));
                        area.draw(&Circle::new(at, pixels(3.5), fill(color, 1.0)))?;
                    }
                    _ => {
                        let corners = [(*x, middle - 5.0), (x + SWATCH, middle + 5.0)];
                        area.draw(&Rectangle::new(
                            corners.map(position),
                            fill(color, layer.opacity),
                        ))?;
                    }
                }
                let style = label_style(INK, HPos::Left, VPos::Center);
                area.draw_text(name, &style, position((x + SWATCH + 6.0, middle)))?;
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
        let label = fitted(&self.y.label, height + layout.top, LABEL);
        area.draw_text(&label, &style, position((MARGIN, middle_y)))
    }

    fn draw_layer(&self, context: &mut Context<'_, '_>, layer: &Layer) -> Drawn {
        let color = self.color(layer.paint);
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
                    let style = stroke(color, layer.opacity, width + extra);
                    context.draw_series(
                        parts.iter().map(|part| PathElement::new(part.clone(), style)),
                    )?;
                }
                if *marked {
                    let visible: Vec<_> = points.iter().copied().filter(inside).collect();
                    let dot = |&at| Circle::new(at, pixels(1.8), fill(color, 1.0));
                    context.draw_series(visible.iter().map(dot))?;
                    let last = points.last().filter(|point| inside(point));
                    let ring = |&at| Circle::new(at, pixels(5.4), fill(PAPER, 1.0));
                    context.draw_series(last.map(ring))?;
                    let end = |&at| Circle::new(at, pixels(4.2), fill(color, 1.0));
                    context.draw_series(last.map(end))?;
                }
            }
            Shape::Points(points) => {
                let radius = if points.len() > 200 { 2.2 } else { 3.0 };
                let dot = |&at| Circle::new(at, pixels(radius), fill(color, layer.opacity));
                context.draw_series(points.iter().filter(|point| inside(point)).map(dot))?;
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
