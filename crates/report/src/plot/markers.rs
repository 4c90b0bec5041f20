//! How series are told apart without their colours.

use super::picture::SERIES;
use super::svg::{Drawing, Fill, Point};

/// How the lines of series are broken, in turn: the lengths of dashes and gaps, in units. Nothing
/// for a line that is whole.
const DASHES: [&str; 4] = ["", "7,3", "2,2.5", "9,2.5,2,2.5"];

/// The dashes of series `index`: other ones than those of its neighbours, and than those of the
/// three before and after it that have its colour.
pub(super) fn dashes(index: usize) -> &'static str {
    DASHES[(index + index / SERIES.len()) % DASHES.len()]
}

/// The outlines of the marks of all series but the first, whose mark is a circle: of about the area
/// of a circle with radius 1, y pointing down.
const OUTLINES: [&[(f64, f64)]; 5] = [
    // A square, a triangle, a diamond, the triangle upside down, and a cross.
    &[(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)],
    &[(0.0, -1.5), (1.35, 0.8), (-1.35, 0.8)],
    &[(0.0, -1.35), (1.15, 0.0), (0.0, 1.35), (-1.15, 0.0)],
    &[(0.0, 1.5), (1.35, -0.8), (-1.35, -0.8)],
    &[
        (0.0, -0.5),
        (0.8, -1.3),
        (1.3, -0.8),
        (0.5, 0.0),
        (1.3, 0.8),
        (0.8, 1.3),
        (0.0, 0.5),
        (-0.8, 1.3),
        (-1.3, 0.8),
        (-0.5, 0.0),
        (-1.3, -0.8),
        (-0.8, -1.3),
    ],
];

/// Marks a point of series `index` by a shape as large as a circle of this radius.
pub(super) fn mark(drawing: &mut Drawing, index: usize, (x, y): Point, radius: f64, fill: Fill) {
    match index % (OUTLINES.len() + 1) {
        0 => drawing.circle((x, y), radius, fill),
        outline => {
            let corner = |&(dx, dy): &Point| (x + dx * radius, y + dy * radius);
            let corners: Vec<Point> = OUTLINES[outline - 1].iter().map(corner).collect();
            drawing.polygon(&corners, fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::super::Chart;
    use super::super::picture::series_color;
    use super::super::tests::check;
    use super::SERIES;

    fn ramp(count: i32) -> impl Iterator<Item = (f64, f64)> {
        (1..=count).map(|i| (f64::from(i), 1.0 / f64::from(i)))
    }

    #[test]
    fn all_of_a_dozen_runs_are_named_and_none_looks_like_another() {
        let chart = (0..12).fold(Chart::new("Loss", "epoch", "loss"), |chart, run| {
            chart.noisy_line(format!("run {run}"), ramp(20 + run))
        });
        let picture = chart.picture();
        let texts = check(&picture);
        assert_eq!(texts.iter().filter(|text| text.starts_with("run ")).count(), 12);
        assert!(!texts.iter().any(|text| text.contains("more")));
        let svg = picture.svg();
        let document = Document::parse(&svg).unwrap();
        let colors: Vec<String> = SERIES.iter().map(ToString::to_string).collect();
        let looks: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("polyline") && node.attribute("opacity").is_none())
            .map(|node| (node.attribute("stroke").unwrap(), node.attribute("stroke-dasharray")))
            .filter(|(stroke, _)| colors.iter().any(|color| color == stroke))
            .collect();
        let (legend, curves) = looks.split_at(12);
        for (run, look) in legend.iter().enumerate() {
            assert!(curves.contains(look), "the legend's sample of run {run} is not its curve");
            assert!(!legend[..run].contains(look));
            assert!(run == 0 || legend[run - 1].1 != look.1, "neighbours have the same dashes");
        }
    }

    #[test]
    fn points_of_different_series_differ_in_shape() {
        let chart = (0..6).fold(Chart::new("Points", "x", "y"), |chart, series| {
            chart.points(format!("class {series}"), [(f64::from(series), 1.0), (6.0, 2.0)])
        });
        let picture = chart.picture();
        check(&picture);
        let svg = picture.svg();
        let document = Document::parse(&svg).unwrap();
        // One in the legend and two in the chart, of each of five shapes besides the circle.
        assert_eq!(picture.svg().matches("<circle").count(), 3);
        let mut outlines: Vec<Vec<(f64, f64)>> = Vec::new();
        for series in 1..6 {
            let color = series_color(series, 6, false).to_string();
            let marks: Vec<Vec<(f64, f64)>> = document
                .descendants()
                .filter(|node| {
                    node.has_tag_name("polygon") && node.attribute("fill") == Some(color.as_str())
                })
                .map(corners)
                .collect();
            assert_eq!(marks.len(), 3);
            assert!(alike(&marks[1], &marks[2]), "one series, two shapes");
            assert!(!outlines.iter().any(|o| alike(o, &marks[1])), "two series, one shape");
            outlines.push(marks[1].clone());
        }
    }

    /// Whether two outlines are the same but for rounding.
    fn alike(a: &[(f64, f64)], b: &[(f64, f64)]) -> bool {
        let near =
            |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs().max((a.1 - b.1).abs()) < 0.3;
        a.len() == b.len() && a.iter().zip(b).all(near)
    }

    /// The corners of a polygon, from its first.
    fn corners(polygon: Node<'_, '_>) -> Vec<(f64, f64)> {
        let points = polygon.attribute("points").unwrap().split_whitespace().map(|point| {
            let (x, y) = point.split_once(',').unwrap();
            (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
        });
        let points: Vec<_> = points.collect();
        points.iter().map(|(x, y)| (x - points[0].0, y - points[0].1)).collect()
    }
}
