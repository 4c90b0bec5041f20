//! Charts: two axes and what lies between them.

use super::axis::{Axis, Kind};
use super::extent::{Coordinate, Extent};
use super::field::{Field, Ring};
use super::labels::Labels;
use super::layer::{Layer, Paint, Rectangle, Shape};
use super::picture::{MUTED, SERIES};

/// Lines, points, bars and contours over two axes.
///
/// The axes reach from the least to the greatest value, unless they are
/// [told](Self::x_range) where to end; what lies outside is not drawn. A value that is not
/// finite, or not positive on a logarithmic axis, leaves a gap.
///
/// ```
/// use downhill_report::plot::Chart;
///
/// let picture = Chart::new("A parabola", "x", "y")
///     .line("x²", (0..=10).map(|x| (f64::from(x), f64::from(x * x))))
///     .picture();
/// assert!(picture.svg().starts_with("<svg"));
/// ```
#[derive(Debug, Clone)]
pub struct Chart {
    pub(super) title: String,
    pub(super) x: AxisOptions,
    pub(super) y: AxisOptions,
    pub(super) layers: Vec<Layer>,
    /// Whether the space between the axes is as high as it is wide.
    pub(super) square: bool,
    /// The height of the space between the axes otherwise, or of each row that has a name.
    pub(super) height: f64,
    /// The number of series so far.
    pub(super) series: usize,
    /// Whether they have an order, which their colours show.
    pub(super) graded: bool,
}

#[derive(Debug, Clone)]
pub(super) struct AxisOptions {
    pub(super) label: String,
    pub(super) logarithmic: bool,
    pub(super) range: Option<(f64, f64)>,
    pub(super) names: Option<Vec<String>>,
}

impl Chart {
    /// An empty chart. The labels say what the axes show.
    pub fn new(
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
    ) -> Self {
        let axis = |label| AxisOptions { label, logarithmic: false, range: None, names: None };
        Self {
            title: title.into(),
            x: axis(x_label.into()),
            y: axis(y_label.into()),
            layers: Vec::new(),
            square: false,
            height: 180.0,
            series: 0,
            graded: false,
        }
    }

    /// With a logarithmic x axis.
    pub fn log_x(mut self) -> Self {
        self.x.logarithmic = true;
        self
    }

    /// With a logarithmic y axis.
    pub fn log_y(mut self) -> Self {
        self.y.logarithmic = true;
        self
    }

    /// With an x axis from `start` to `end`.
    ///
    /// # Panics
    ///
    /// If they are equal or not finite.
    #[track_caller]
    pub fn x_range(mut self, start: f64, end: f64) -> Self {
        self.x.range = Some(checked_range(start, end));
        self
    }

    /// With a y axis from `start` to `end`.
    ///
    /// # Panics
    ///
    /// If they are equal or not finite.
    #[track_caller]
    pub fn y_range(mut self, start: f64, end: f64) -> Self {
        self.y.range = Some(checked_range(start, end));
        self
    }

    /// With the space between the axes as high as it is wide.
    pub fn square(mut self) -> Self {
        self.square = true;
        self
    }

    /// With colours that go from dark to light where there are more than six series: for what has
    /// an order, such as layers.
    pub fn graded(mut self) -> Self {
        self.graded = true;
        self
    }

    /// With names along the x axis, each for the values from its index to the next.
    pub(super) fn x_names(mut self, names: &[impl ToString]) -> Self {
        self.x.names = Some(names.iter().map(ToString::to_string).collect());
        self
    }

    /// With names along the y axis, from the top down.
    pub(super) fn y_names(mut self, names: &[impl ToString]) -> Self {
        self.y.names = Some(names.iter().map(ToString::to_string).collect());
        self.height = 20.0;
        self
    }

    pub(super) fn layer(mut self, layer: Layer) -> Self {
        if let Paint::Series(index) = layer.paint {
            self.series = self.series.max(index + 1);
        }
        self.layers.push(layer);
        self
    }

    fn next_series(self, name: impl Into<String>, shape: Shape, opacity: f64) -> Self {
        let paint = Paint::Series(self.series);
        self.layer(Layer { name: Some(name.into()), shape, paint, opacity })
    }

    /// With a line through `points`, in their order.
    pub fn line(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points = points.into_iter().collect();
        self.next_series(name, Shape::Line { points, width: 1.6, marked: false }, 1.0)
    }

    /// With a line through values that scatter much, drawn faintly, and over it their moving
    /// average.
    pub fn noisy_line(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        let smooth = smoothed(&points);
        let shape = Shape::Line { points, width: 1.0, marked: false };
        let paint = Paint::Series(self.series);
        self.layer(Layer { name: None, shape, paint, opacity: 0.3 }).layer(Layer {
            name: Some(name.into()),
            shape: Shape::Line { points: smooth, width: 1.6, marked: false },
            paint,
            opacity: 1.0,
        })
    }

    /// With the moving average of values that scatter much, and not the values.
    pub fn moving_average(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        self.line(name, smoothed(&points))
    }

    /// With the path of a descent: a line on which each point is marked, and the last one most.
    pub fn path(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points = points.into_iter().collect();
        self.next_series(name, Shape::Line { points, width: 1.6, marked: true }, 1.0)
    }

