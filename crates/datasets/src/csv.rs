//! Tables in text: CSV and its relatives.

use std::any::type_name;
use std::borrow::Cow;
use std::io::{BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use downhill_tensor::Element;
use ndarray::Array2;

use crate::columns::{Columns, Missing, column_options};
use crate::dataset::Dataset;
use crate::error::{At, Error, Problem};
use crate::row;
use crate::source;
use crate::table::{ClassColumn, NoColumn, NumberColumn, Table, TargetColumn};
use crate::target::{Classes, Numbers};

mod format;
mod records;

use format::{Format, Given};
use records::{Record, Records};

impl Dataset {
    /// Reads a CSV file for classification: a header, then a row a line. The column `target`
    /// holds the classes, numbers or words; all other columns are features and hold numbers.
    /// [`Csv`] has options for other wants.
    ///
    /// # Errors
    ///
    /// As [`Csv::read_classification`].
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    ///
    /// let iris = Dataset::read_csv("data/iris.csv", "species")?;
    /// assert_eq!(iris.features().dim(), (150, 4));
    /// assert_eq!(iris.class_names(), ["setosa", "versicolor", "virginica"]);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn read_csv(path: impl AsRef<Path>, target: &str) -> Result<Self, Error> {
        Csv::new(path).target(target).read_classification()
    }
}

/// A table in text, plain or gzipped, and how to read it.
///
/// What is not said is found in the first lines: what separates the fields (comma, semicolon,
/// tab, bar or blanks), whether decimals follow a comma, and whether the first row names the
/// columns. If it does not, because it holds numbers where the others do, they are called
/// `column_1` and so on, and [`Dataset::notes`] says so. A column without a name, in which R and
/// pandas number the rows, is no feature.
///
/// Fields may be quoted, and white space around them is ignored. Columns that are not read may
/// hold anything.
///
/// ```
/// use downhill_datasets::Csv;
///
/// let penguins = Csv::new("data/penguins.csv")
///     .target("species")
///     .features(&["bill_*", "flipper_length_mm", "body_mass_g"])
///     .drop_missing(true)
///     .read_classification::<f32>()?;
/// assert_eq!(penguins.len(), 342);
/// assert_eq!(penguins.dropped_rows(), 2);
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Csv {
    path: PathBuf,
    /// What the file holds, if it is not to be read from `path`.
    text: Option<String>,
    columns: Columns,
    format: Given,
    missing_words: Vec<String>,
}

impl Csv {
    /// The file at `path`, whose last column is the target and all others are features.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let (columns, format) = Default::default();
        let (path, text) = (path.as_ref().into(), None);
        Self { path, text, columns, format, missing_words: Vec::new() }
            .missing(&["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "?"])
    }

    /// A table that is in memory; messages call it `name`.
    ///
    /// ```
    /// use downhill_datasets::Csv;
    ///
    /// let line = Csv::from_text("a line", "x,y\n0,1\n1,3\n").read_regression::<f32>()?;
    /// assert_eq!(line.targets().as_slice(), [1.0, 3.0]);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn from_text(name: &str, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::new(name) }
    }

    column_options!();

    /// The words that stand for a missing value, in place of the usual ones: nothing, `NA`,
    /// `N/A`, `n/a`, `#N/A`, `NaN`, `nan`, `NULL`, `null` and `?`.
    pub fn missing(mut self, words: &[impl AsRef<str>]) -> Self {
        self.missing_words = words.iter().map(|word| word.as_ref().into()).collect();
        self
    }

    /// The character between fields; a blank stands for blanks and tabs in any number.
    ///
    /// # Panics
    ///
    /// If it is not ASCII.
    #[track_caller]
    pub fn separator(mut self, separator: char) -> Self {
        self.format.separator = Some(ascii("separator", separator));
        self
    }

    /// Whether decimals follow a comma, as in `3,14`.
    pub fn decimal_comma(mut self, comma: bool) -> Self {
        self.format.decimal_comma = Some(comma);
        self
    }

    /// Whether the first row names the columns.
    pub fn header(mut self, header: bool) -> Self {
        self.format.header = Some(header);
        self
    }

    /// The character at the start of lines that are left out.
    ///
    /// # Panics
    ///
    /// If it is not ASCII.
    #[track_caller]
    pub fn comments(mut self, start: char) -> Self {
        self.format.comment = Some(ascii("comments", start));
        self
    }

    /// Reads the file; the target holds classes, numbers or words.
    /// [`Classes::from_names`] says which index each gets.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not UTF-8; has no rows, or columns of the same name;
    /// lacks a column asked for; has a row with more or fewer fields than the header; lacks a
    /// value, unless something else is asked for; or holds, as a feature, a word, an infinity, or
    /// a number beyond the range of `E`. The message names file, line and column.
    pub fn read_classification<E: Element>(&self) -> Result<Dataset<E, Classes>, Error> {
        self.read::<E, ClassColumn>()
    }

    /// Reads the file; the target holds numbers.
    ///
    /// # Errors
    ///
    /// As [`read_classification`](Self::read_classification); and the target is checked as
    /// features are.
    pub fn read_regression<E: Element>(&self) -> Result<Dataset<E, Numbers<E>>, Error> {
        self.read::<E, NumberColumn<E>>()
    }

