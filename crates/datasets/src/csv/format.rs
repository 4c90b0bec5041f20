//! How a table's text is written, found from its beginning.

use std::io::BufRead;
use std::path::Path;

use super::records::{Records, Syntax, excel_separator};
use crate::error::Error;

/// What the user said of the format; the rest is found.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub(super) separator: Option<u8>,
    pub(super) comment: Option<u8>,
    pub(super) decimal_comma: Option<bool>,
    pub(super) header: Option<bool>,
}

pub(super) struct Format {
    pub(super) syntax: Syntax,
    pub(super) decimal_comma: bool,
    /// Whether the first row names the columns.
    pub(super) header: bool,
    /// The number of fields of the first row, 0 if there is none.
    pub(super) columns: usize,
    /// Whether the header lacks a name for the first column, as R's `write.table` leaves it out.
    pub(super) row_names: bool,
    /// Whether each column holds words, by the first rows.
    pub(super) is_text: Vec<bool>,
}

/// In the order of trust: what stands the same number of times in each row separates.
const SEPARATORS: [u8; 4] = [b'\t', b';', b',', b'|'];

/// Reads whole lines from the beginning of the file, enough to tell the format by.
pub(super) fn beginning(path: &Path, source: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for line in 0..100 {
        if line > 2 && bytes.len() > 1 << 16 {
            break;
        }
        source.read_until(b'\n', &mut bytes).map_err(Error::read(path))?;
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    Ok(bytes)
}

impl Format {
    pub(super) fn find(
        path: &Path,
        beginning: &[u8],
        given: &Given,
        is_missing: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        let is_old_mac = beginning.contains(&b'\r') && !beginning.contains(&b'\n');
        let line_end = if is_old_mac { b'\r' } else { b'\n' };
        let syntax = |separator| Syntax { separator, comment: given.comment, line_end };
        let counts = |separator| field_counts(path, beginning, syntax(separator));
        let separator = match (given.separator, excel_line(beginning)) {
            (Some(separator), _) | (None, Some(separator)) => separator,
            (None, None) => separator(counts)?,
        };
        let row_names = separator == b' ' && {
            let counts = counts(separator)?;
            counts.len() > 1 && counts[0] + 1 == counts[1]
        };

        let mut records = Records::new(path, beginning, syntax(separator));
        let mut columns = Vec::new();
        let (mut decimal_commas, mut decimal_points) = (false, false);
        let mut first_row = None;
        while let Some(record) = records.read()? {
            let first = first_row.is_none();
            let shift = usize::from(first && row_names);
            first_row.get_or_insert(record.len());
            columns.resize(columns.len().max(record.fields().len() + shift), Column::default());
            for (column, word) in columns[shift..].iter_mut().zip(record.fields()) {
                let kind = Kind::of(word, &is_missing);
                decimal_commas |= matches!(kind, Kind::Number { decimal: Some(b','), .. });
                decimal_points |= matches!(kind, Kind::Number { decimal: Some(b'.'), .. });
                column.add(kind, first);
            }
        }
        let found_comma = separator != b',' && decimal_commas && !decimal_points;
        let header = given.header.unwrap_or_else(|| row_names || is_header(&columns));
        let is_text = columns
            .iter()
            .map(|column| column.words || (!header && matches!(column.first, Kind::Word)));
        Ok(Self {
            syntax: syntax(separator),
            decimal_comma: given.decimal_comma.unwrap_or(found_comma),
            header,
            columns: first_row.unwrap_or(0),
            row_names,
            is_text: is_text.collect(),
        })
    }
}

impl Format {
    /// What was decided about the format that a reader of the file might see otherwise.
    pub(super) fn notes(&self, path: &Path, given: &Given) -> Vec<String> {
        let header = (!self.header && given.header.is_none())
            .then_some("the first row holds numbers, as the others do, and is read as data (`.header(true)` makes it names)");
        let comma = (self.decimal_comma && given.decimal_comma.is_none())
            .then_some("a comma stands in front of decimals (`.decimal_comma(false)` refuses it)");
        let notes = header.into_iter().chain(comma);
        notes.map(|note| format!("{}: {note}", path.display())).collect()
    }
}

fn excel_line(beginning: &[u8]) -> Option<u8> {
    let line = beginning.split_inclusive(|&byte| byte == b'\n').next()?;
    excel_separator(str::from_utf8(line).ok()?)
}

/// The number of fields of each record.
fn field_counts(path: &Path, beginning: &[u8], syntax: Syntax) -> Result<Vec<usize>, Error> {
    let mut records = Records::new(path, beginning, syntax);
    let mut counts = Vec::new();
    while let Some(record) = records.read()? {
        counts.push(record.len());
    }
    Ok(counts)
}

/// The separator by which all rows have the same number of fields, more than one; if there is
/// none, the one that the header has most of, for the error to name the row that differs.
fn separator(counts: impl Fn(u8) -> Result<Vec<usize>, Error>) -> Result<u8, Error> {
    let mut best = (1, b' ');
    for separator in SEPARATORS {
        let counts = counts(separator)?;
        let Some(&first) = counts.first() else { continue };
        if first > 1 && counts.iter().all(|&count| count == first) {
            return Ok(separator);
        }
        if first > best.0 {
            best = (first, separator);
        }
    }
    if best.0 == 1 && counts(b' ')?.contains(&1) {
        return Ok(b',');
    }
    Ok(best.1)
}

/// What a field looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Missing,
    /// `decimal` is the character in front of the decimals, where it cannot be one that groups
    /// thousands.
    Number {
        value: f64,
        decimal: Option<u8>,
    },
    Word,
}

impl Kind {
    fn of(word: &str, is_missing: impl Fn(&str) -> bool) -> Self {
        if is_missing(word) {
            return Self::Missing;
        }
        let parse = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite());
        if let Some(value) = parse(word) {
            return Self::Number { value, decimal: word.contains('.').then_some(b'.') };
        }
        let (whole, decimals) = word.split_once(',').unwrap_or((word, "x"));
        match parse(&[whole, ".", decimals].concat()) {
            Some(value) if !word.contains('.') => {
                let digits = whole.trim_start_matches(['+', '-']);
                let thousands = decimals.len() == 3
                    && (1..=3).contains(&digits.len())
                    && !digits.starts_with('0');
                Self::Number { value, decimal: (!thousands).then_some(b',') }
            }
            _ => Self::Word,
        }
    }
}

/// What a column holds.
#[derive(Debug, Clone, Default)]
struct Column {
    /// In the first row.
    first: Kind,
    /// In the others.
    words: bool,
    numbers: bool,
}

impl Column {
    fn add(&mut self, kind: Kind, first: bool) {
        match kind {
            kind if first => self.first = kind,
            Kind::Number { .. } => self.numbers = true,
            Kind::Word => self.words = true,
            Kind::Missing => {}
        }
    }
}

/// Whether the first row names the columns: it holds no number; or a word in a column of numbers;
/// or numbers that count on by one, like years, which are then names.
fn is_header(columns: &[Column]) -> bool {
    let numbers: Vec<f64> = columns
        .iter()
        .filter_map(|column| match column.first {
            Kind::Number { value, .. } => Some(value),
            _ => None,
        })
        .collect();
    let names_numbers =
        |column: &Column| column.first == Kind::Word && column.numbers && !column.words;
    let count_on = numbers.len() > 2
        && numbers[0].fract() == 0.0
        && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0);
    numbers.is_empty() || count_on || columns.iter().any(names_numbers)
}
