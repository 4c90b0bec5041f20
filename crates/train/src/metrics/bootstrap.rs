//! How far a metric might be off.

use rand::{Rng, RngExt};

/// Between which two values a metric lies with a given probability, if other samples of the same
/// kind had been drawn: the percentile bootstrap of Efron, "Bootstrap methods: another look at the
/// jackknife" (1979). The metric is computed of `resamples` draws of `samples` indices with
/// replacement, and the interval leaves out (1 − `level`) / 2 of the values on either side.
///
/// `metric` gets the indices of the samples; NaN says that it is undefined for them, and that draw
/// counts for nothing. `None` if it was never defined. Some 1,000 draws suffice for two digits.
///
/// # Panics
///
/// If `samples` or `resamples` is 0, or `level` does not lie between 0 and 1.
///
/// ```
/// use downhill_train::metrics::bootstrap_interval;
/// use rand::SeedableRng;
///
/// let right: Vec<bool> = (0..200).map(|index| index % 10 > 0).collect(); // 90 %
/// let accuracy = |rows: &[usize]| {
///     rows.iter().filter(|&&row| right[row]).count() as f64 / rows.len() as f64
/// };
/// let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(7);
/// let (low, high) = bootstrap_interval(200, 1000, 0.95, &mut rng, accuracy).unwrap();
/// assert!((low - 0.86).abs() < 0.015 && (high - 0.94).abs() < 0.015); // 0.9 ± 1.96 · 0.021
/// ```
#[track_caller]
pub fn bootstrap_interval(
    samples: usize,
    resamples: usize,
    level: f64,
    rng: &mut impl Rng,
    mut metric: impl FnMut(&[usize]) -> f64,
) -> Option<(f64, f64)> {
    assert!(
        samples > 0 && resamples > 0,
        "bootstrap_interval: {resamples} draws of {samples} samples"
    );
    assert!(level > 0.0 && level < 1.0, "bootstrap_interval: level {level} is not between 0 and 1");
    let mut indices = vec![0; samples];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        indices.iter_mut().for_each(|index| *index = rng.random_range(0..samples));
        let value = metric(&indices);
        if !value.is_nan() {
            values.push(value);
        }
    }
    values.sort_by(f64::total_cmp);
    let outside = (1.0 - level) / 2.0;
    Some((quantile(&values, outside)?, quantile(&values, 1.0 - outside)?))
}

/// The value below which a fraction of sorted values lie, interpolated between neighbours, as NumPy
/// does.
fn quantile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let place = fraction * sorted.len().checked_sub(1)? as f64;
    let (lower, upper) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    // Infinite ones have no difference, and that of finite ones may be infinite.
    let share = place.fract();
    Some(if lower == upper { lower } else { lower * (1.0 - share) + upper * share })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 0.95, 1])
        let values = [1.0, 2.0, 4.0, 8.0];
        let found = [0.0, 0.1, 0.5, 0.95, 1.0].map(|q| quantile(&values, q).unwrap());
        for (found, expected) in found.into_iter().zip([1.0, 1.3, 3.0, 7.4, 8.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_normal_distribution() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 20)).collect();
        let mean = |rows: &[usize]| rows.iter().map(|&row| values[row]).sum::<f64>() / 400.0;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let (low, high) = bootstrap_interval(400, 4000, 0.9, &mut rng, mean).unwrap();
        // 9.5 ± 1.645 · √((20² − 1) / 12 / 400); the ends of 4,000 draws scatter by some 2 %.
        let half = 1.645 * (399.0_f64 / 12.0 / 400.0).sqrt();
        assert!((low - (9.5 - half)).abs() < 0.06 * half, "{low}");
        assert!((high - (9.5 + half)).abs() < 0.06 * half, "{high}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_undefined_draws_are_left_out() {
        let interval = || {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
            let metric = |rows: &[usize]| if rows[0] == 0 { f64::NAN } else { rows[0] as f64 };
            bootstrap_interval(5, 500, 0.9, &mut rng, metric)
        };
        assert_eq!(interval(), interval());
        assert_eq!(interval(), Some((1.0, 4.0)));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        assert_eq!(bootstrap_interval(5, 10, 0.9, &mut rng, |_| f64::NAN), None);
    }
}
