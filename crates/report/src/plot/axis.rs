//! An axis: from values to places, and which values are labelled.

/// A linear or logarithmic axis, or one with a name for each whole number and the next.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// The values at its ends; the first is greater if the axis runs backwards.
    pub(super) range: (f64, f64),
    pub(super) kind: Kind,
    /// The most labels that there is room for.
    pub(super) labels: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Linear {
        /// Whether only whole numbers are labelled.
        whole: bool,
    },
    Logarithmic,
    Names(Vec<String>),
}

/// The end of a logarithmic axis in proportion to its start, up to which it is labelled like a
/// linear one.
const NARROW: f64 = 4.0;

impl Axis {
    /// How far along the axis `value` lies, from 0 to 1 within its range. Not finite if it has no
    /// place on it.
    pub(super) fn fraction(&self, value: f64) -> f64 {
        let (start, end) = self.range;
        match self.kind {
            Kind::Logarithmic => (value.ln() - start.ln()) / (end.ln() - start.ln()),
            // Halved, so that the distance of two huge numbers stays finite.
            _ => (value / 2.0 - start / 2.0) / (end / 2.0 - start / 2.0),
        }
    }

    /// The values that are labelled.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (start, end) = (self.range.0.min(self.range.1), self.range.0.max(self.range.1));
        match &self.kind {
            Kind::Linear { .. } => {
                let step = self.step();
                // Indices of multiples of the step; a little slack for rounding.
                let (first, last) = ((start / step - 1e-9).ceil(), (end / step + 1e-9).floor());
                (0..=(last - first).max(0.0) as usize).map(|i| (first + i as f64) * step).collect()
            }
            Kind::Logarithmic if self.is_narrow() => self.linear().ticks(),
            Kind::Logarithmic => {
                let decades = (start.log10() - 1e-9).floor() as i32..=(end.log10() + 1e-9) as i32;
                let inside = |value: &f64| {
                    value.is_finite()
                        && *value >= start * (1.0 - 1e-9)
                        && *value * (1.0 - 1e-9) <= end
                };
                let choose = |digits: &[f64], every: i32| -> Vec<f64> {
                    let decades = decades.clone().filter(|decade| decade % every == 0);
                    let multiples = |decade| digits.iter().map(move |d| d * 10_f64.powi(decade));
                    decades.flat_map(multiples).filter(inside).collect()
                };
                let finer = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]];
                let choices = finer.iter().map(|digits| choose(digits, 1));
                let mut coarser = (2..).map(|every| choose(&[1.0], every));
                let fitting = |ticks: &Vec<f64>| ticks.len() <= self.labels.max(1);
                choices
                    .into_iter()
                    .find(fitting)
                    .or_else(|| coarser.find(fitting))
                    .expect("few decades are multiples of a large number")
            }
            Kind::Names(names) => {
                let every = names.len().div_ceil(self.labels.max(1)).max(1);
                (0..names.len()).step_by(every).map(|index| index as f64 + 0.5).collect()
            }
        }
    }

    /// Whether a logarithmic axis is so short that 1, 2 and 5 times the powers of ten are too few
    /// labels, and evenly spaced ones look as if they were.
    fn is_narrow(&self) -> bool {
        let (start, end) = (self.range.0.min(self.range.1), self.range.0.max(self.range.1));
        end < NARROW * start
    }

    /// The linear axis with this range.
    fn linear(&self) -> Self {
        let kind = Kind::Linear { whole: false };
        // As many as fit where they lie closest, at the end.
        Self { range: self.range, kind, labels: (self.labels * 2 / 3).max(2) }
    }

    /// The distance of the labelled values on a linear axis: 1, 2 or 5 times a power of ten.
    fn step(&self) -> f64 {
        let length = (self.range.1 - self.range.0).abs().min(f64::MAX);
        let whole = matches!(self.kind, Kind::Linear { whole: true });
        let power = 10_f64.powf((length / self.labels.max(1) as f64).log10().floor());
        // Steps too small for the values to be told apart are of no use.
        let finest = self.range.0.abs().max(self.range.1.abs()) * 1e-15;
        let power = power.max(10_f64.powf(finest.log10().ceil())).max(f64::MIN_POSITIVE);
        let fits = |step: &f64| {
            length / step <= self.labels as f64 + 1e-9 && (!whole || step.fract() == 0.0)
        };
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|multiple| multiple * power);
        steps.into_iter().find(fits).unwrap_or(if whole { 1.0 } else { 20.0 * power })
    }

    /// How a labelled value is written.
    pub(super) fn label(&self, value: f64) -> String {
        match &self.kind {
            Kind::Names(names) => names.get(value as usize).cloned().unwrap_or_default(),
            Kind::Logarithmic if self.is_narrow() => self.linear().label(value),
            Kind::Logarithmic if (1e-3..1e5).contains(&value) => plain(value, 3),
            Kind::Logarithmic => scientific(value, 0),
            Kind::Linear { .. } => {
                let step = self.step();
                let greatest = self.range.0.abs().max(self.range.1.abs());
                // Multiples of 0.1 · 3 have an error in the last place, which must not show.
                if greatest >= 1e5 || step < 1e-4 {
                    let digits = (greatest.log10().floor() - step.log10().floor()).max(0.0);
                    scientific(if value.abs() < step / 2.0 { 0.0 } else { value }, digits as usize)
                } else {
                    plain(value, (-step.log10().floor()).max(0.0) as usize)
                }
            }
        }
    }
}

