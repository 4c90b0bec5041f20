//! A curve drawn in one line of text.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws `values` with at most `cells` characters, from the lowest (`▁`) to the highest (`█`).
///
/// Each character shows the mean of its share of the values; `?` stands where that is not finite.
pub(crate) fn sparkline(values: &[f64], cells: usize) -> String {
    let cells = cells.min(values.len());
    let means: Vec<f64> = (0..cells)
        .map(|cell| {
            let share = &values[cell * values.len() / cells..(cell + 1) * values.len() / cells];
            share.iter().sum::<f64>() / share.len() as f64
        })
        .collect();
    let finite = || means.iter().copied().filter(|mean| mean.is_finite());
    let lowest = finite().fold(f64::INFINITY, f64::min);
    let highest = finite().fold(f64::NEG_INFINITY, f64::max);
    means
        .iter()
        .map(|&mean| {
            if !mean.is_finite() {
                return '?';
            }
            // Halved, so that the difference of two huge numbers stays finite. Equal values give
            // 0/0, and the cast takes NaN to 0.
            let height = (mean / 2.0 - lowest / 2.0) / (highest / 2.0 - lowest / 2.0);
            LEVELS[(height * (LEVELS.len() - 1) as f64).round() as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn each_value_gets_a_height_between_the_lowest_and_the_highest() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 20), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[-3.0, 4.0, -3.0], 20), "▁█▁");
    }

    #[test]
    fn many_values_are_averaged_into_the_cells() {
        let ramp: Vec<f64> = (0..800).rev().map(f64::from).collect();
        assert_eq!(sparkline(&ramp, 8), "█▇▆▅▄▃▂▁");
        // Means of [0, 0], [1, 3] and [3, 5, 4], as 7 values do not divide into 3 cells evenly.
        assert_eq!(sparkline(&[0.0, 0.0, 1.0, 3.0, 3.0, 5.0, 4.0], 3), "▁▅█");
        assert_eq!(sparkline(&vec![1.0; 10_000], 20).chars().count(), 20);
    }

    #[test]
    fn equal_values_lie_flat() {
        assert_eq!(sparkline(&[2.5, 2.5, 2.5], 20), "▁▁▁");
        assert_eq!(sparkline(&[], 20), "");
    }

    #[test]
    fn values_that_are_not_finite_are_marked_and_do_not_flatten_the_rest() {
        assert_eq!(sparkline(&[0.0, f64::NAN, 7.0, f64::INFINITY], 20), "▁?█?");
        assert_eq!(sparkline(&[f64::MAX, -f64::MAX], 20), "█▁");
        assert_eq!(sparkline(&[f64::NAN], 20), "?");
    }
}
