use ndarray::Array2;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::*;
use crate::target::{Classes, Numbers};

/// Rows whose only feature is their number, so that they can be told apart.
fn numbered(labels: Vec<usize>, classes: usize) -> Dataset<f64> {
    let names = (0..classes).map(|class| class.to_string()).collect();
    let features = Array2::from_shape_fn((labels.len(), 1), |(row, _)| row as f64);
    Dataset::new(features, Classes::new(labels, names).unwrap()).unwrap()
}

/// The rows of both sides by number, in order; asserts that each has kept its label.
fn rows(whole: &Dataset<f64>, sides: &[&Dataset<f64>]) -> Vec<usize> {
    let mut rows = Vec::new();
    for side in sides {
        for (row, &label) in side.features().column(0).iter().zip(side.labels()) {
            assert_eq!(label, whole.labels()[*row as usize]);
            rows.push(*row as usize);
        }
    }
    rows.sort_unstable();
    rows
}

fn all(data: &Dataset<f64>) -> Vec<usize> {
    (0..data.len()).collect()
}

fn sized(data: &Dataset<f64>, class: usize) -> f64 {
    data.labels().iter().filter(|&&label| label == class).count() as f64
}

/// Two or more rows of up to five classes, a fraction, and a seed.
fn cases() -> impl Strategy<Value = (Vec<usize>, f64, u64)> {
    (prop::collection::vec(0_usize..5, 2..200), 0.01..0.99, any::<u64>())
}

proptest! {
    #[test]
    fn a_split_is_a_partition((labels, fraction, seed) in cases()) {
        let data = numbered(labels, 5);
        let expected = (data.len() as f64 * fraction).round() as usize;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        match data.split(fraction, &mut rng) {
            Ok((train, test)) => {
                prop_assert_eq!(train.len(), expected);
                prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
            }
            Err(_) => prop_assert!(expected == 0 || expected == data.len()),
        }
    }

    #[test]
    fn a_stratified_split_keeps_class_proportions((labels, fraction, seed) in cases()) {
        let data = numbered(labels, 5);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let sizes: Vec<f64> = (0..5).map(|class| sized(&data, class)).collect();
        let whole = (data.len() as f64 * fraction).round();
        let (train, test) = match data.split_stratified(fraction, &mut rng) {
            Ok(sides) => sides,
            Err(Error::SmallClass { .. }) => {
                prop_assert!(sizes.contains(&1.0));
                return Ok(());
            }
            Err(_) => {
                prop_assert!(whole == 0.0 || whole == data.len() as f64);
                return Ok(());
            }
        };
        prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
        let (mut least, mut most) = (0.0, 0.0);
        for (class, &size) in sizes.iter().enumerate() {
            prop_assert!((sized(&train, class) - fraction * size).abs() < 1.0);
            if size > 0.0 {
                prop_assert!(sized(&train, class) > 0.0 && sized(&test, class) > 0.0);
                least += (fraction * size).floor().max(1.0);
                most += (fraction * size).ceil().min(size - 1.0);
            }
        }
        prop_assert_eq!(train.len() as f64, whole.clamp(least, most));
    }

    #[test]
    fn a_stratified_split_into_parts_keeps_class_proportions(
        (labels, fraction, seed) in cases(),
        among in 0.1..0.9,
    ) {
        let data = numbered(labels, 5);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let fractions = [fraction, (1.0 - fraction) * among, (1.0 - fraction) * (1.0 - among)];
        let sizes: Vec<f64> = (0..5).map(|class| sized(&data, class)).collect();
        let parts = match data.split_into_stratified(fractions, &mut rng) {
            Ok(parts) => parts,
            Err(Error::SmallClass { .. }) => {
                prop_assert!(sizes.contains(&1.0) || sizes.contains(&2.0));
                return Ok(());
            }
            Err(error) => {
                let unstratified = data.split_into(fractions, &mut rng).unwrap_err();
                prop_assert_eq!(error.to_string(), unstratified.to_string());
                return Ok(());
            }
        };
        let [first, second, third] = &parts;
        prop_assert_eq!(rows(&data, &[first, second, third]), all(&data));
        for (part, fraction) in parts.iter().zip(fractions) {
            for (class, &size) in sizes.iter().enumerate() {
                let got = sized(part, class);
                prop_assert!((got - fraction * size).abs() <= 2.0, "{got} of {size} by {fraction}");
                prop_assert!(size == 0.0 || got > 0.0);
            }
        }
    }
}

