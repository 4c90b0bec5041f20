//! Point clouds in the plane, with classes or values, and values along a line.
//!
//! Each function draws `count` points that lie roughly within −1 to 1. Classes have as even a share
//! of them as can be, and normally distributed `noise` (its standard deviation) is added to both
//! coordinates, or to the value.

use std::f64::consts::{PI, TAU};

use downhill_tensor::Element;
use ndarray::Array2;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};

use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::{Classes, Numbers};

/// `arms` spirals wound about each other, each one and a half turns long.
///
/// ```
/// use downhill_datasets::synthetic;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let data = synthetic::spirals::<f32>(3, 300, 0.02, &mut rng)?;
/// assert_eq!((data.len(), data.class_count()), (300, 3));
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Synthetic`] if there are fewer points than arms, fewer than two arms, or the noise is
/// negative or not finite.
pub fn spirals<E: Element>(
    arms: usize,
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E>, Error> {
    draw(arms, count, noise, rng, |class, rng| {
        // The square root spreads the points evenly along the arm.
        let along = rng.random_range(0.0_f64..1.0).sqrt();
        let angle = 1.5 * TAU * along + TAU * class as f64 / arms as f64;
        [along * angle.cos(), along * angle.sin()]
    })
}

/// Two half circles, each reaching into the other.
///
/// # Errors
///
/// As [`spirals`].
pub fn moons<E: Element>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E>, Error> {
    draw(2, count, noise, rng, |class, rng| {
        let angle = rng.random_range(0.0..PI);
        let side = if class == 0 { 1.0 } else { -1.0 };
        // Moved to the middle and shrunk from the usual width of three.
        [(side * (angle.cos() - 0.5)) / 1.5, side * (angle.sin() - 0.25) / 1.5]
    })
}

/// A circle within a circle of twice its radius.
///
/// # Errors
///
/// As [`spirals`].
pub fn circles<E: Element>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E>, Error> {
    draw(2, count, noise, rng, |class, rng| {
        let (angle, radius) = (rng.random_range(0.0..TAU), if class == 0 { 1.0 } else { 0.5 });
        [radius * angle.cos(), radius * angle.sin()]
    })
}

/// Four squares of a checkerboard: the class is whether the coordinates' signs differ.
///
/// # Errors
///
/// As [`spirals`].
pub fn exclusive_or<E: Element>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E>, Error> {
    draw(2, count, noise, rng, |class, rng| {
        let (x, y) = (rng.random_range(-1.0_f64..1.0), rng.random_range(0.0..1.0));
        [x, if (class == 0) == (x < 0.0) { -y } else { y }]
    })
}

/// One cloud a class, its centre on a circle; its standard deviation is the noise.
///
/// # Errors
///
/// As [`spirals`], with `classes` for the arms.
pub fn blobs<E: Element>(
    classes: usize,
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E>, Error> {
    draw(classes, count, noise, rng, |class, _| {
        let angle = TAU * class as f64 / classes as f64;
        [0.6 * angle.cos(), 0.6 * angle.sin()]
    })
}

/// A value that rises evenly from the lower left, where it is 0, to the upper right, where it is 1.
/// Values are cut off at 0 and 1, so that they can be read as probabilities.
///
/// # Errors
///
/// [`Error::Synthetic`] if there are no points, or the noise is negative or not finite.
pub fn plane<E: Element>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E, Numbers<E>>, Error> {
    draw_values(count, noise, rng, |[x, y]| 0.5 + 0.25 * (x + y))
}

/// A value near 1 on a hill in the lower left, near 0 in a hollow in the upper right, and near ½
/// elsewhere. Values are cut off at 0 and 1, so that they can be read as probabilities.
///
/// # Errors
///
/// As [`plane`].
pub fn hills<E: Element>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E, Numbers<E>>, Error> {
    let bump = |x: f64, y: f64| (-(x * x + y * y) / 0.15).exp();
    draw_values(count, noise, rng, |[x, y]| {
        0.5 + 0.5 * bump(x + 0.45, y + 0.45) - 0.5 * bump(x - 0.45, y - 0.45)
    })
}

/// A value of one feature that swings twice between 0.15 and 0.85. Values are cut off at 0
/// and 1, so that they can be read as probabilities.
///
/// # Errors
///
/// As [`plane`].
pub fn wave<E: Element>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
) -> Result<Dataset<E, Numbers<E>>, Error> {
    draw_values(count, noise, rng, |[x]| 0.5 + 0.35 * (TAU * x).sin())
}

fn draw_values<E: Element, const D: usize>(
    count: usize,
    noise: f64,
    rng: &mut impl Rng,
    value: impl Fn([f64; D]) -> f64,
) -> Result<Dataset<E, Numbers<E>>, Error> {
    let normal = Normal::new(0.0, noise).ok().filter(|_| noise >= 0.0 && noise.is_finite());
    let (Some(normal), true) = (normal, count > 0) else {
        return Err(Error::Synthetic { classes: 1, count, noise });
    };
    let mut features = Array2::zeros((count, D));
    let mut values = Vec::with_capacity(count);
    for mut feature in features.rows_mut() {
        let point: [f64; D] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        for (slot, x) in feature.iter_mut().zip(point) {
            *slot = E::from_f64(x);
        }
        values.push(E::from_f64((value(point) + normal.sample(rng)).clamp(0.0, 1.0)));
    }
    Dataset::new(features, Numbers::new(values)?)
}

fn draw<E: Element, R: Rng>(
    classes: usize,
    count: usize,
    noise: f64,
    rng: &mut R,
    point: impl Fn(usize, &mut R) -> [f64; 2],
) -> Result<Dataset<E>, Error> {
    let normal = Normal::new(0.0, noise).ok().filter(|_| noise >= 0.0 && noise.is_finite());
    let (Some(normal), true) = (normal, classes >= 2 && count >= classes) else {
        return Err(Error::Synthetic { classes, count, noise });
    };
    let mut features = Array2::zeros((count, 2));
    let labels = (0..count).map(|row| row % classes).collect();
    for (row, mut feature) in features.rows_mut().into_iter().enumerate() {
        for (slot, x) in feature.iter_mut().zip(point(row % classes, rng)) {
            *slot = E::from_f64(x + normal.sample(rng));
        }
    }
    let names = (0..classes).map(|class| class.to_string()).collect();
    Dataset::new(features, Classes::new(labels, names)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

    fn rng() -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(1)
    }

    #[test]
    fn points_without_noise_lie_on_their_figures() {
        let circles = circles::<f64>(100, 0.0, &mut rng()).unwrap();
        for (point, &label) in circles.features().rows().into_iter().zip(circles.labels()) {
            let radius = if label == 0 { 1.0 } else { 0.5 };
            approx::assert_abs_diff_eq!(point[0].hypot(point[1]), radius, epsilon = 1e-12);
        }
        let squares = exclusive_or::<f64>(100, 0.0, &mut rng()).unwrap();
        for (point, &label) in squares.features().rows().into_iter().zip(squares.labels()) {
            assert_eq!(label == 1, (point[0] < 0.0) != (point[1] < 0.0), "{point}");
        }
        let arms = spirals::<f64>(3, 99, 0.0, &mut rng()).unwrap();
        for (point, &label) in arms.features().rows().into_iter().zip(arms.labels()) {
            let radius = point[0].hypot(point[1]);
            let angle = 1.5 * TAU * radius + TAU * label as f64 / 3.0;
            approx::assert_abs_diff_eq!(point[0], radius * angle.cos(), epsilon = 1e-9);
        }
        let moons = moons::<f64>(100, 0.0, &mut rng()).unwrap();
        assert!(moons.features().iter().all(|x| x.abs() <= 1.0));
    }

    #[test]
    fn values_without_noise_are_those_of_their_surface() {
        let plane = plane::<f64>(100, 0.0, &mut rng()).unwrap();
        for (point, &value) in plane.features().rows().into_iter().zip(plane.targets().as_slice()) {
            approx::assert_abs_diff_eq!(value, (2.0 + point[0] + point[1]) / 4.0, epsilon = 1e-12);
        }
        let wave = wave::<f64>(100, 0.0, &mut rng()).unwrap();
        assert_eq!(wave.feature_count(), 1);
        for (point, &value) in wave.features().rows().into_iter().zip(wave.targets().as_slice()) {
            let angle = TAU * point[0];
            approx::assert_abs_diff_eq!(value, 0.5 + 0.35 * angle.sin(), epsilon = 1e-12);
        }
        let hills = hills::<f64>(2000, 0.0, &mut rng()).unwrap();
        for (point, &value) in hills.features().rows().into_iter().zip(hills.targets().as_slice()) {
            let (hill, hollow) = (point[0].max(point[1]) < -0.4, point[0].min(point[1]) > 0.4);
            if hill && point.sum() > -1.0 {
                assert!(value > 0.9, "{point} {value}");
            } else if hollow && point.sum() < 1.0 {
                assert!(value < 0.1, "{point} {value}");
            }
        }
        let noisy = super::plane::<f64>(500, 1.0, &mut rng()).unwrap();
        assert!(noisy.targets().as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(noisy.targets().as_slice().contains(&1.0));
    }

    #[test]
    fn blobs_lie_about_their_centres() {
        let blobs = blobs::<f64>(4, 400, 0.1, &mut rng()).unwrap();
        for (class, [x, y]) in [[0.6, 0.0], [0.0, 0.6], [-0.6, 0.0], [0.0, -0.6]].iter().enumerate()
        {
            let rows: Vec<usize> = (0..400).filter(|&row| blobs.labels()[row] == class).collect();
            let mean = blobs.select(&rows).features().mean_axis(ndarray::Axis(0)).unwrap();
            // Five standard errors of 100 points.
            approx::assert_abs_diff_eq!(mean[0], x, epsilon = 0.05);
            approx::assert_abs_diff_eq!(mean[1], y, epsilon = 0.05);
        }
    }

    #[test]
    fn classes_are_balanced_and_a_seed_repeats() {
        let data = spirals::<f32>(3, 100, 0.1, &mut rng()).unwrap();
        let counts = [0, 1, 2].map(|class| data.labels().iter().filter(|&&l| l == class).count());
        assert_eq!(counts, [34, 33, 33]);
        let again = spirals::<f32>(3, 100, 0.1, &mut rng()).unwrap();
        assert_eq!(data.features(), again.features());
    }

    #[test]
    fn impossible_requests_are_refused_with_their_figures() {
        let error = moons::<f32>(1, 0.1, &mut rng()).unwrap_err();
        assert_eq!(error.to_string(), "cannot draw 1 points of 2 classes with noise 0.1");
        for noise in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(moons::<f32>(10, noise, &mut rng()).is_err(), "{noise}");
            assert!(plane::<f32>(10, noise, &mut rng()).is_err(), "{noise}");
        }
    }
}
