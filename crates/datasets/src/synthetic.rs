//! Point clouds in the plane that a linear classifier cannot tell apart.
//!
//! Each function draws `count` points, as evenly divided among the classes as can be, with
//! normally distributed `noise` (its standard deviation) added to both coordinates. They lie
//! roughly within −1 to 1.

use std::f64::consts::{PI, TAU};

use downhill_tensor::Element;
use ndarray::Array2;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal};

use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::Classes;

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
        }
    }
}
