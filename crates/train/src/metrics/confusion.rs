//! Which classes are taken for which.

#[cfg(test)]
mod tests;

use std::fmt;

use super::classes::{ClassIndices, check_class, with_labels};
use crate::error::Error;

/// Counts of how often each class was predicted for each true class, and what follows from them.
///
/// With TP, FP and FN the samples of a class that were found, wrongly given to it, and missed:
///
/// - precision = TP / (TP + FP), undefined for a class that is never predicted;
/// - recall = TP / (TP + FN), undefined for a class without samples;
/// - F1 = 2 TP / (2 TP + FP + FN), undefined for a class that is neither;
/// - a macro average is the mean over the classes for which the measure is defined (as
///   scikit-learn's `average="macro", zero_division=np.nan`).
///
/// What is undefined is `None`, shown as a dash.
///
/// ```
/// use downhill_train::metrics::ConfusionMatrix;
///
/// let predictions = [0, 0, 1, 1, 1, 0];
/// let labels = [0, 0, 1, 1, 0, 2];
/// let confusion = ConfusionMatrix::new(&predictions, &labels, 3)?.with_names(&["cat", "dog", "eel"]);
/// assert_eq!(confusion.count(0, 1), 1);
/// assert_eq!(confusion.recall(1), Some(1.0));
/// assert_eq!(confusion.precision(2), None);
/// assert_eq!(
///     confusion.to_string(),
///     "\
/// true \\ answer  cat  dog  eel  precision  recall      F1
/// cat              2    1    0     0.6667  0.6667  0.6667
/// dog              0    2    0     0.6667  1.0000  0.8000
/// eel              1    0    0          -  0.0000  0.0000
/// macro average                    0.6667  0.5556  0.4889
/// accuracy                                         0.6667"
/// );
/// # Ok::<(), downhill_train::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    names: Vec<String>,
    /// The count of true class `t` and predicted class `p` at `t * names.len() + p`.
    counts: Vec<usize>,
    /// What a measure is that divides by 0.
    zero_division: Option<f64>,
}

