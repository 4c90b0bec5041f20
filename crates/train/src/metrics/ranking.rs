//! How well scores set one class apart from the other, whatever the threshold.

use downhill_tensor::{Element, Tensor};

use super::classes::{ClassIndices, check_class, with_labels};
use crate::error::Error;

/// Scores with their labels, 0 or 1, from the highest score down.
pub(super) fn ranking<'a, E: Element>(
    metric: &'static str,
    scores: &Tensor<E>,
    labels: impl ClassIndices<'a>,
) -> Result<Vec<(f64, usize)>, Error> {
    let scores = scores.array();
    let mut ranking = Vec::with_capacity(scores.len());
    for (index, (score, label)) in with_labels(metric, "scores", &scores, labels)?.enumerate() {
        check_class("labels", index, label, 2)?;
        if score.is_nan() {
            return Err(Error::Score { index });
        }
        ranking.push((score.as_f64(), label));
    }
    ranking.sort_unstable_by(|(left, _), (right, _)| right.total_cmp(left));
    Ok(ranking)
}

/// The receiver operating characteristic: for every threshold, which fraction of the samples
/// labelled 1 score at least as much (the true positive rate), and which fraction of those labelled
/// 0 (the false positive rate). (Fawcett, "An introduction to ROC analysis", 2006)
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::RocCurve;
///
/// let scores = Tensor::from([0.1, 0.4, 0.35, 0.8]);
/// let curve = RocCurve::new(&scores, &[0, 0, 1, 1])?;
/// assert_eq!(curve.points(), [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
/// assert_eq!(curve.area(), 0.75);
/// # Ok::<(), downhill_train::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RocCurve {
    points: Vec<(f64, f64)>,
    thresholds: Vec<f64>,
}

impl RocCurve {
    /// The curve of `scores`, which may be logits or probabilities, of any shape with one value a
    /// label. Every distinct score is a threshold, so that samples of equal score enter together.
    ///
    /// # Errors
    ///
    /// When there are not as many labels as scores, a label is neither 0 nor 1, all are the same, or
    /// a score is NaN.
    pub fn new<'a, E: Element>(
        scores: &Tensor<E>,
        labels: impl ClassIndices<'a>,
    ) -> Result<Self, Error> {
        let metric = "area under the ROC curve";
        let ranking = ranking(metric, scores, labels)?;
        let positives: usize = ranking.iter().map(|&(_, label)| label).sum();
        let negatives = ranking.len() - positives;
        if positives == 0 || negatives == 0 {
            let label = usize::from(negatives == 0);
            return Err(Error::OneClass { metric, count: ranking.len(), label });
        }
        let (mut points, mut thresholds) = (vec![(0.0, 0.0)], vec![f64::INFINITY]);
        let (mut taken, mut found) = (0, 0);
        for tied in ranking.chunk_by(|(left, _), (right, _)| left == right) {
            found += tied.iter().map(|&(_, label)| label).sum::<usize>();
            taken += tied.len();
            let rate = |part: usize, whole: usize| part as f64 / whole as f64;
            points.push((rate(taken - found, negatives), rate(found, positives)));
            thresholds.push(tied[0].0);
        }
        Ok(Self { points, thresholds })
    }

    /// The false and the true positive rate at each threshold, from (0, 0) to (1, 1).
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The least score that counts as 1 at each point, from infinity down.
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// The area under the curve: the probability that a sample labelled 1 scores higher than one
    /// labelled 0, where a tie counts for a half. 1 is a perfect ranking, ½ is chance.
    pub fn area(&self) -> f64 {
        let trapezoid = |pair: &[(f64, f64)]| {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            (x1 - x0) * (y0 + y1) / 2.0
        };
        self.points.windows(2).map(trapezoid).sum()
    }
}

/// The area under the [`RocCurve`] of `scores`.
///
/// # Errors
///
/// Those of [`RocCurve::new`].
pub fn roc_auc<'a, E: Element>(
    scores: &Tensor<E>,
    labels: impl ClassIndices<'a>,
) -> Result<f64, Error> {
    Ok(RocCurve::new(scores, labels)?.area())
}

