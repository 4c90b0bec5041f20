use approx::assert_relative_eq;
use proptest::prelude::*;

use super::*;
use crate::metrics::accuracy;

const LABELS: [usize; 12] = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3];
const PREDICTIONS: [usize; 12] = [0, 0, 1, 1, 1, 2, 1, 0, 0, 1, 0, 0];

// scikit-learn 1.9.1; from sklearn.metrics import *
// y = [0,0,0,1,1,1,1,2,2,3,3,3]; p = [0,0,1,1,1,2,1,0,0,1,0,0]
#[test]
fn measures_agree_with_scikit_learn() {
    let confusion = ConfusionMatrix::new(&PREDICTIONS, &LABELS, 5).unwrap();

    // confusion_matrix(y, p)
    let counts = [[2, 1, 0, 0], [0, 3, 1, 0], [2, 0, 0, 0], [2, 1, 0, 0]];
    for (true_class, row) in counts.iter().enumerate() {
        for (predicted, &count) in row.iter().enumerate() {
            assert_eq!(confusion.count(true_class, predicted), count);
        }
    }

    // precision_recall_fscore_support(y, p, labels=range(5), zero_division=np.nan)
    let expected = [
        (Some(1.0 / 3.0), Some(2.0 / 3.0), Some(4.0 / 9.0)),
        (Some(0.6), Some(0.75), Some(2.0 / 3.0)),
        (Some(0.0), Some(0.0), Some(0.0)),
        (None, Some(0.0), Some(0.0)),
        (None, None, None),
    ];
    for (class, (precision, recall, f1)) in expected.into_iter().enumerate() {
        assert_eq!(confusion.precision(class), precision);
        assert_eq!(confusion.recall(class), recall);
        assert_eq!(confusion.f1(class), f1);
    }

    // precision_recall_fscore_support(y, p, labels=range(5), average="macro",
    //                                 zero_division=np.nan)
    assert_relative_eq!(confusion.macro_precision().unwrap(), 0.311_111_111_111_111_1);
    assert_relative_eq!(confusion.macro_recall().unwrap(), 0.354_166_666_666_666_63);
    assert_relative_eq!(confusion.macro_f1().unwrap(), 0.277_777_777_777_777_8);
    // accuracy_score(y, p)
    assert_relative_eq!(confusion.accuracy(), 0.416_666_666_666_666_7);
}

#[test]
fn the_table_is_aligned_and_shows_a_dash_for_what_is_undefined() {
    let confusion = ConfusionMatrix::new(&[0, 0, 1, 1, 0], &[0, 0, 1, 0, 2], 4)
        .unwrap()
        .with_names(&["a class with a long name", "Größe", "c", "d"]);
    let expected = "\
true \\ answer             a class with a long name  Größe  c  d  precision  recall      F1
a class with a long name                         2      1  0  0     0.6667  0.6667  0.6667
Größe                                            0      1  0  0     0.5000  1.0000  0.6667
c                                                1      0  0  0          -  0.0000  0.0000
d                                                0      0  0  0          -       -       -
macro average                                                       0.5833  0.5556  0.4444
accuracy                                                                            0.6000";
    assert_eq!(confusion.to_string(), expected);
}

#[test]
fn a_class_out_of_range_is_an_error_naming_place_and_value() {
    let error = ConfusionMatrix::new(&[0, 1, 2], &[0, 10, 1], 10).unwrap_err();
    assert_eq!(error.to_string(), "labels[1] is 10, but there are 10 classes (0..=9)");
    let error = ConfusionMatrix::new(&[0, 1, 2], &[0, 1, 1], 2).unwrap_err();
    assert_eq!(error.to_string(), "predictions[2] is 2, but there are 2 classes (0..=1)");
    let error = ConfusionMatrix::new(&[0], &[0], 0).unwrap_err();
    assert_eq!(error.to_string(), "predictions[0] is 0, but there are 0 classes (0..=-1)");
}

#[test]
#[should_panic(expected = "with_names: 2 names for 3 classes")]
fn names_for_another_number_of_classes_panic() {
    let _ = ConfusionMatrix::new(&[0], &[0], 3).unwrap().with_names(&["a", "b"]);
}

#[test]
#[should_panic(expected = "there is no entry [1, 3] for 3 classes")]
fn asking_for_a_class_that_does_not_exist_panics() {
    ConfusionMatrix::new(&[0], &[0], 3).unwrap().count(1, 3);
}

fn classes() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..6_usize, 0..6_usize), 1..60)
}

fn matrix(pairs: &[(usize, usize)]) -> ConfusionMatrix {
    let (predictions, labels): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    ConfusionMatrix::new(&predictions, &labels, 6).unwrap()
}

proptest! {
    #[test]
    fn accuracy_is_the_trace_over_the_total(pairs in classes()) {
        let (predictions, labels): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        let confusion = matrix(&pairs);
        let trace: usize = (0..6).map(|class| confusion.count(class, class)).sum();
        let total: usize = (0..6).map(|class| confusion.true_count(class)).sum();
        prop_assert_eq!(total, pairs.len());
        prop_assert_eq!(confusion.accuracy(), trace as f64 / total as f64);
        prop_assert_eq!(confusion.accuracy(), accuracy(&predictions, &labels).unwrap());
    }

    #[test]
    fn the_order_of_samples_does_not_matter(
        (pairs, shuffled) in classes().prop_flat_map(|pairs| {
            (Just(pairs.clone()), Just(pairs).prop_shuffle())
        })
    ) {
        prop_assert_eq!(matrix(&pairs), matrix(&shuffled));
    }

    #[test]
    fn exchanging_predictions_and_labels_exchanges_precision_and_recall(pairs in classes()) {
        let confusion = matrix(&pairs);
        let exchanged: Vec<_> = pairs.iter().map(|&(p, t)| (t, p)).collect();
        let exchanged = matrix(&exchanged);
        for class in 0..6 {
            prop_assert_eq!(confusion.precision(class), exchanged.recall(class));
            prop_assert_eq!(confusion.f1(class), exchanged.f1(class));
        }
    }

    #[test]
    fn f1_is_the_harmonic_mean_of_precision_and_recall(pairs in classes()) {
        let confusion = matrix(&pairs);
        for class in 0..6 {
            if let (Some(precision), Some(recall)) =
                (confusion.precision(class), confusion.recall(class))
                && precision + recall > 0.0
            {
                let mean = 2.0 * precision * recall / (precision + recall);
                prop_assert!((confusion.f1(class).unwrap() - mean).abs() < 1e-15);
            }
        }
    }
}
