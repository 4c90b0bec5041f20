//! Rows of a file become features, targets and weights.

use downhill_tensor::Element;
use ndarray::Array2;

use crate::columns::{Encoding, Missing, Plan};
use crate::dataset::Dataset;
use crate::error::{Error, Problem};
use crate::names::Names;
use crate::row::Row;
use crate::target::{Classes, Numbers, Target};
use crate::words::Dictionary;

/// Makes the targets of a data set from a column.
pub(crate) trait TargetColumn<E: Element>: Default {
    /// Whether there is one.
    const EXISTS: bool = true;
    type Target: Target<E>;
    fn push(&mut self, row: &impl Row<E>, column: usize) -> Result<(), Error>;
    fn finish(self) -> Self::Target;
}

#[derive(Default)]
pub(crate) struct ClassColumn {
    numbers: Vec<usize>,
    words: Dictionary,
}

impl<E: Element> TargetColumn<E> for ClassColumn {
    type Target = Classes;

    fn push(&mut self, row: &impl Row<E>, column: usize) -> Result<(), Error> {
        self.numbers.push(self.words.number(&row.word(column)?));
        Ok(())
    }

    fn finish(self) -> Classes {
        Classes::from_words(self.numbers, self.words)
    }
}

#[derive(Default)]
pub(crate) struct NumberColumn<E>(Vec<E>);

impl<E: Element> TargetColumn<E> for NumberColumn<E> {
    type Target = Numbers<E>;

    fn push(&mut self, row: &impl Row<E>, column: usize) -> Result<(), Error> {
        self.0.push(row.number(column)?);
        Ok(())
    }

    fn finish(self) -> Numbers<E> {
        Numbers::from_finite(self.0)
    }
}

/// In place of a target that is not known.
#[derive(Default)]
pub(crate) struct NoColumn;

impl<E: Element> TargetColumn<E> for NoColumn {
    const EXISTS: bool = false;
    type Target = Numbers<E>;

    fn push(&mut self, _row: &impl Row<E>, _column: usize) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self) -> Numbers<E> {
        Numbers::from_finite(Vec::new())
    }
}

/// The rows read so far.
pub(crate) struct Table<'a, E, C> {
    plan: &'a Plan,
    /// Row by row; of a column of words, the number of each in the column's dictionary.
    features: Vec<E>,
    dictionaries: Vec<Dictionary>,
    targets: C,
    weights: Vec<E>,
    rows: usize,
    dropped: usize,
}

impl<'a, E: Element, C: TargetColumn<E>> Table<'a, E, C> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let dictionaries = plan.features.iter().map(|feature| feature.encoding.dictionary());
        Self {
            plan,
            features: Vec::new(),
            dictionaries: dictionaries.collect(),
            targets: C::default(),
            weights: Vec::new(),
            rows: 0,
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, row: &impl Row<E>) -> Result<(), Error> {
        let plan = self.plan;
        if plan.missing == Missing::Drop && plan.columns().any(|column| row.is_missing(column)) {
            self.dropped += 1;
            return Ok(());
        }
        for (feature, words) in plan.features.iter().zip(&mut self.dictionaries) {
            let column = feature.column;
            let may_miss = plan.missing == Missing::Keep || feature.encoding.is_one_hot();
            let value = if may_miss && row.is_missing(column) {
                E::nan()
            } else if feature.encoding == Encoding::Number {
                row.number(column).map_err(|error| plan.with_hint(error))?
            } else {
                E::from_usize(feature.encoding.number(words, row, column)?)
            };
            self.features.push(value);
        }
        if let Some(column) = plan.target {
            self.targets.push(row, column)?;
        }
        if let Some(column) = plan.weights {
            let weight = row.number(column)?;
            if weight < E::zero() {
                return Err(row.error(column, Problem::NegativeWeight(weight.as_f64())));
            }
            self.weights.push(weight);
        }
        self.rows += 1;
        Ok(())
    }

    /// The data set, or what is wrong with it as a whole.
    pub(crate) fn finish(self, header: &[String]) -> Result<Dataset<E, C::Target>, Problem> {
        match (self.rows, self.dropped) {
            (0, 0) => return Err(Problem::NoRows),
            (0, dropped) => return Err(Problem::AllRowsDropped(dropped)),
            _ => {}
        }
        let names = self.plan.features.iter().map(|feature| header[feature.column].clone());
        let (names, mut features) = encode(
            names.collect(),
            self.features,
            self.plan.features.iter().map(|feature| &feature.encoding),
            self.dictionaries,
        );
        features.shrink_to_fit();
        let features = Array2::from_shape_vec((self.rows, names.len()), features)
            .expect("each row has every feature");
        let target_name = self.plan.target.map_or(String::new(), |column| header[column].clone());
        let data =
            Dataset::from_parts(features, self.targets.finish(), Names::Given(names), target_name)
                .with_dropped_rows(self.dropped)
                .with_missing(self.plan.missing == Missing::Keep);
        Ok(match self.plan.weights {
            Some(_) => data.with_checked_weights(self.weights),
            None => data,
        })
    }
}

/// Numbers of words become positions in their order, or a column for each word.
fn encode<'a, E: Element>(
    names: Vec<String>,
    features: Vec<E>,
    encodings: impl Iterator<Item = &'a Encoding>,
    dictionaries: Vec<Dictionary>,
) -> (Vec<String>, Vec<E>) {
    let encodings: Vec<&Encoding> = encodings.collect();
    if encodings.iter().all(|&encoding| *encoding == Encoding::Number) {
        return (names, features);
    }
    let words: Vec<(Vec<String>, Vec<usize>)> = encodings
        .iter()
        .zip(dictionaries)
        .map(|(encoding, dictionary)| encoding.in_order(dictionary))
        .collect();
    let mut encoded = Vec::new();
    for row in features.chunks_exact(names.len()) {
        for ((&value, encoding), (words, positions)) in row.iter().zip(&encodings).zip(&words) {
            let position = || positions[value.as_f64() as usize];
            match encoding {
                Encoding::Number => encoded.push(value),
                Encoding::Ordinal { .. } if value.is_nan() => encoded.push(value),
                Encoding::Ordinal { .. } => encoded.push(E::from_usize(position())),
                Encoding::OneHot { .. } => {
                    let start = encoded.len();
                    encoded.resize(start + words.len(), E::zero());
                    if !value.is_nan() {
                        encoded[start + position()] = E::one();
                    }
                }
            }
        }
    }
    let names =
        names.into_iter().zip(encodings).zip(words).flat_map(|((name, encoding), (words, _))| {
            match encoding.is_one_hot() {
                true => words.iter().map(|word| format!("{name}={word}")).collect(),
                false => vec![name],
            }
        });
    (names.collect(), encoded)
}
