//! How metrics are written for people.

/// A metric with four decimals; in scientific notation, with four digits, where those would hide
/// a small number or drown a large one.
///
/// ```
/// use downhill_train::format_metric;
///
/// assert_eq!(format_metric(0.97222), "0.9722");
/// assert_eq!(format_metric(2891.25), "2891.2500");
/// assert_eq!(format_metric(0.000012345), "1.234e-5");
/// assert_eq!(format_metric(1.5e9), "1.500e9");
/// assert_eq!(format_metric(f64::NAN), "NaN");
/// ```
pub fn format_metric(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e5).contains(&magnitude) || !value.is_finite() {
        format!("{value:.4}")
    } else {
        format!("{value:.3e}")
    }
}

/// A number with three significant digits, as short as that can be written, for pictures.
///
/// ```
/// use downhill_train::format_short;
///
/// assert_eq!(format_short(0.43127), "0.431");
/// assert_eq!(format_short(-123_456.0), "−1.23e5");
/// ```
pub fn format_short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let text = match (1e-3..1e5).contains(&rounded.abs()) || !rounded.is_finite() {
        true => rounded.to_string(),
        false => format!("{rounded:e}"),
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::{format_metric, format_short};

    #[test]
    fn short_numbers_have_three_significant_digits() {
        assert_eq!(format_short(0.43127), "0.431");
        assert_eq!(format_short(-2.5), "−2.5");
        assert_eq!(format_short(123_456.0), "1.23e5");
        assert_eq!(format_short(99_999.0), "1e5");
        assert_eq!(format_short(1.0 / 3e9), "3.33e−10");
        assert_eq!((format_short(0.0), format_short(-0.0)), ("0".into(), "0".into()));
        assert_eq!(
            (format_short(f64::NAN), format_short(f64::NEG_INFINITY)),
            ("NaN".into(), "−inf".into())
        );
    }

    #[test]
    fn the_notation_changes_at_a_thousandth_and_at_a_hundred_thousand() {
        assert_eq!(format_metric(0.001), "0.0010");
        assert_eq!(format_metric(0.000999), "9.990e-4");
        assert_eq!(format_metric(-99_999.0), "-99999.0000");
        assert_eq!(format_metric(-100_000.0), "-1.000e5");
    }

    #[test]
    fn zero_infinities_and_nan_are_written_as_they_are() {
        assert_eq!(format_metric(0.0), "0.0000");
        assert_eq!(format_metric(f64::INFINITY), "inf");
        assert_eq!(format_metric(f64::NEG_INFINITY), "-inf");
        assert_eq!(format_metric(f64::NAN), "NaN");
    }
}
