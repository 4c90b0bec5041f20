//! CSV files: a header of column names, then a row a line.

use std::any::type_name;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use ::csv::{ReaderBuilder, StringRecord};
use downhill_tensor::Element;
use ndarray::Array2;

use crate::dataset::Dataset;
use crate::error::{At, Error, Problem};
use crate::names::Names;
use crate::target::{Classes, Numbers, Target};

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
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
    /// let iris = Dataset::read_csv("data/iris.csv", "species")?;
    /// assert_eq!(iris.features().dim(), (150, 4));
    /// assert_eq!(iris.class_names(), ["setosa", "versicolor", "virginica"]);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn read_csv(path: impl AsRef<Path>, target: &str) -> Result<Self, Error> {
        Csv::new(path).target(target).read_classification()
    }
}

/// A CSV file and how to read it.
///
/// Fields are separated by commas and may be quoted, and white space around them is ignored. A
/// field that is empty or `NA` is a missing value. Columns that are neither the target nor a
/// feature may hold anything.
///
/// ```
/// use downhill_datasets::Csv;
///
/// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
/// let penguins = Csv::new("data/penguins.csv")
///     .target("species")
///     .features(&["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"])
///     .drop_missing(true)
///     .read_classification::<f32>()?;
/// assert_eq!(penguins.len(), 342);
/// assert_eq!(penguins.dropped_rows(), 2);
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Csv {
    path: PathBuf,
    target: Option<String>,
    features: Option<Vec<String>>,
    drop_missing: bool,
}

impl Csv {
    /// The file at `path`, of which the last column is the target and all others are features.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().into();
        Self { path, target: None, features: None, drop_missing: false }
    }

    /// The column to predict.
    pub fn target(mut self, column: &str) -> Self {
        self.target = Some(column.into());
        self
    }

    /// The columns to predict from, in this order.
    pub fn features(mut self, columns: &[impl AsRef<str>]) -> Self {
        self.features = Some(columns.iter().map(|column| column.as_ref().into()).collect());
        self
    }

    /// Whether rows that lack the target or a feature are left out, which
    /// [`Dataset::dropped_rows`] reports, rather than being an error.
    pub fn drop_missing(mut self, drop: bool) -> Self {
        self.drop_missing = drop;
        self
    }

    /// Reads the file; the target holds classes, numbers or words.
    /// [`Classes::from_names`] says which index each gets.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not UTF-8; has no header or no rows, or columns of the
    /// same name; lacks a column asked for; has a row with more or fewer fields than the header;
    /// lacks a value, unless such rows are to be dropped; or holds, as a feature, a word, NaN, an
    /// infinity, or a number beyond the range of `E`. The message names file, line and column.
    pub fn read_classification<E: Element>(&self) -> Result<Dataset<E, Classes>, Error> {
        self.read(
            |row, column| row.word(column).map(str::to_owned),
            |names| Classes::from_names(&names),
        )
    }

    /// Reads the file; the target holds numbers.
    ///
    /// # Errors
    ///
    /// As [`read_classification`](Self::read_classification); and the target is checked as
    /// features are.
    pub fn read_regression<E: Element>(&self) -> Result<Dataset<E, Numbers<E>>, Error> {
        self.read(|row, column| row.number(column, false), Numbers::from_finite)
    }

    /// `parse` reads a row's target in a column, and `collect` makes targets of all of them.
    fn read<E: Element, V, T: Target<E>>(
        &self,
        parse: impl Fn(&Row<'_>, usize) -> Result<V, Error>,
        collect: impl Fn(Vec<V>) -> T,
    ) -> Result<Dataset<E, T>, Error> {
        let text = read_text(&self.path)?;
        // Rows of any length are let through, to be judged here with the line an editor shows.
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let mut advance = |record: &mut StringRecord| {
            reader
                .read_record(record)
                .expect("text in memory is UTF-8, and rows of any length are let through")
        };

        if !advance(&mut record) {
            return Err(Problem::Empty.at(&*self.path));
        }
        let header: Vec<String> = record.iter().map(|name| name.trim().into()).collect();
        let (feature_columns, target_column) = self.columns(&header, line(&text, &record))?;

        let (mut features, mut targets, mut dropped) = (Vec::new(), Vec::new(), 0);
        while advance(&mut record) {
            let row = Row { path: &self.path, text: &text, header: &header, record: &record };
            row.check_length()?;
            let mut columns = feature_columns.iter().chain([&target_column]);
            if self.drop_missing && columns.any(|&column| row.is_missing(column)) {
                dropped += 1;
                continue;
            }
            for &column in &feature_columns {
                features.push(row.number(column, self.features.is_none())?);
            }
            targets.push(parse(&row, target_column)?);
        }
        if targets.is_empty() {
            let none =
                if dropped == 0 { Problem::NoRows } else { Problem::AllRowsDropped(dropped) };
            return Err(none.at(&*self.path));
        }
        let features = Array2::from_shape_vec((targets.len(), feature_columns.len()), features)
            .expect("each row has every feature");
        let feature_names = feature_columns.iter().map(|&column| header[column].clone()).collect();
        let target_name = header[target_column].clone();
        let names = Names::Given(feature_names);
        Ok(Dataset::from_parts(features, collect(targets), names, target_name)
            .with_dropped_rows(dropped))
    }

    /// The columns of the features, and that of the target.
    fn columns(&self, header: &[String], line: usize) -> Result<(Vec<usize>, usize), Error> {
        let header_at = (&*self.path, line);
        let mut names = HashSet::new();
        if let Some(column) = header.iter().find(|name| !names.insert(*name)) {
            return Err(Problem::DuplicateColumn(column.clone()).at(header_at));
        }
        let find = |name: &String| {
            header.iter().position(|column| column == name).ok_or_else(|| {
                let (name, columns) = (name.clone(), header.to_vec());
                Problem::UnknownColumn { name, columns }.at(header_at)
            })
        };
        let target = match &self.target {
            Some(column) => find(column)?,
            None => header.len() - 1,
        };
        let features: Vec<usize> = match &self.features {
            Some(columns) => columns.iter().map(find).collect::<Result<_, _>>()?,
            None => (0..header.len()).filter(|&column| column != target).collect(),
        };
        if features.is_empty() {
            return Err(Problem::NoFeatures(header[target].clone()).at(&*self.path));
        }
        let mut taken = HashSet::from([target]);
        if let Some(&column) = features.iter().find(|&&column| !taken.insert(column)) {
            let column = Some(header[column].clone());
            return Err(Problem::AskedTwice.at(At { column, ..At::from(&*self.path) }));
        }
        Ok((features, target))
    }
}