impl ConfusionMatrix {
    /// Counts `predictions` against `labels`, both classes below `class_count`.
    ///
    /// # Errors
    ///
    /// When there are not as many labels as predictions or none at all, or a label or prediction
    /// is not below `class_count`.
    ///
    /// # Panics
    ///
    /// If there are more classes than a table of them has room for.
    #[track_caller]
    #[inline(never)]
    pub fn new<'a>(
        predictions: impl ClassIndices<'a>,
        labels: impl ClassIndices<'a>,
        class_count: usize,
    ) -> Result<Self, Error> {
        let pairs = with_labels("confusion matrix", "predictions", predictions, labels)?;
        let Some(entries) = class_count.checked_mul(class_count) else {
            panic!("ConfusionMatrix: {class_count} classes are too many");
        };
        let mut counts = vec![0; entries];
        for (index, (&prediction, label)) in pairs.enumerate() {
            check_class("predictions", index, prediction, class_count)?;
            check_class("labels", index, label, class_count)?;
            counts[label * class_count + prediction] += 1;
        }
        let names = (0..class_count).map(|class| class.to_string()).collect();
        Ok(Self { names, counts, zero_division: None })
    }

    /// Names the classes, which are shown by their indices otherwise.
    ///
    /// # Panics
    ///
    /// If there are not as many names as classes.
    #[must_use]
    #[track_caller]
    pub fn with_names<S: ToString>(mut self, names: &[S]) -> Self {
        assert!(
            names.len() == self.class_count(),
            "with_names: {} names for {} classes",
            names.len(),
            self.class_count()
        );
        self.names = names.iter().map(ToString::to_string).collect();
        self
    }

    /// With a value for the measures that would divide by 0, such as the precision of a class that is
    /// never predicted. They are `None` otherwise, and macro averages leave them out: scikit-learn's
    /// `zero_division=np.nan`; its default is 0.
    ///
    /// ```
    /// use downhill_train::metrics::ConfusionMatrix;
    ///
    /// let confusion = ConfusionMatrix::new(&[0, 0, 0], &[0, 0, 1], 2)?;
    /// assert_eq!(confusion.macro_precision(), Some(2.0 / 3.0));
    /// assert_eq!(confusion.zero_division(0.0).macro_precision(), Some(1.0 / 3.0));
    /// # Ok::<(), downhill_train::Error>(())
    /// ```
    #[must_use]
    pub fn zero_division(mut self, value: f64) -> Self {
        self.zero_division = Some(value);
        self
    }

    /// The name of class `class`.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    #[track_caller]
    pub fn name(&self, class: usize) -> &str {
        self.check(class);
        &self.names[class]
    }

    #[track_caller]
    fn check(&self, class: usize) {
        let class_count = self.class_count();
        assert!(class < class_count, "confusion matrix: class {class} of {class_count} classes");
    }

    /// The number of classes.
    pub fn class_count(&self) -> usize {
        self.names.len()
    }

    /// How many samples of class `true_class` were predicted to be of class `predicted`.
    ///
    /// # Panics
    ///
    /// If there is no such class; so do the measures of one class below.
    #[track_caller]
    pub fn count(&self, true_class: usize, predicted: usize) -> usize {
        let class_count = self.class_count();
        assert!(
            true_class < class_count && predicted < class_count,
            "confusion matrix: there is no entry [{true_class}, {predicted}] for {class_count} \
             classes"
        );
        self.counts[true_class * class_count + predicted]
    }

    /// The number of samples of class `class`.
    #[track_caller]
    pub fn true_count(&self, class: usize) -> usize {
        self.check(class);
        (0..self.class_count()).map(|predicted| self.count(class, predicted)).sum()
    }

    /// The number of samples that were predicted to be of class `class`.
    #[track_caller]
    pub fn predicted_count(&self, class: usize) -> usize {
        self.check(class);
        (0..self.class_count()).map(|true_class| self.count(true_class, class)).sum()
    }

    /// Of the samples predicted to be of class `class`, the fraction that are.
    #[track_caller]
    pub fn precision(&self, class: usize) -> Option<f64> {
        self.ratio(self.count(class, class) as f64, self.predicted_count(class) as f64)
    }

    /// Of the samples of class `class`, the fraction that were predicted to be.
    #[track_caller]
    pub fn recall(&self, class: usize) -> Option<f64> {
        self.ratio(self.count(class, class) as f64, self.true_count(class) as f64)
    }

    /// The harmonic mean of precision and recall of class `class`.
    #[track_caller]
    pub fn f1(&self, class: usize) -> Option<f64> {
        self.f_beta(class, 1.0)
    }

    /// The harmonic mean of precision and recall of class `class` in which recall weighs β² times as
    /// much: (1 + β²) TP / (TP + FP + β² (TP + FN)). (van Rijsbergen, "Information retrieval", 1979)
    #[track_caller]
    pub fn f_beta(&self, class: usize, beta: f64) -> Option<f64> {
        let weight = beta * beta;
        if weight.is_infinite() {
            return self.recall(class);
        }
        let found = (1.0 + weight) * self.count(class, class) as f64;
        let all = weight * self.true_count(class) as f64 + self.predicted_count(class) as f64;
        self.ratio(found, all)
    }

    /// The mean precision of the classes that were predicted at all.
    pub fn macro_precision(&self) -> Option<f64> {
        self.macro_average(Self::precision)
    }

    /// The mean recall of the classes that have samples, also called balanced accuracy.
    pub fn macro_recall(&self) -> Option<f64> {
        self.macro_average(Self::recall)
    }

    /// The mean F1 of the classes that have samples or were predicted.
    pub fn macro_f1(&self) -> Option<f64> {
        self.macro_f_beta(1.0)
    }

    /// The mean Fβ of the classes that have samples or were predicted.
    pub fn macro_f_beta(&self, beta: f64) -> Option<f64> {
        self.macro_average(|confusion, class| confusion.f_beta(class, beta))
    }

    /// Matthews' correlation coefficient of true and predicted classes: 1 if all are right, 0 for
    /// chance, whatever the classes' sizes. (Matthews, 1975; for more than two classes Gorodkin,
    /// "Comparing two K-category assignments by a K-category correlation coefficient", 2004.)
    /// Divides by 0 where all samples are of one class or all were predicted to be.
    pub fn matthews_correlation(&self) -> Option<f64> {
        let classes = || 0..self.class_count();
        let total: f64 = self.counts.iter().sum::<usize>() as f64;
        let right: f64 = classes().map(|class| self.count(class, class)).sum::<usize>() as f64;
        let sums = |of: fn(&Self, usize) -> usize, with: fn(&Self, usize) -> usize| -> f64 {
            classes().map(|class| of(self, class) as f64 * with(self, class) as f64).sum()
        };
        let covariance = right * total - sums(Self::true_count, Self::predicted_count);
        let true_variance = total * total - sums(Self::true_count, Self::true_count);
        let predicted_variance = total * total - sums(Self::predicted_count, Self::predicted_count);
        self.ratio(covariance, true_variance.sqrt() * predicted_variance.sqrt())
    }

    /// The fraction of samples on the diagonal.
    pub fn accuracy(&self) -> f64 {
        let correct: usize = (0..self.class_count()).map(|class| self.count(class, class)).sum();
        correct as f64 / self.counts.iter().sum::<usize>() as f64
    }

    fn macro_average(&self, measure: impl Fn(&Self, usize) -> Option<f64>) -> Option<f64> {
        let defined: Vec<f64> =
            (0..self.class_count()).filter_map(|class| measure(self, class)).collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    }

    fn ratio(&self, part: f64, whole: f64) -> Option<f64> {
        if whole > 0.0 { Some(part / whole) } else { self.zero_division }
    }
}

impl fmt::Display for ConfusionMatrix {
    /// A table without a line break at its end: one row per true class with its counts,
    /// precision, recall and F1, then their macro averages and the accuracy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let classes = 0..self.class_count();

        let mut header = vec!["true \\ answer".to_owned()];
        header.extend(self.names.iter().cloned());
        header.extend(["precision", "recall", "F1"].map(String::from));
        let mut table = vec![header];
        for class in classes.clone() {
            let mut row = vec![self.names[class].clone()];
            row.extend(classes.clone().map(|predicted| self.count(class, predicted).to_string()));
            row.extend([self.precision(class), self.recall(class), self.f1(class)].map(measure));
            table.push(row);
        }
        let averages = [self.macro_precision(), self.macro_recall(), self.macro_f1()].map(measure);
        let accuracy = [String::new(), String::new(), measure(Some(self.accuracy()))];
        for (name, measures) in [("macro average", averages), ("accuracy", accuracy)] {
            let mut row = vec![name.to_owned()];
            row.extend(classes.clone().map(|_| String::new()));
            row.extend(measures);
            table.push(row);
        }

        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..table[0].len()).filter_map(width).collect();
        for (index, row) in table.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{:<width$}", row[0], width = widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
        }
        Ok(())
    }
}
