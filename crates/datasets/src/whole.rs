//! Labels that are whole numbers.

use std::collections::BTreeSet;

use crate::error::Problem;
use crate::target::Classes;

/// The numbers as whole ones.
pub(crate) fn whole_labels(numbers: impl Iterator<Item = f64>) -> Result<Vec<i64>, Problem> {
    let whole = |(index, value): (usize, f64)| {
        // Beyond 2⁵³ there is no telling which whole number is meant.
        if value.trunc() == value && value.abs() < 9_007_199_254_740_992.0 {
            return Ok(value as i64);
        }
        Err(Problem::Label { index, value })
    };
    numbers.enumerate().map(whole).collect()
}

impl Classes {
    /// The labels of several sets, whose classes are the different labels of all, so that a class
    /// has one index everywhere.
    pub(crate) fn from_whole<const SETS: usize>(sets: [Vec<i64>; SETS]) -> [Self; SETS] {
        let classes: BTreeSet<i64> = sets.iter().flatten().copied().collect();
        let classes: Vec<i64> = classes.into_iter().collect();
        let index = |label: &i64| classes.binary_search(label).expect("every label is a class");
        sets.map(|labels| {
            let names = classes.iter().map(i64::to_string).collect();
            Self::new(labels.iter().map(index).collect(), names).expect("an index of a name")
        })
    }
}
