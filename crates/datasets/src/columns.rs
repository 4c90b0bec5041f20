//! Which columns of a table are read, and as what.

use std::collections::HashSet;

use crate::error::{At, Error, Problem};
use crate::row::Row;
use crate::words::Dictionary;

/// What the user said of the columns, each by its name or by a pattern of several.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    pub(crate) target: Option<String>,
    pub(crate) features: Option<Vec<String>>,
    pub(crate) without: Vec<String>,
    pub(crate) one_hot: Vec<String>,
    pub(crate) one_hot_words: Vec<(String, Vec<String>)>,
    pub(crate) ordinal: Vec<(String, Vec<String>)>,
    pub(crate) weights: Option<String>,
    pub(crate) missing: Missing,
}

/// What becomes of a row that lacks a value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Missing {
    #[default]
    Refuse,
    Drop,
    Keep,
}

/// The columns of a file that are read.
pub(crate) struct Plan {
    pub(crate) features: Vec<Feature>,
    /// None if only features are read.
    pub(crate) target: Option<usize>,
    pub(crate) weights: Option<usize>,
    pub(crate) missing: Missing,
    /// Whether the user chose the features.
    chosen: bool,
}

pub(crate) struct Feature {
    pub(crate) column: usize,
    pub(crate) encoding: Encoding,
}

/// How a column becomes features.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Encoding {
    /// One feature, the number that stands there.
    Number,
    /// A feature for each word of `order`, or for all words if that is empty: 1 where it stands and
    /// 0 elsewhere.
    OneHot { order: Vec<String> },
    /// One feature, the word's position in `order`, or among all words if that is empty.
    Ordinal { order: Vec<String> },
}

/// More features than these from one column are an identifier or free text rather than a class.
const MOST_ONE_HOT: usize = 1_000;
/// As many positions are exact in `f32`.
const MOST_ORDINAL: usize = 1 << 24;

impl Plan {
    /// The columns that are read.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        let features = self.features.iter().map(|feature| feature.column);
        features.chain(self.target).chain(self.weights)
    }

    /// Says of a word in a feature how to leave the column out, unless it was chosen by name.
    pub(crate) fn with_hint(&self, mut error: Error) -> Error {
        if let Error::File { problem, .. } = &mut error
            && let Problem::NotANumber { leave_out, .. } = &mut **problem
        {
            *leave_out = !self.chosen;
        }
        error
    }
}

impl Columns {
    /// The columns to read of those in `header`, which stands at `at`; `is_text` says which hold
    /// words, and `with_target` whether there is a column to predict.
    pub(crate) fn plan(
        &self,
        header: &[String],
        is_text: &[bool],
        at: &At,
        with_target: bool,
    ) -> Result<Plan, Error> {
        let mut names = HashSet::new();
        let mut named = header.iter().filter(|name| !name.is_empty());
        if let Some(name) = named.find(|name| !names.insert(*name)) {
            return Err(Problem::DuplicateColumn(name.clone()).at(at.clone()));
        }
        let find = |pattern: &str| find(pattern, header, at);
        let one = |name: &String| Ok(find(name)?[0]);
        let asked_twice = |column: usize| {
            let column = Some(header[column].clone());
            Problem::AskedTwice.at(At { column, line: None, ..at.clone() })
        };

        let weights = self.weights.as_ref().map(one).transpose()?;
        let last = (0..header.len()).rfind(|&i| !header[i].is_empty() && Some(i) != weights);
        let target = match (&self.target, last) {
            _ if !with_target => None,
            (Some(name), _) => Some(one(name)?),
            (None, Some(last)) => Some(last),
            (None, None) => return Err(Problem::NoColumns.at(at.clone())),
        };
        if let Some(target) = target
            && weights == Some(target)
        {
            return Err(asked_twice(target));
        }
        let mut taken: HashSet<usize> = weights.into_iter().chain(target).collect();
        let patterns = self.features.clone().unwrap_or_else(|| vec!["*".into()]);
        let mut columns = Vec::new();
        for pattern in &patterns {
            for column in find(pattern)? {
                if taken.insert(column) {
                    columns.push(column);
                } else if header[column] == *pattern {
                    return Err(asked_twice(column));
                }
            }
        }
        for pattern in &self.without {
            let left_out = find(pattern)?;
            columns.retain(|column| !left_out.contains(column));
        }
        if columns.is_empty() {
            let problem = match target {
                Some(target) => Problem::NoFeatures(header[target].clone()),
                None => Problem::NoColumns,
            };
            return Err(problem.at(At { line: None, ..at.clone() }));
        }

        let mut encodings = vec![Encoding::Number; header.len()];
        for pattern in &self.one_hot {
            for column in find(pattern)? {
                if header[column] == *pattern || is_text.get(column) == Some(&true) {
                    encodings[column] = Encoding::OneHot { order: Vec::new() };
                }
            }
        }
        for (name, order) in &self.one_hot_words {
            encodings[one(name)?] = Encoding::OneHot { order: order.clone() };
        }
        for (name, order) in &self.ordinal {
            encodings[one(name)?] = Encoding::Ordinal { order: order.clone() };
        }
        let features = columns
            .into_iter()
            .map(|column| Feature { column, encoding: encodings[column].clone() })
            .collect();
        let chosen = self.features.is_some();
        Ok(Plan { features, target, weights, missing: self.missing, chosen })
    }
}