#[test]
fn a_seed_fixes_the_split_and_another_changes_it() {
    let data = numbered(vec![0; 100], 1);
    let train = |seed| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        data.split(0.5, &mut rng).unwrap().0
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn stratified_sides_are_in_a_random_order() {
    let data = numbered([[0; 50], [1; 50]].concat(), 2);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let (train, test) = data.split_stratified(0.8, &mut rng).unwrap();
    assert_eq!((sized(&train, 0), sized(&test, 0)), (40.0, 10.0));
    assert!(!train.labels().is_sorted());
    assert!(!test.labels().is_sorted());
}

#[test]
fn a_class_of_two_rows_is_on_both_sides() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    for fraction in [0.1, 0.5, 0.9] {
        let data = numbered([vec![0; 20], vec![1; 2], vec![2; 2]].concat(), 4);
        let (train, test) = data.split_stratified(fraction, &mut rng).unwrap();
        for class in [1, 2] {
            assert_eq!((sized(&train, class), sized(&test, class)), (1.0, 1.0), "{fraction}");
        }
    }
}

#[test]
fn a_class_of_one_row_is_an_error() {
    let data = numbered(vec![0, 0, 0, 1, 0, 0], 2);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    assert_eq!(
        data.split_stratified(0.5, &mut rng).unwrap_err().to_string(),
        "class `1` has 1 row, too few for each of 2 parts; without stratifying, a split \
         ignores classes"
    );
}

#[test]
fn regression_targets_stay_with_their_rows() {
    let features = Array2::from_shape_fn((10, 1), |(row, _)| row as f64);
    let values = Numbers::new((0..10).map(|row| 2.0 * f64::from(row)).collect()).unwrap();
    let data = Dataset::new(features, values).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let (train, test) = data.split(0.7, &mut rng).unwrap();
    assert_eq!((train.len(), test.len()), (7, 3));
    for side in [train, test] {
        let doubled: Vec<f64> = side.features().iter().map(|x| 2.0 * x).collect();
        assert_eq!(side.targets().as_slice(), doubled);
    }
}