/// At most `decimals` decimals, without zeros at the end and without a minus before zero.
fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0".into() } else { text.replace('-', "−") }
}

fn scientific(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').expect("scientific notation has an exponent");
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    format!("{mantissa}e{exponent}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn labels(range: (f64, f64), kind: Kind, labels: usize) -> Vec<String> {
        let axis = Axis { range, kind, labels };
        axis.ticks().into_iter().map(|tick| axis.label(tick)).collect()
    }

    const LINEAR: Kind = Kind::Linear { whole: false };

    #[test]
    fn linear_axes_are_labelled_at_round_numbers() {
        assert_eq!(labels((0.0, 1.0), LINEAR, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels((-0.3, 0.31), LINEAR, 4), ["−0.2", "0", "0.2"]);
        assert_eq!(labels((0.97, 1.0), LINEAR, 4), ["0.97", "0.98", "0.99", "1"]);
        assert_eq!(labels((0.0, 40.0), LINEAR, 4), ["0", "10", "20", "30", "40"]);
        assert_eq!(labels((0.0, 3e6), LINEAR, 3), ["0", "1e6", "2e6", "3e6"]);
        assert_eq!(
            labels((0.0, 2.5e-6), LINEAR, 5),
            ["0", "5e−7", "1e−6", "1.5e−6", "2e−6", "2.5e−6"]
        );
        assert_eq!(labels((1.0, 0.0), LINEAR, 2), ["0", "0.5", "1"]);
    }

    #[test]
    fn whole_numbers_are_not_divided() {
        assert_eq!(labels((1.0, 3.0), Kind::Linear { whole: true }, 8), ["1", "2", "3"]);
        assert_eq!(labels((0.0, 100.0), Kind::Linear { whole: true }, 5).len(), 6);
    }

    #[test]
    fn logarithmic_axes_are_labelled_as_finely_as_there_is_room() {
        assert_eq!(labels((0.5, 8.0), Kind::Logarithmic, 6), ["0.5", "1", "2", "5"]);
        assert_eq!(labels((0.01, 1.0), Kind::Logarithmic, 5), ["0.01", "0.03", "0.1", "0.3", "1"]);
        assert_eq!(
            labels((1e-5, 1e5), Kind::Logarithmic, 6),
            ["1e−4", "0.01", "1", "100", "10000"]
        );
        assert_eq!(labels((1e-300, 1e300), Kind::Logarithmic, 1).len(), 1);
        assert_eq!(labels((2.23, 3.41), Kind::Logarithmic, 6), ["2.5", "3"]);
        assert_eq!(
            labels((0.24, 0.26), Kind::Logarithmic, 6),
            ["0.24", "0.245", "0.25", "0.255", "0.26"]
        );
    }

    #[test]
    fn there_are_about_as_many_labels_as_there_is_room_for() {
        for exponent in -30..30 {
            for length in [1.0, 1.7, 3.3, 4.9, 9.99] {
                let length = length * 10_f64.powi(exponent);
                for room in 2..9 {
                    let count = labels((length / 7.0, length), LINEAR, room).len();
                    assert!((1..=room + 1).contains(&count), "{count} labels, room for {room}");
                }
            }
        }
    }

    #[test]
    fn names_are_left_out_where_there_is_no_room() {
        let names = || Kind::Names((0..10).map(|i| i.to_string()).collect());
        assert_eq!(labels((0.0, 10.0), names(), 10).len(), 10);
        assert_eq!(labels((10.0, 0.0), names(), 4), ["0", "3", "6", "9"]);
    }

    #[test]
    fn an_axis_goes_from_0_to_1_however_long_it_is() {
        for kind in [LINEAR, Kind::Logarithmic] {
            let axis = Axis { range: (0.01, 3.0), kind, labels: 5 };
            assert_eq!((axis.fraction(0.01), axis.fraction(3.0)), (0.0, 1.0));
        }
        let axis = Axis { range: (0.01, 100.0), kind: Kind::Logarithmic, labels: 5 };
        assert_relative_eq!(axis.fraction(1.0), 0.5, max_relative = 1e-12);
        assert!(axis.fraction(-1.0).is_nan() && axis.fraction(0.0).is_infinite());
        let widest = Axis { range: (-f64::MAX, f64::MAX), kind: LINEAR, labels: 5 };
        assert_eq!(widest.fraction(0.0), 0.5);
        assert!(widest.ticks().iter().all(|tick| tick.is_finite()));
    }
}