/// The column of that name, or those that the pattern fits; at least one.
fn find(pattern: &str, header: &[String], at: &At) -> Result<Vec<usize>, Error> {
    if let Some(column) = header.iter().position(|name| name == pattern) {
        return Ok(vec![column]);
    }
    let fit = |&column: &usize| !header[column].is_empty() && fits(pattern, &header[column]);
    let columns: Vec<usize> = (0..header.len()).filter(fit).collect();
    if columns.is_empty() && pattern != "*" {
        let named = header.iter().filter(|name| !name.is_empty()).cloned();
        let (name, columns) = (pattern.into(), named.collect());
        return Err(Problem::UnknownColumn { name, columns }.at(at.clone()));
    }
    Ok(columns)
}

/// Whether `name` is `pattern`, in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, name: &str) -> bool {
    let (mut rest, mut name) = (pattern.chars(), name.chars());
    // Where to go on when what follows the last `*` does not fit: one character further.
    let mut retry = None;
    loop {
        let (at_pattern, at_name) = (rest.clone().next(), name.clone().next());
        match (at_pattern, at_name) {
            (None, None) => return true,
            (Some('*'), _) => {
                rest.next();
                retry = Some((rest.clone(), name.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                rest.next();
                name.next();
            }
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                (rest, name) = (after_star.clone(), from.clone());
                retry = Some((after_star, from));
            }
        }
    }
}

impl Encoding {
    pub(crate) fn is_one_hot(&self) -> bool {
        matches!(self, Self::OneHot { .. })
    }

    /// The words in the order that was given, if one was.
    fn order(&self) -> &[String] {
        match self {
            Self::Number => &[],
            Self::OneHot { order } | Self::Ordinal { order } => order,
        }
    }

    /// An empty dictionary, or one of the words given.
    pub(crate) fn dictionary(&self) -> Dictionary {
        let mut words = Dictionary::default();
        for word in self.order() {
            words.number(word);
        }
        words
    }

    /// The number of the row's word in the dictionary.
    pub(crate) fn number<E>(
        &self,
        words: &mut Dictionary,
        row: &impl Row<E>,
        column: usize,
    ) -> Result<usize, Error> {
        let word = row.word(column)?;
        let number = words.number(&word);
        let order = self.order();
        if !order.is_empty() {
            if number < order.len() {
                return Ok(number);
            }
            let (value, order) = (word.into_owned(), order.to_vec());
            return Err(row.error(column, Problem::UnknownWord { value, order }));
        }
        let most = match self {
            Self::Ordinal { .. } => MOST_ORDINAL,
            _ => MOST_ONE_HOT,
        };
        if number < most { Ok(number) } else { Err(row.error(column, Problem::TooManyWords(most))) }
    }

