//! How well scores rank what is sought before the rest.

use downhill_tensor::{Element, Tensor};

use super::classes::ClassIndices;
use super::ranking::ranking;
use crate::error::Error;

/// The average precision of `scores` for finding the samples labelled 1 among those labelled 0:
/// `Σ (Rₙ − Rₙ₋₁) Pₙ` over the thresholds n in descending order, with Pₙ and Rₙ the precision and
/// recall of taking every sample that scores at least the threshold.
///
/// Every distinct score is a threshold, so that samples of equal score enter together and their
/// order does not matter. This is scikit-learn's `average_precision_score`: the area under the
/// precision–recall curve without interpolation, which would be too optimistic (Davis &
/// Goadrich 2006). 1 is a perfect ranking; a ranking by chance gives about the fraction of 1s.
///
/// `scores` may be logits or probabilities, of any shape with one value per label.
///
/// # Errors
///
/// When there are not as many labels as scores, a label is neither 0 nor 1, none is 1, or a
/// score is NaN.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::average_precision;
///
/// // The two 1s are found at precision 1/1 and 2/3, half of the recall each.
/// let scores = Tensor::from([0.9, 0.8, 0.3, 0.1]);
/// assert_eq!(average_precision(&scores, &[1, 0, 1, 0])?, 0.5 * 1.0 + 0.5 * 2.0 / 3.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn average_precision<'a, E: Element>(
    scores: &Tensor<E>,
    labels: impl ClassIndices<'a>,
) -> Result<f64, Error> {
    let ranking = ranking("average precision", scores, labels)?;
    let positives: usize = ranking.iter().map(|&(_, label)| label).sum();
    if positives == 0 {
        return Err(Error::NoPositives { count: ranking.len() });
    }

    let (mut taken, mut found, mut sum) = (0, 0, 0.0);
    for tied in ranking.chunk_by(|(left, _), (right, _)| left == right) {
        let newly_found: usize = tied.iter().map(|&(_, label)| label).sum();
        taken += tied.len();
        found += newly_found;
        sum += newly_found as f64 * found as f64 / taken as f64;
    }
    Ok(sum / positives as f64)
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    fn average_precision_of(samples: &[(f64, usize)]) -> Result<f64, Error> {
        let (scores, labels): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        average_precision(&Tensor::from(scores), &labels)
    }

    #[test]
    fn values_agree_with_scikit_learn() {
        // scikit-learn 1.9.1; from sklearn.metrics import average_precision_score
        // average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        let samples = [(0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)];
        assert_relative_eq!(average_precision_of(&samples).unwrap(), 0.833_333_333_333_333_3);
        // average_precision_score([1, 0, 1, 1, 0, 0, 1, 0, 0, 1],
        //     [2.5, 2.5, 0.3, -1, 0.3, 0.3, -0.0, 0.0, -4, -4])  (logits, with many ties)
        let labels = [1, 0, 1, 1, 0, 0, 1, 0, 0, 1];
        let scores = [2.5, 2.5, 0.3, -1.0, 0.3, 0.3, -0.0, 0.0, -4.0, -4.0];
        let tied: Vec<_> = scores.into_iter().zip(labels).collect();
        assert_relative_eq!(average_precision_of(&tied).unwrap(), 0.465_714_285_714_285_75);
        // average_precision_score([1, 0, 0, 1], [7, 7, 7, 7])
        let equal = [(7.0, 1), (7.0, 0), (7.0, 0), (7.0, 1)];
        assert_relative_eq!(average_precision_of(&equal).unwrap(), 0.5);
    }

    #[test]
    fn infinite_scores_rank_first_and_last() {
        let samples = [(f64::NEG_INFINITY, 1), (0.0, 0), (f64::INFINITY, 1)];
        assert_relative_eq!(average_precision_of(&samples).unwrap(), 0.5 + 0.5 * 2.0 / 3.0);
    }

    #[test]
    fn a_column_of_single_precision_scores_is_ranked_as_a_vector_is() {
        let column = Tensor::from([[0.9_f32], [0.8], [0.3]]);
        assert_relative_eq!(average_precision(&column, &[1, 0, 1]).unwrap(), 5.0 / 6.0);
    }

    #[test]
    fn bad_input_is_an_error_naming_place_and_value() {
        let error = |samples: &[(f64, usize)]| average_precision_of(samples).unwrap_err();
        assert_eq!(
            error(&[(0.1, 0), (0.2, 2)]).to_string(),
            "labels[1] is 2, but there are 2 classes (0..=1)"
        );
        assert_eq!(
            error(&[(0.1, 0), (0.4, 1), (f64::NAN, 1)]).to_string(),
            "scores[2] is NaN, which cannot be ranked"
        );
        assert_eq!(
            error(&[(0.1, 0), (0.2, 0)]).to_string(),
            "average precision is undefined: none of the 2 labels is 1"
        );
        assert_eq!(error(&[]).to_string(), "the average precision of no samples is undefined");
        let mismatched = average_precision(&Tensor::from([0.1, 0.2]), &[1]).unwrap_err();
        assert_eq!(mismatched.to_string(), "scores and labels differ in number: 2 and 1");
    }

    /// Scores on a coarse grid, so that many tie, with at least one label of 1.
    fn samples() -> impl Strategy<Value = Vec<(f64, usize)>> {
        let sample = (0..8_i32, 0..2_usize).prop_map(|(score, label)| (f64::from(score), label));
        prop::collection::vec(sample, 0..40).prop_map(|mut samples| {
            samples.push((3.0, 1));
            samples
        })
    }

    proptest! {
        #[test]
        fn average_precision_lies_between_0_and_1(samples in samples()) {
            let value = average_precision_of(&samples).unwrap();
            prop_assert!(0.0 < value && value <= 1.0, "{value}");
        }

        #[test]
        fn the_order_of_samples_does_not_matter(
            (samples, shuffled) in samples().prop_flat_map(|samples| {
                (Just(samples.clone()), Just(samples).prop_shuffle())
            })
        ) {
            prop_assert_eq!(average_precision_of(&samples), average_precision_of(&shuffled));
        }

        #[test]
        fn only_the_ranking_matters(samples in samples()) {
            let transformed: Vec<_> =
                samples.iter().map(|&(score, label)| (score.exp() - 5.0, label)).collect();
            prop_assert_eq!(average_precision_of(&samples), average_precision_of(&transformed));
        }

        #[test]
        fn a_perfect_ranking_has_average_precision_1(samples in samples()) {
            let perfect: Vec<_> =
                samples.iter().map(|&(score, label)| (score + 10.0 * label as f64, label)).collect();
            prop_assert!((average_precision_of(&perfect).unwrap() - 1.0).abs() < 1e-15);
        }

        #[test]
        fn one_score_for_all_gives_the_fraction_of_positives(samples in samples()) {
            let equal: Vec<_> = samples.iter().map(|&(_, label)| (1.0, label)).collect();
            let positives = samples.iter().filter(|&&(_, label)| label == 1).count();
            let fraction = positives as f64 / samples.len() as f64;
            prop_assert!((average_precision_of(&equal).unwrap() - fraction).abs() < 1e-15);
        }
    }
}
