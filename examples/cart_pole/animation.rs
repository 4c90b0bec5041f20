//! An episode as an animated SVG.

use std::fmt::Write;

/// The steps from one picture to the next: 25 pictures a second of the world's time.
const EVERY: usize = 2;

/// The cart and the pole at each moment, played in the world's own time, again and again.
pub(crate) fn animation(states: &[[f32; 4]]) -> String {
    let shown: Vec<&[f32; 4]> = states.iter().step_by(EVERY).collect();
    let seconds = shown.len() as f32 * EVERY as f32 * 0.02;
    let values = |value: &dyn Fn(&[f32; 4]) -> String| -> String {
        shown.iter().map(|state| value(state)).collect::<Vec<_>>().join(";")
    };
    let places = values(&|[position, ..]| format!("{:.1} 0", 100.0 * position));
    let angles = values(&|[_, _, angle, _]| format!("{:.2}", angle.to_degrees()));
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='-260 -140 520 180' width='520'>\n\
         <title>A pole balanced on a cart</title>\n\
         <style>line{stroke:#888}rect{fill:#4477aa}.pole{stroke:#cc6677;stroke-width:8;\
         stroke-linecap:round}</style>\n\
         <line x1='-240' y1='20' x2='240' y2='20'/>\n",
    );
    let animate = |kind: &str, values: &str| {
        format!(
            "<animateTransform attributeName='transform' type='{kind}' values='{values}' \
             dur='{seconds:.2}s' calcMode='discrete' repeatCount='indefinite'/>"
        )
    };
    let (moves, turns) = (animate("translate", &places), animate("rotate", &angles));
    write!(
        svg,
        "<g>{moves}<rect x='-30' y='-5' width='60' height='22' rx='3'/>\n\
         <line class='pole' x1='0' y1='-5' x2='0' y2='-105'>{turns}</line></g>\n</svg>\n"
    )
    .expect("text is put into a string");
    svg
}