    /// The words in order, and the position of each by its number.
    pub(crate) fn in_order(&self, words: Dictionary) -> (Vec<String>, Vec<usize>) {
        match self.order() {
            [] => words.in_order(),
            order => (order.to_vec(), (0..order.len()).collect()),
        }
    }
}

/// The methods by which [`Columns`] are chosen, the same for each kind of table.
macro_rules! column_options {
    () => {
        /// The column to predict; the last one that has a name unless said.
        pub fn target(mut self, column: &str) -> Self {
            self.columns.target = Some(column.into());
            self
        }

        /// The columns to predict from, in this order. In a name, `*` stands for any characters
        /// and `?` for one: `pixel_*` is every column whose name starts so.
        pub fn features(mut self, columns: &[impl AsRef<str>]) -> Self {
            self.columns.features = Some(columns.iter().map(|name| name.as_ref().into()).collect());
            self
        }

        /// Columns that are no features, by name or pattern.
        pub fn without(mut self, columns: &[impl AsRef<str>]) -> Self {
            self.columns.without.extend(columns.iter().map(|name| String::from(name.as_ref())));
            self
        }

        /// Columns of words. Each word becomes a feature that is 1 where it stands and 0
        /// elsewhere: `island` becomes `island=Biscoe`, `island=Dream` and `island=Torgersen`.
        /// Where the value is missing, all of them are 0. A pattern means the columns that fit
        /// and hold words, so that `*` is every column of words.
        ///
        /// The words are those of this table. For new data, which may lack some of them, give those of
        /// the table that was learned from by `one_hot_words`.
        pub fn one_hot(mut self, columns: &[impl AsRef<str>]) -> Self {
            self.columns.one_hot.extend(columns.iter().map(|name| String::from(name.as_ref())));
            self
        }

        /// A column of words, each of `words` a feature in this order, whether it occurs or not; another
        /// word is an error. So new data gets the features that a model was trained with.
        pub fn one_hot_words(mut self, column: &str, words: &[impl AsRef<str>]) -> Self {
            let words = words.iter().map(|word| word.as_ref().into()).collect();
            self.columns.one_hot_words.push((column.into(), words));
            self
        }

        /// A column of words that becomes one feature: 0 for the first of `order`, 1 for the
        /// second and so on. An empty `order` is that of [`Classes::from_names`].
        pub fn ordinal(mut self, column: &str, order: &[impl AsRef<str>]) -> Self {
            let order = order.iter().map(|word| word.as_ref().into()).collect();
            self.columns.ordinal.push((column.into(), order));
            self
        }

        /// A column of numbers, 0 or more, that say how much each row counts. They are no
        /// feature, and come with each batch (`batch.weights`).
        pub fn weights(mut self, column: &str) -> Self {
            self.columns.weights = Some(column.into());
            self
        }

        /// Whether rows that lack the target, a feature or the weight are left out, which
        /// [`Dataset::dropped_rows`] reports, rather than being an error.
        pub fn drop_missing(mut self, drop: bool) -> Self {
            self.columns.missing = if drop { Missing::Drop } else { Missing::Refuse };
            self
        }

        /// Whether features that are missing are kept as NaN, for an [`Imputer`](crate::Imputer)
        /// to fill, rather than being an error.
        pub fn keep_missing(mut self, keep: bool) -> Self {
            self.columns.missing = if keep { Missing::Keep } else { Missing::Refuse };
            self
        }
    };
}
pub(crate) use column_options;

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_fits_any_characters_and_a_question_mark_one() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "ä"),
            ("pixel_*", "pixel_0_7"),
            ("*_mm", "bill_mm_mm"),
            ("a*b*c", "a__b_bc_c"),
            ("?", "ü"),
            ("x?z", "xyz"),
            ("**", "x"),
            ("", ""),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("pixel_*", "pixel"), ("*_mm", "mm"), ("a*b", "ac"), ("?", ""), ("?", "xy"), ("", "x")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
