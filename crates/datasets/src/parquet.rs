//! Parquet tables.

use std::any::type_name;
use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use ::parquet::data_type::DataType;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::RowGroupMetaData;
use ::parquet::file::reader::{FileReader, SerializedFileReader, SerializedPageReader};
use ::parquet::schema::types::ColumnDescriptor;
use downhill_tensor::Element;
use ndarray::Array2;

use self::pages::Pages;
use crate::columns::{Columns, Missing, Plan, column_options};
use crate::dataset::Dataset;
use crate::error::{At, Error, Problem};
use crate::row;
use crate::table::{ClassColumn, NoColumn, NumberColumn, Table, TargetColumn};
use crate::target::{Classes, Numbers};

/// A Parquet table and how to read it.
///
/// Columns of numbers and truth values (0 and 1) are features as they are; those of text have to
/// be left out or encoded. A value is missing if it is null or NaN. In errors, the row stands
/// where the line of a text would, counted from 1. The codecs Snappy, gzip, Zstandard and LZ4 are
/// known.
///
/// ```no_run
/// use downhill_datasets::Parquet;
///
/// let table = Parquet::new("iris.parquet").target("species").read_classification::<f32>()?;
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parquet {
    path: PathBuf,
    columns: Columns,
}

/// Rows that are decoded at a time.
const BATCH: usize = 1024;

impl Parquet {
    /// The file at `path`, whose last column is the target and all others are features.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().into(), columns: Columns::default() }
    }

    column_options!();

    /// Reads the file; the target holds classes, numbers or words.
    /// [`Classes::from_names`] says which index each gets.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is damaged; has no rows; lacks a column asked for, or that
    /// is nested or of a type that is no number or text; lacks a value, unless something else is
    /// asked for; or holds, as a feature, a word, an infinity, or a number beyond the range of
    /// `E`.
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
    /// # Errors
    ///
    /// As [`read_classification`](Self::read_classification).
    pub fn read_features<E: Element>(&self) -> Result<Array2<E>, Error> {
        Ok(self.read::<E, NoColumn>()?.features().to_owned())
    }

    fn read<E: Element, C: TargetColumn<E>>(&self) -> Result<Dataset<E, C::Target>, Error> {
        let path = &*self.path;
        let damaged = |error: ParquetError| Problem::Format(error.to_string()).at(path);
        let file = File::open(path).map_err(Error::read(path))?;
        let open = || SerializedFileReader::new(file.try_clone()?);
        let reader = guarded(open).map_err(damaged)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let header: Vec<String> =
            schema.columns().iter().map(|column| column.path().string()).collect();
        let is_text: Vec<bool> = schema
            .columns()
            .iter()
            .map(|column| column.physical_type() == Type::BYTE_ARRAY)
            .collect();
        let plan = self.columns.plan(&header, &is_text, &path.into(), C::EXISTS)?;

        let mut table = Table::<E, C>::new(&plan);
        let mut first = 1;
        for group in 0..reader.num_row_groups() {
            let group = reader.metadata().row_group(group);
            let mut readers = guarded(|| readers(&file, group, &plan)).map_err(damaged)?;
            let mut rest = usize::try_from(group.num_rows()).unwrap_or(0);
            while rest > 0 {
                let count = rest.min(BATCH);
                let mut columns: Vec<Option<Vec<Cell>>> = Vec::new();
                columns.resize_with(header.len(), || None);
                for (column, reader) in &mut readers {
                    let cells = guarded(|| read_cells(reader, &schema.column(*column), count));
                    columns[*column] = Some(cells.map_err(damaged)?);
                }
                for row in 0..count {
                    let number = first + row;
                    table.push(&Row { path, header: &header, columns: &columns, row, number })?;
                }
                first += count;
                rest -= count;
            }
        }
        table.finish(&header).map_err(|problem| problem.at(path))
    }
}

/// What the crate `parquet` makes of a file; it panics over some that are damaged.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(ParquetError::General("a part of it does not follow the format".into()))
    })
}

fn readers(
    file: &File,
    group: &RowGroupMetaData,
    plan: &Plan,
) -> Result<Vec<(usize, ColumnReader)>, ParquetError> {
    let reader = |column| {
        let chunk = group.column(column);
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        if start < 0 || chunk.compressed_size() < 0 {
            let name = chunk.column_path().string();
            let nowhere = format!("column `{name}` has a negative place or length in the file");
            return Err(ParquetError::General(nowhere));
        }
        let rows = usize::try_from(group.num_rows())?;
        let pages = Arc::new(Pages::new(file.try_clone()?, chunk));
        let pages = Box::new(SerializedPageReader::new(pages, chunk, rows, None)?);
        Ok((column, get_column_reader(chunk.column_descr_ptr(), pages)))
    };
    plan.columns().map(reader).collect()
}

/// A value of a column, if it is there.
#[derive(Debug, Clone)]
enum Cell {
    Missing,
    Whole(i128),
    /// A whole number of units of 10 to the power of −`scale`.
    Decimal {
        units: i128,
        scale: i32,
    },
    Single(f32),
    Real(f64),
    Text(String),
}

