//! Paths on a surface, walked step by step: SVG that moves by itself, without script.

use std::fmt::Write;

use downhill_report::plot::{Chart, Field};

use crate::logistic::Weights;

/// Seconds for each step, and how many steps' time to stay at the end.
const PACE: f64 = 0.15;
const REST: usize = 12;
/// The series' colours in their order, as in every chart.
const COLORS: [&str; 4] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"];

/// A contour chart on which each path is drawn in its dashes, and walked by a dot with a trail that
/// lets them show. All take a step at the same time. Who has asked for less motion sees the paths
/// alone.
pub(crate) fn animate(
    title: &str,
    surface: &Field,
    levels: &[f64],
    paths: &[(&str, &[Weights])],
) -> String {
    let chart = Chart::new(title, "w", "b").contours(surface, levels);
    let chart = paths
        .iter()
        .fold(chart, |chart, (name, path)| chart.line(*name, path.iter().map(|&[w, b]| (w, b))));
    let steps = paths.iter().map(|(_, path)| path.len()).max().unwrap_or(0) + REST;
    let seconds = PACE * steps as f64;
    let mut walks = String::from(
        "<style>.walk{fill:none}@media(prefers-reduced-motion:reduce){.walk{display:none}}</style>",
    );
    for ((_, path), color) in paths.iter().zip(COLORS) {
        let places: Vec<(f64, f64)> = path.iter().map(|&[w, b]| chart.place((w, b))).collect();
        let mut walked = vec![0.0];
        for pair in places.windows(2) {
            walked.push(
                walked[walked.len() - 1] + (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1),
            );
        }
        let length = walked[walked.len() - 1];
        let values = |value: &dyn Fn(usize) -> f64| {
            let stay = |step: usize| value(step.min(places.len() - 1));
            (0..steps).map(|step| format!("{:.1}", stay(step))).collect::<Vec<_>>().join(";")
        };
        let animation = |attribute: &str, values: String| {
            format!(
                "<animate attributeName=\"{attribute}\" values=\"{values}\" dur=\"{seconds:.1}s\" \
                 repeatCount=\"indefinite\"/>"
            )
        };
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (x, y) = places[0];
        write!(
            walks,
            "<polyline class=\"walk\" points=\"{}\" stroke=\"{color}\" stroke-width=\"3.6\" opacity=\"0.5\" \
             stroke-dasharray=\"{length:.1} {:.1}\" stroke-dashoffset=\"0\">{}</polyline>\n\
             <g class=\"walk\"><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\" fill=\"{color}\" \
             stroke=\"#FFFFFF\" stroke-width=\"1.6\">{}{}</circle></g>\n",
            points.join(" "),
            length + 10.0,
            animation("stroke-dashoffset", values(&|step| length - walked[step])),
            animation("cx", values(&|step| places[step].0)),
            animation("cy", values(&|step| places[step].1)),
        )
        .expect("writing to a string does not fail");
    }
    let svg = chart.picture().to_string();
    let (drawing, end) = svg.rsplit_once("</svg>").expect("an SVG document ends with its root");
    format!("{drawing}{walks}</svg>{end}")
}