/// The fraction of the rows of `scores`, `[…, C]`, in which the label's class is among the `k` with
/// the highest scores. Of classes with equal scores the first counts as higher, as for
/// [`argmax`](Tensor::argmax), so that `k` = 1 is the accuracy. NaN is higher than any number.
///
/// # Errors
///
/// When there are not as many labels as rows or none at all, or a label is not below C.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::top_k_accuracy;
///
/// let logits = Tensor::from([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [0.0, 0.0, 5.0]]);
/// assert_eq!(top_k_accuracy(&logits, &[1, 2, 2], 2)?, 2.0 / 3.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn top_k_accuracy<'a, E: Element>(
    scores: &Tensor<E>,
    labels: impl ClassIndices<'a>,
    k: usize,
) -> Result<f64, Error> {
    let classes = scores.shape().last().copied().unwrap_or(1);
    let values = scores.values();
    let rows = values.chunks_exact(classes.max(1));
    let pairs = with_labels("top-k accuracy", "rows of scores", rows, labels)?;
    let (count, mut found) = (pairs.len(), 0);
    for (index, (row, label)) in pairs.enumerate() {
        check_class("labels", index, label, classes)?;
        let own = row[label].as_f64();
        let before = |(class, score): (usize, &E)| {
            let score = score.as_f64();
            let higher = score > own || (score.is_nan() && !own.is_nan());
            let tied = score == own || (score.is_nan() && own.is_nan());
            higher || (tied && class < label)
        };
        let before = row.iter().enumerate().filter(|&entry| before(entry)).count();
        found += usize::from(before < k);
    }
    Ok(found as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::accuracy;

    #[test]
    fn infinite_scores_rank_first_and_last() {
        let scores = Tensor::from([f64::INFINITY, 0.0, f64::NEG_INFINITY]);
        assert_eq!(roc_auc(&scores, &[1, 0, 0]), Ok(1.0));
        assert_eq!(roc_auc(&scores, &[0, 0, 1]), Ok(0.0));
    }

    #[test]
    fn bad_input_is_an_error_naming_place_and_value() {
        let error = |scores: &[f64], labels: &[usize]| {
            roc_auc(&Tensor::from(scores.to_vec()), labels).unwrap_err().to_string()
        };
        assert_eq!(
            error(&[0.1, 0.2], &[1, 1]),
            "the area under the ROC curve is undefined: all 2 labels are 1"
        );
        assert_eq!(error(&[0.1, f64::NAN], &[1, 0]), "scores[1] is NaN, which cannot be ranked");
        assert_eq!(error(&[0.1, 0.5], &[1, 3]), "labels[1] is 3, but there are 2 classes (0..=1)");
        let logits = Tensor::from([[1.0, 2.0]]);
        let error = top_k_accuracy(&logits, &[2], 1).unwrap_err().to_string();
        assert_eq!(error, "labels[0] is 2, but there are 2 classes (0..=1)");
        let error = top_k_accuracy(&logits, &[1, 0], 1).unwrap_err().to_string();
        assert_eq!(error, "rows of scores and labels differ in number: 1 and 2");
    }

    /// Scores on a coarse grid, so that many tie, with both labels.
    fn samples() -> impl Strategy<Value = Vec<(f64, usize)>> {
        let sample = (0..8_i32, 0..2_usize).prop_map(|(score, label)| (f64::from(score), label));
        prop::collection::vec(sample, 0..40).prop_map(|mut samples| {
            samples.extend([(3.0, 1), (4.0, 0)]);
            samples
        })
    }

    proptest! {
        #[test]
        fn the_area_is_the_probability_that_a_1_scores_higher_than_a_0(samples in samples()) {
            let (scores, labels): (Vec<f64>, Vec<usize>) = samples.iter().copied().unzip();
            let of = |label: usize| samples.iter().filter(move |(_, other)| *other == label);
            let pairs = || of(1).flat_map(|(high, _)| of(0).map(move |(low, _)| (high, low)));
            let wins: f64 = pairs().map(|(high, low)| match high.total_cmp(low) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            }).sum();
            let area = roc_auc(&Tensor::from(scores), &labels).unwrap();
            prop_assert!((area - wins / pairs().count() as f64).abs() < 1e-12);
        }

        #[test]
        fn one_of_one_is_the_accuracy_and_one_of_all_is_certain(
            rows in prop::collection::vec((prop::array::uniform4(0..5_u8), 0..4_usize), 1..30)
        ) {
            let values: Vec<f64> = rows.iter().flat_map(|(row, _)| row.map(f64::from)).collect();
            let labels: Vec<usize> = rows.iter().map(|(_, label)| *label).collect();
            let logits = Tensor::from(values).reshape(&[rows.len(), 4]);
            let top = |k| top_k_accuracy(&logits, &labels, k).unwrap();
            prop_assert_eq!(top(1), accuracy(&logits.argmax(-1), &labels).unwrap());
            prop_assert_eq!((top(0), top(4)), (0.0, 1.0));
            prop_assert!(top(1) <= top(2) && top(2) <= top(3));
        }
    }
}
