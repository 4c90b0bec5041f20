//! What a classifier decides over a plane, as it learns.

use downhill_tensor::{Element, Tensor};

use super::chart::Chart;
use super::field::Field;
use super::layer::{Layer, Paint, Shape};
use super::picture::{MUTED, Picture};

/// The cells along each side of the map.
const SIZE: usize = 64;
/// The opacity of each of the three shades that lie over one another.
const SHADE: f64 = 0.16;

/// The decisions of a classifier of two features, with the samples, at several moments of
/// training.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_report::plot::DecisionMap;
///
/// let features = Tensor::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let mut map = DecisionMap::new(&features, &[0, 0, 1, 1], &["left", "right"]);
/// let weight = Tensor::from([[-4.0, 4.0], [0.0, 0.0]]);
/// map.capture(0, &map.grid().matmul(&weight));
/// assert_eq!(map.pictures().len(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct DecisionMap<E: Element = f32> {
    /// The samples of each class.
    points: Vec<Vec<(f64, f64)>>,
    class_names: Vec<String>,
    feature_names: [String; 2],
    ranges: [(f64, f64); 2],
    grid: Tensor<E>,
    moments: Vec<Moment>,
}

#[derive(Debug, Clone)]
struct Moment {
    step: usize,
    /// For each class, how much more probable it is than the most probable other one.
    margins: Vec<Field>,
}

impl<E: Element> DecisionMap<E> {
    /// A map around samples with two features each, `[N, 2]`, and a class each.
    ///
    /// # Panics
    ///
    /// If `features` has another shape, or there are not as many labels as rows, or a label has no
    /// name.
    #[track_caller]
    pub fn new(features: &Tensor<E>, labels: &[usize], class_names: &[impl ToString]) -> Self {
        assert!(
            features.shape() == [labels.len(), 2],
            "DecisionMap: features of shape {:?} for {} labels; [N, 2] is wanted",
            features.shape(),
            labels.len()
        );
        let values = features.to_vec();
        let mut points = vec![Vec::new(); class_names.len()];
        for (row, &label) in values.chunks(2).zip(labels) {
            assert!(label < points.len(), "DecisionMap: label {label} has no name");
            points[label].push((row[0].as_f64(), row[1].as_f64()));
        }
        let range = |axis: usize| {
            let values = || values.iter().skip(axis).step_by(2).map(|value| value.as_f64());
            let min = values().fold(f64::INFINITY, f64::min);
            let max = values().fold(f64::NEG_INFINITY, f64::max);
            let margin = if max > min { (max - min) * 0.1 } else { 1.0 };
            if min <= max { (min - margin, max + margin) } else { (-1.0, 1.0) }
        };
        let ranges = [range(0), range(1)];
        let grid = Field::points(ranges[0], ranges[1], SIZE);
        let grid = grid.into_iter().flatten().map(E::from_f64).collect();
        let grid = Tensor::from_shape_vec(&[SIZE * SIZE, 2], grid)
            .expect("two coordinates for each point");
        let class_names = class_names.iter().map(ToString::to_string).collect();
        let feature_names = ["x₁".to_owned(), "x₂".to_owned()];
        Self { points, class_names, feature_names, ranges, grid, moments: Vec::new() }
    }

    /// With names for the two features, which are x₁ and x₂ otherwise.
    #[must_use]
    pub fn feature_names(mut self, names: [&str; 2]) -> Self {
        self.feature_names = names.map(str::to_owned);
        self
    }

    /// The points of the map, `[P, 2]`, for which the model is to be asked.
    pub fn grid(&self) -> &Tensor<E> {
        &self.grid
    }

    /// Adds the map after `step` steps, from the model's logits for the [grid](Self::grid): `[P, C]`,
    /// or `[P, 1]` of class 1 where there are two.
    ///
    /// # Panics
    ///
    /// If the logits have another shape.
    #[track_caller]
    pub fn capture(&mut self, step: usize, logits: &Tensor<E>) {
        let classes = self.class_names.len();
        let single = classes == 2 && logits.shape() == [SIZE * SIZE, 1];
        assert!(
            single || logits.shape() == [SIZE * SIZE, classes],
            "DecisionMap: logits of shape {:?} for {} points and {classes} classes",
            logits.shape(),
            SIZE * SIZE
        );
        let logits = logits.detach();
        let logits = match single {
            true => Tensor::concat(&[&Tensor::zeros(logits.shape()), &logits], 1),
            false => logits,
        };
        let probabilities = logits.softmax(-1).to_vec();
        let margin = |class: usize| {
            let margins = probabilities.chunks(classes).map(|row| {
                let others = row.iter().enumerate().filter(|(other, _)| *other != class);
                let rival = others.map(|(_, p)| p.as_f64()).fold(0.0, f64::max);
                row[class].as_f64() - rival
            });
            Field::new(self.ranges[0], self.ranges[1], SIZE, margins.collect())
        };
        let margins = (0..classes).map(margin).collect();
        self.moments.push(Moment { step, margins });
    }

    /// A picture of each moment, in order: the regions of the classes, the stronger in colour the
    /// surer the decision, and the samples.
    pub fn pictures(&self) -> Vec<Picture> {
        self.moments.iter().map(|moment| self.picture(moment)).collect()
    }

    /// The same, each with the number of steps made until then.
    pub(crate) fn moments(&self) -> impl Iterator<Item = (usize, Picture)> {
        self.moments.iter().map(|moment| (moment.step, self.picture(moment)))
    }

    fn picture(&self, moment: &Moment) -> Picture {
        let [x, y] = &self.feature_names;
        let title = match moment.step {
            0 => "Decisions before training".into(),
            1 => "Decisions after 1 step".into(),
            step => format!("Decisions after {step} steps"),
        };
        let mut chart = Chart::new(title, x, y).square();
        let layer = |name, shape, class, opacity| Layer {
            name,
            shape,
            paint: Paint::Series(class),
            opacity,
        };
        for (class, margin) in moment.margins.iter().enumerate() {
            chart = chart.over(margin);
            // Over each other: a border where the lead is 0, and more colour where it is large.
            for level in [0.0, 0.5, 0.9] {
                let shape = Shape::Polygons(margin.above(level));
                chart = chart.layer(layer(None, shape, class, SHADE));
            }
        }
        // What the three shades mean.
        for (level, name) in [(1, "leads"), (2, "by 0.5"), (3, "by 0.9")] {
            chart = chart.layer(Layer {
                name: Some(name.into()),
                shape: Shape::Rectangles(Vec::new()),
                paint: Paint::Fixed(MUTED),
                opacity: 1.0 - (1.0_f64 - SHADE).powi(level),
            });
        }
        for (class, points) in self.points.iter().enumerate() {
            let name = Some(self.class_names[class].clone());
            chart = chart.layer(layer(name, Shape::Points(points.clone()), class, 1.0));
        }
        chart.picture()
    }
}