#[test]
fn a_fraction_outside_0_to_1_is_an_error() {
    let data = numbered(vec![0; 10], 1);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    for (fraction, shown) in
        [(0.0, "0"), (1.0, "1"), (-0.5, "-0.5"), (1.5, "1.5"), (f64::NAN, "NaN")]
    {
        let message = format!("the training fraction is {shown}, not between 0 and 1");
        assert_eq!(data.split(fraction, &mut rng).unwrap_err().to_string(), message);
        assert_eq!(data.split_stratified(fraction, &mut rng).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_side_without_rows_is_an_error() {
    let data = numbered(vec![0; 10], 1);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    assert_eq!(
        data.split(0.01, &mut rng).unwrap_err().to_string(),
        "a training fraction of 0.01 of 10 rows leaves 0 to train on and 10 to test on"
    );
    assert_eq!(
        data.split_stratified(0.99, &mut rng).unwrap_err().to_string(),
        "a training fraction of 0.99 of 10 rows leaves 10 to train on and 0 to test on"
    );
    let nothing = data.select(&[]);
    assert_eq!(
        nothing.split(0.5, &mut rng).unwrap_err().to_string(),
        "a training fraction of 0.5 of 0 rows leaves 0 to train on and 0 to test on"
    );
}

#[test]
fn a_seed_makes_the_same_split_in_every_version() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let (train, test) = numbered(vec![0; 10], 1).split(0.7, &mut rng).unwrap();
    assert_eq!(train.features().column(0).to_vec(), [8.0, 5.0, 3.0, 9.0, 0.0, 7.0, 2.0]);
    assert_eq!(test.features().column(0).to_vec(), [1.0, 4.0, 6.0]);
}

proptest! {
    #[test]
    fn a_split_into_parts_is_a_partition((labels, fraction, seed) in cases()) {
        let data = numbered(labels, 5);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let rest = (1.0 - fraction) / 2.0;
        match data.split_into([fraction, rest, rest], &mut rng) {
            Ok(parts) => {
                prop_assert_eq!(rows(&data, &parts.each_ref()), all(&data));
                for (part, fraction) in parts.iter().zip([fraction, rest, rest]) {
                    prop_assert!((part.len() as f64 - data.len() as f64 * fraction).abs() <= 1.0);
                }
            }
            Err(_) => prop_assert!((data.len() as f64) * fraction.min(rest) < 1.0),
        }
    }

    #[test]
    fn each_row_is_tested_in_one_fold((labels, _, seed) in cases(), count in 2_usize..6) {
        let data = numbered(labels, 5);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let Ok(folds) = data.folds(count, &mut rng) else {
            prop_assert!(data.len() < count);
            return Ok(());
        };
        prop_assert_eq!(folds.len(), count);
        let mut tests = Vec::new();
        for (train, test) in folds {
            prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
            prop_assert!(test.len() == data.len() / count || test.len() == data.len().div_ceil(count));
            tests.push(test);
        }
        prop_assert_eq!(rows(&data, &tests.iter().collect::<Vec<_>>()), all(&data));
    }

    #[test]
    fn stratified_folds_differ_by_one_row_of_each_class(
        (labels, _, seed) in cases(), count in 2_usize..6
    ) {
        let data = numbered(labels, 5);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let sizes = data.class_sizes();
        let Ok(folds) = data.folds_stratified(count, &mut rng) else {
            prop_assert!(sizes.iter().any(|size| (1..count).contains(size)));
            return Ok(());
        };
        let mut tests = Vec::new();
        for (train, test) in folds {
            prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
            for (class, size) in test.class_sizes().into_iter().enumerate() {
                prop_assert!(size == sizes[class] / count || size == sizes[class].div_ceil(count));
            }
            prop_assert!(test.len() == data.len() / count || test.len() == data.len().div_ceil(count));
            tests.push(test);
        }
        prop_assert_eq!(rows(&data, &tests.iter().collect::<Vec<_>>()), all(&data));
    }

    /// The labels serve as groups.
    #[test]
    fn groups_stay_together((labels, fraction, seed) in cases(), count in 2_usize..4) {
        let data = numbered(labels.clone(), 5);
        let groups = data.class_sizes().iter().filter(|&&size| size > 0).count();
        let apart = |train: &Dataset<f64>, test: &Dataset<f64>| {
            (0..5).all(|class| sized(train, class) == 0.0 || sized(test, class) == 0.0)
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        match data.split_grouped(fraction, &labels, &mut rng) {
            Ok((train, test)) => {
                prop_assert!(!train.is_empty() && !test.is_empty() && apart(&train, &test));
                prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
            }
            Err(Error::EmptyPart { .. }) => prop_assert_eq!(groups, 1),
            Err(Error::EmptySplit { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
        match data.folds_grouped(count, &labels, &mut rng) {
            Ok(folds) => {
                let mut tested = 0;
                for (train, test) in folds {
                    prop_assert!(!test.is_empty() && apart(&train, &test));
                    prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
                    tested += test.len();
                }
                prop_assert_eq!(tested, data.len());
            }
            Err(_) => prop_assert!(groups < count),
        }
    }
}

#[test]
fn a_grouped_split_is_near_the_fraction() {
    let groups: Vec<usize> = (0..1000).map(|row| row / 7).collect();
    let data = numbered(vec![0; 1000], 1);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    let (train, _) = data.split_grouped(0.8, &groups, &mut rng).unwrap();
    assert!((796..=804).contains(&train.len()), "{}", train.len());
    let uneven: Vec<bool> = (0..1000).map(|row| row < 900).collect();
    let (train, test) = data.split_grouped(0.8, &uneven, &mut rng).unwrap();
    assert_eq!((train.len().max(test.len()), train.len().min(test.len())), (900, 100));
}

#[test]
fn folds_of_groups_are_of_like_size() {
    let groups: Vec<usize> =
        [vec![0; 50], vec![1; 30], vec![2; 20], vec![3; 10], vec![4; 10]].concat();
    let data = numbered(vec![0; 120], 1);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
    let folds = data.folds_grouped(3, &groups, &mut rng).unwrap();
    let mut sizes: Vec<usize> = folds.map(|(_, test)| test.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [30, 40, 50]);
}

#[test]
fn splits_that_cannot_be_made_are_errors() {
    let data = numbered(vec![0, 1, 1], 2);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    assert_eq!(
        data.split_into([0.5, 0.4], &mut rng).unwrap_err().to_string(),
        "the fractions [0.5, 0.4] are not all above 0 with a sum of 1"
    );
    assert_eq!(
        data.split_into([0.9, 0.05, 0.05], &mut rng).unwrap_err().to_string(),
        "3 rows cannot be divided so that each of 3 parts gets one"
    );
    for count in [0, 1, 4] {
        assert_eq!(
            data.folds(count, &mut rng).unwrap_err().to_string(),
            format!("3 rows cannot be divided so that each of {count} parts gets one"),
        );
    }
    assert_eq!(
        data.folds_stratified(2, &mut rng).unwrap_err().to_string(),
        "class `0` has 1 row, too few for each of 2 parts; without stratifying, a split ignores \
         classes"
    );
    assert_eq!(
        data.split_grouped(0.5, &[7, 7, 7], &mut rng).unwrap_err().to_string(),
        "1 groups cannot be divided so that each of 2 parts gets one"
    );
    assert_eq!(
        data.folds_grouped(2, &["a"], &mut rng).unwrap_err().to_string(),
        "1 groups are given, but there are 3 rows"
    );
}