    /// Reads the features alone, a row for each: those of new data, whose target is not known.
    ///
    /// ```
    /// use downhill_datasets::Csv;
    ///
    /// let text = "day,weight,length\nMonday,3.5,20\nTuesday,4,21\n";
    /// let new = Csv::from_text("new.csv", text).features(&["length", "weight"]).read_features::<f32>()?;
    /// assert_eq!(new, ndarray::arr2(&[[20.0, 3.5], [21.0, 4.0]]));
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read_classification`](Self::read_classification).
    pub fn read_features<E: Element>(&self) -> Result<Array2<E>, Error> {
        Ok(self.read::<E, NoColumn>()?.features().to_owned())
    }

    #[inline(never)]
    fn read<E: Element, C: TargetColumn<E>>(&self) -> Result<Dataset<E, C::Target>, Error> {
        let path = &*self.path;
        let mut source: Box<dyn BufRead + '_> = match &self.text {
            Some(text) => Box::new(text.as_bytes()),
            None => source::open(path)?,
        };
        let beginning = format::beginning(path, &mut source)?;
        let missing = MissingWords::new(&self.missing_words);
        let format = Format::find(path, &beginning, &self.format, |word| missing.contains(word))?;
        let source = Cursor::new(beginning).chain(source);
        let mut records = Records::new(path, source, format.syntax);
        let (header, at) = header(path, &mut records, &format)?;
        let plan = self.columns.plan(&header, &format.is_text, &at, C::EXISTS)?;

        let mut table = Table::<E, C>::new(&plan);
        let decimal_comma = format.decimal_comma;
        while let Some(record) = records.read()? {
            let row = Row { path, header: &header, missing: &missing, decimal_comma, record };
            row.check_length()?;
            table.push(&row)?;
        }
        let data = table.finish(&header).map_err(|problem| problem.at(path))?;
        Ok(data.with_notes(format.notes(path, &self.format)))
    }
}

#[track_caller]
fn ascii(option: &str, character: char) -> u8 {
    assert!(character.is_ascii(), "{option}: {character:?} is not ASCII");
    character as u8
}

/// The columns' names, and where they stand.
fn header(
    path: &Path,
    records: &mut Records<'_, impl BufRead>,
    format: &Format,
) -> Result<(Vec<String>, At), Error> {
    if !format.header {
        let names = (1..=format.columns).map(|number| format!("column_{number}"));
        return Ok((names.collect(), path.into()));
    }
    let Some(record) = records.read()? else { return Err(Problem::Empty.at(path)) };
    let unnamed = format.row_names.then(String::new);
    let names = unnamed.into_iter().chain(record.fields().map(String::from));
    Ok((names.collect(), (path, record.line).into()))
}

/// The words that stand for a missing value.
struct MissingWords<'a> {
    words: &'a [String],
    /// Whether a number is among them, like −999.
    number: bool,
}

impl<'a> MissingWords<'a> {
    fn new(words: &'a [String]) -> Self {
        let number = words.iter().any(|word| word.parse().is_ok_and(f64::is_finite));
        Self { words, number }
    }

    fn contains(&self, word: &str) -> bool {
        let is_number = word.as_bytes().first().is_some_and(u8::is_ascii_digit);
        (self.number || !is_number) && self.words.iter().any(|missing| missing == word)
    }
}

/// A row, and what is needed to say where a mistake in it stands.
struct Row<'a> {
    path: &'a Path,
    header: &'a [String],
    missing: &'a MissingWords<'a>,
    decimal_comma: bool,
    record: Record<'a>,
}

impl Row<'_> {
    fn check_length(&self) -> Result<(), Error> {
        let (expected, found) = (self.header.len(), self.record.len());
        if found == expected {
            return Ok(());
        }
        Err(Problem::RaggedRow { expected, found }.at((self.path, self.record.line)))
    }

    /// What stands in the column, if it is a value.
    fn value(&self, column: usize) -> Result<&str, Error> {
        let word = self.record.field(column);
        if self.missing.contains(word) {
            return Err(self.problem(column, Problem::Missing));
        }
        // A quote that is never closed makes one field of the whole rest of the file.
        if word.contains('\n') {
            return Err(self.problem(column, Problem::LineBreak));
        }
        Ok(word)
    }

    fn problem(&self, column: usize, problem: Problem) -> Error {
        let column = Some(self.header[column].clone());
        problem.at(At { column, ..At::from((self.path, self.record.line)) })
    }
}

impl<E: Element> row::Row<E> for Row<'_> {
    fn is_missing(&self, column: usize) -> bool {
        self.missing.contains(self.record.field(column))
    }

    fn number(&self, column: usize) -> Result<E, Error> {
        if !self.missing.number
            && !self.decimal_comma
            && let Ok(number) = self.record.field(column).parse::<E>()
            && number.is_finite()
        {
            return Ok(number);
        }
        let value = self.value(column)?;
        // Where decimals follow a comma, a point groups thousands or is a mistake.
        let text = match self.decimal_comma {
            true if value.contains('.') => None,
            true => Some(Cow::from(value.replace(',', "."))),
            false => Some(Cow::from(value)),
        };
        let number = text.and_then(|text| text.parse::<E>().ok());
        let value = || value.to_owned();
        let Some(number) = number else {
            let problem = Problem::NotANumber { value: value(), leave_out: false };
            return Err(self.problem(column, problem));
        };
        if !number.is_finite() {
            let problem = Problem::NotFinite { value: value(), element: type_name::<E>() };
            return Err(self.problem(column, problem));
        }
        Ok(number)
    }

    fn word(&self, column: usize) -> Result<Cow<'_, str>, Error> {
        self.value(column).map(Cow::from)
    }

    fn error(&self, column: usize, problem: Problem) -> Error {
        self.problem(column, problem)
    }
}

#[cfg(test)]
mod tests;