/// The next `count` values of a column.
fn read_cells(
    reader: &mut ColumnReader,
    column: &ColumnDescriptor,
    count: usize,
) -> Result<Vec<Cell>, ParquetError> {
    let unsigned = matches!(
        column.converted_type(),
        ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
    );
    let is_decimal = column.converted_type() == ConvertedType::DECIMAL
        || matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }));
    let whole = |units: i128| match is_decimal {
        true => Cell::Decimal { units, scale: column.type_scale() },
        false => Cell::Whole(units),
    };
    match reader {
        ColumnReader::BoolColumnReader(reader) => {
            cells(reader, column, count, |&value| Ok(Cell::Whole(value.into())))
        }
        ColumnReader::Int32ColumnReader(reader) => cells(reader, column, count, |&value| {
            Ok(whole(if unsigned { value.cast_unsigned().into() } else { value.into() }))
        }),
        ColumnReader::Int64ColumnReader(reader) => cells(reader, column, count, |&value| {
            Ok(whole(if unsigned { value.cast_unsigned().into() } else { value.into() }))
        }),
        ColumnReader::FloatColumnReader(reader) => {
            let cell = |&x: &f32| if x.is_nan() { Cell::Missing } else { Cell::Single(x) };
            cells(reader, column, count, |value| Ok(cell(value)))
        }
        ColumnReader::DoubleColumnReader(reader) => {
            let cell = |&x: &f64| if x.is_nan() { Cell::Missing } else { Cell::Real(x) };
            cells(reader, column, count, |value| Ok(cell(value)))
        }
        ColumnReader::ByteArrayColumnReader(reader) => {
            cells(reader, column, count, |value| Ok(Cell::Text(value.as_utf8()?.trim().into())))
        }
        _ => Err(ParquetError::NYI(format!(
            "column `{}` is of a type that is not read, {}",
            column.name(),
            column.physical_type()
        ))),
    }
}

fn cells<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    count: usize,
    cell: impl Fn(&T::T) -> Result<Cell, ParquetError>,
) -> Result<Vec<Cell>, ParquetError> {
    if column.max_rep_level() > 0 {
        let nested = format!("column `{}` holds a list in each row", column.name());
        return Err(ParquetError::NYI(nested));
    }
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let present = column.max_def_level();
    while levels.len().max(if present == 0 { values.len() } else { 0 }) < count {
        let done = if present == 0 { values.len() } else { levels.len() };
        let (records, ..) = reader.read_records(
            count - done,
            (present > 0).then_some(&mut levels),
            None,
            &mut values,
        )?;
        if records == 0 {
            let short = format!("column `{}` has fewer rows than others", column.name());
            return Err(ParquetError::General(short));
        }
    }
    if present == 0 {
        return values.iter().map(cell).collect();
    }
    let mut values = values.iter();
    let next = |&level: &i16| match (level == present).then(|| values.next()).flatten() {
        Some(value) => cell(value),
        None => Ok(Cell::Missing),
    };
    levels.iter().map(next).collect()
}

/// A row, and what is needed to say where a mistake in it stands.
struct Row<'a> {
    path: &'a Path,
    header: &'a [String],
    /// Those that are read.
    columns: &'a [Option<Vec<Cell>>],
    row: usize,
    /// Counted from 1 in the whole file.
    number: usize,
}

impl Row<'_> {
    fn cell(&self, column: usize) -> &Cell {
        self.columns[column].as_ref().map_or(&Cell::Missing, |cells| &cells[self.row])
    }

    fn problem(&self, column: usize, problem: Problem) -> Error {
        let column = Some(self.header[column].clone());
        problem.at(At { column, ..At::from((self.path, self.number)) })
    }
}

impl<E: Element> row::Row<E> for Row<'_> {
    fn is_missing(&self, column: usize) -> bool {
        matches!(self.cell(column), Cell::Missing)
    }

    fn number(&self, column: usize) -> Result<E, Error> {
        let number = match self.cell(column) {
            Cell::Missing => return Err(self.problem(column, Problem::Missing)),
            Cell::Text(text) => {
                let (value, leave_out) = (text.clone(), false);
                return Err(self.problem(column, Problem::NotANumber { value, leave_out }));
            }
            Cell::Whole(value) => *value as f64,
            Cell::Decimal { units, scale } => *units as f64 / 10_f64.powi(*scale),
            Cell::Single(value) => f64::from(*value),
            Cell::Real(value) => *value,
        };
        let element = E::from_f64(number);
        if element.is_finite() {
            return Ok(element);
        }
        let (value, element) = (number.to_string(), type_name::<E>());
        Err(self.problem(column, Problem::NotFinite { value, element }))
    }

    fn word(&self, column: usize) -> Result<Cow<'_, str>, Error> {
        match self.cell(column) {
            Cell::Missing => Err(self.problem(column, Problem::Missing)),
            Cell::Text(text) => Ok(Cow::from(text)),
            Cell::Whole(value) => Ok(Cow::from(value.to_string())),
            Cell::Decimal { units, scale } => Ok(Cow::from(decimal(*units, *scale))),
            Cell::Single(value) => Ok(Cow::from(value.to_string())),
            Cell::Real(value) => Ok(Cow::from(value.to_string())),
        }
    }

    fn error(&self, column: usize, problem: Problem) -> Error {
        self.problem(column, problem)
    }
}

/// All digits of a decimal number, without zeros at the end.
fn decimal(units: i128, scale: i32) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

mod pages;
#[cfg(test)]
mod tests;