    /// With points that are not joined.
    pub fn points(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.next_series(name, Shape::Points(points.into_iter().collect()), 0.7)
    }

    /// With words in the place of points.
    pub fn words(
        self,
        name: impl Into<String>,
        words: impl IntoIterator<Item = ((f64, f64), String)>,
    ) -> Self {
        let texts = words.into_iter().collect();
        self.next_series(name, Shape::Texts { texts, upright: false, halo: true }, 1.0)
    }

    /// With bars that stand on 0, each from one x to another and of a height.
    pub fn bars(
        self,
        name: impl Into<String>,
        bars: impl IntoIterator<Item = (f64, f64, f64)>,
    ) -> Self {
        let bar = |(from, to, height)| Rectangle {
            corners: [(from, 0.0), (to, height)],
            share: 1.0,
            title: None,
        };
        self.next_series(name, Shape::Rectangles(bars.into_iter().map(bar).collect()), 0.6)
    }

    /// With intervals along y at values of x, each the x, the value, and the interval's ends.
    pub(super) fn intervals(
        self,
        name: impl Into<String>,
        intervals: impl IntoIterator<Item = (f64, f64, (f64, f64))>,
    ) -> Self {
        self.next_series(name, Shape::Intervals(intervals.into_iter().collect()), 1.0)
    }

    /// With a line in grey that what is drawn is to be compared with.
    pub fn reference(
        self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points = points.into_iter().collect();
        self.layer(Layer {
            name: Some(name.into()),
            shape: Shape::Line { points, width: 1.1, marked: false },
            paint: Paint::Fixed(MUTED),
            opacity: 1.0,
        })
    }

    /// With the level lines of `field` and their values, and the more colour the greater its values are. The axes
    /// reach as far as the field.
    ///
    /// # Panics
    ///
    /// If a level is not finite.
    #[track_caller]
    pub fn contours(mut self, field: &Field, levels: &[f64]) -> Self {
        self = self.over(field);
        let mut labels = Labels::over(field.ranges());
        for level in levels {
            let polygons = field.above(*level);
            let lines: Vec<Ring> = polygons.iter().flatten().cloned().collect();
            labels.add(*level, &lines);
            self = self.layer(Layer {
                name: None,
                shape: Shape::Polygons(polygons),
                paint: Paint::Fixed(SERIES[0]),
                opacity: 0.35 / levels.len() as f64,
            });
            for points in lines {
                self = self.layer(Layer {
                    name: None,
                    shape: Shape::Line { points, width: 0.7, marked: false },
                    paint: Paint::Fixed(MUTED),
                    opacity: 0.6,
                });
            }
        }
        self.layer(Layer {
            name: None,
            shape: Shape::Texts { texts: labels.into_texts(), upright: false, halo: true },
            paint: Paint::Fixed(MUTED),
            opacity: 1.0,
        })
    }

    /// With axes as long as the field's.
    pub(super) fn over(mut self, field: &Field) -> Self {
        self.height = 300.0;
        let ((x_start, x_end), (y_start, y_end)) = field.ranges();
        self.x.range = Some((x_start, x_end));
        self.y.range = Some((y_start, y_end));
        self
    }

    /// What the y axis shows.
    pub(crate) fn y_label(&self) -> &str {
        &self.y.label
    }

    pub(super) fn axis(&self, options: &AxisOptions, coordinate: Coordinate) -> Axis {
        if let Some(names) = &options.names {
            let count = names.len().max(1) as f64;
            let range = match coordinate {
                Coordinate::X => (0.0, count),
                Coordinate::Y => (count, 0.0),
            };
            return Axis { range, kind: Kind::Names(names.clone()), labels: names.len() };
        }
        let mut extent = Extent::new(options.logarithmic);
        for layer in &self.layers {
            layer.shape.extend(coordinate, &mut extent);
        }
        let kind = match options.logarithmic {
            true => Kind::Logarithmic,
            false => Kind::Linear { whole: extent.whole },
        };
        Axis { range: options.range.unwrap_or_else(|| extent.range()), kind, labels: 6 }
    }
}

#[track_caller]
fn checked_range(start: f64, end: f64) -> (f64, f64) {
    assert!(
        start.is_finite() && end.is_finite() && start != end,
        "Chart: an axis cannot reach from {start} to {end}"
    );
    (start, end)
}

/// Each point with the mean of its neighbourhood, a fiftieth of the line to either side. Near the
/// start it is smaller, so that a line begins where it does, and at the end one side is cut off. A
/// value that is not finite has no part in it.
pub(super) fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0_usize)];
    for &(_, y) in points {
        let (sum, count) = sums[sums.len() - 1];
        sums.push(if y.is_finite() { (sum + y, count + 1) } else { (sum, count) });
    }
    let mean = |(index, &(x, _)): (usize, &(f64, f64))| {
        let reach = (points.len() / 50).min(index);
        let (start, end) = (sums[index - reach], sums[(index + reach + 1).min(points.len())]);
        (x, (end.0 - start.0) / (end.1 - start.1) as f64)
    };
    points.iter().enumerate().map(mean).collect()
}