/// A row, and what is needed to say where a mistake in it stands.
struct Row<'a> {
    path: &'a Path,
    text: &'a str,
    header: &'a [String],
    record: &'a StringRecord,
}

impl Row<'_> {
    fn check_length(&self) -> Result<(), Error> {
        let (expected, found) = (self.header.len(), self.record.len());
        if found == expected {
            return Ok(());
        }
        Err(Problem::RaggedRow { expected, found }.at((self.path, line(self.text, self.record))))
    }

    fn error(&self, column: usize, problem: Problem) -> Error {
        let at = At::from((self.path, line(self.text, self.record)));
        problem.at(At { column: Some(self.header[column].clone()), ..at })
    }

    fn is_missing(&self, column: usize) -> bool {
        matches!(self.record[column].trim(), "" | "NA")
    }

    fn word(&self, column: usize) -> Result<&str, Error> {
        if self.is_missing(column) {
            return Err(self.error(column, Problem::Missing));
        }
        // A quote that is never closed makes one field of the whole rest of the file.
        let word = self.record[column].trim();
        if word.contains('\n') {
            return Err(self.error(column, Problem::LineBreak));
        }
        Ok(word)
    }

    fn number<E: Element>(&self, column: usize, leave_out: bool) -> Result<E, Error> {
        let word = self.word(column)?;
        let value = || word.to_owned();
        let Ok(number) = word.parse::<f64>() else {
            return Err(self.error(column, Problem::NotANumber { value: value(), leave_out }));
        };
        let number = E::from_f64(number);
        if !number.is_finite() {
            let element = type_name::<E>();
            return Err(self.error(column, Problem::NotFinite { value: value(), element }));
        }
        Ok(number)
    }
}

/// The file's text, without a byte order mark.
fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Problem::NotUtf8.at((path, line_after(valid)))
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.into(),
        None => text,
    })
}

/// The line of `text` on which `record` starts. The parser's own count is that of where it stood
/// before: ahead of blank lines, and between the two characters of a Windows line end.
fn line(text: &str, record: &StringRecord) -> usize {
    let position = record.position().expect("the record was read from text").byte() as usize;
    let blank = text[position..].len() - text[position..].trim_start_matches(['\r', '\n']).len();
    line_after(&text.as_bytes()[..position + blank])
}

fn line_after(text: &[u8]) -> usize {
    1 + text.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests;
