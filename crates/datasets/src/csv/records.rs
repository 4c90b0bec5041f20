//! A table's text as records of fields.
//!
//! The crate `csv` holds a quote after a blank to be part of the value (`1, "x"`) and counts lines
//! otherwise than editors do, so that fields are told apart here.

use std::io::BufRead;
use std::mem;
use std::path::Path;

use crate::error::{Error, Problem};

/// The characters between fields and between lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// A blank stands for blanks and tabs in any number.
    pub(super) separator: u8,
    /// A line that starts with it is left out.
    pub(super) comment: Option<u8>,
    /// `\n`, or `\r` in files that have no `\n`. In front of `\n`, `\r` is white space.
    pub(super) line_end: u8,
}

/// Reads one record after the other.
pub(super) struct Records<'a, R> {
    path: &'a Path,
    source: R,
    syntax: Syntax,
    /// The line that was read last, and its number.
    text: String,
    line: usize,
    /// The fields of a record with quotes in it, without those.
    unquoted: String,
    fields: Fields,
}

/// Where the fields of a row begin and end: of all in the first row, and in the others of one more
/// than that has. A row of nothing but separators would take many times the memory of its text.
struct Fields {
    places: Vec<(usize, usize)>,
    most: usize,
    /// How many are left out.
    others: usize,
}

impl Fields {
    fn clear(&mut self) {
        if self.most == usize::MAX && !self.places.is_empty() {
            self.most = self.places.len() + 1;
        }
        self.places.clear();
        self.others = 0;
    }

    fn push(&mut self, start: usize, end: usize) {
        if self.places.len() < self.most {
            self.places.push((start, end));
        } else {
            self.others += 1;
        }
    }
}

/// The fields of a row.
pub(super) struct Record<'a> {
    text: &'a str,
    fields: &'a Fields,
    /// The line on which the row starts, counted from 1.
    pub(super) line: usize,
}

impl<'a> Record<'a> {
    /// The number of fields, all of them.
    pub(super) fn len(&self) -> usize {
        self.fields.places.len() + self.fields.others
    }

    /// The field without white space around it.
    pub(super) fn field(&self, index: usize) -> &'a str {
        let (start, end) = self.fields.places[index];
        let field = &self.text[start..end];
        match field.as_bytes() {
            // Nearly every field: no need to look for white space.
            [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => field,
            _ => field.trim(),
        }
    }

    /// The fields, but at most one more than the first row has.
    pub(super) fn fields(&self) -> impl ExactSizeIterator<Item = &'a str> {
        (0..self.fields.places.len()).map(|index| self.field(index))
    }
}

impl<'a, R: BufRead> Records<'a, R> {
    pub(super) fn new(path: &'a Path, source: R, syntax: Syntax) -> Self {
        let (text, unquoted) = Default::default();
        let fields = Fields { places: Vec::new(), most: usize::MAX, others: 0 };
        Self { path, source, syntax, text, line: 0, unquoted, fields }
    }

    /// The next record, if there is one. Lines that are blank or comments are left out, and so
    /// is Excel's `sep=;` on the first.
    pub(super) fn read(&mut self) -> Result<Option<Record<'_>>, Error> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            let is_comment =
                self.syntax.comment.is_some() && self.text.bytes().next() == self.syntax.comment;
            let is_separator = self.line == 1 && excel_separator(&self.text).is_some();
            if !(is_comment || is_separator || self.text.trim_ascii().is_empty()) {
                break;
            }
        }
        let line = self.line;
        self.fields.clear();
        if self.text.contains('"') {
            self.split_quoted()?;
            return Ok(Some(Record { text: &self.unquoted, fields: &self.fields, line }));
        }
        self.split_plain();
        Ok(Some(Record { text: &self.text, fields: &self.fields, line }))
    }

    /// Reads a line, with its end, into `text`; whether there was one.
    fn read_line(&mut self) -> Result<bool, Error> {
        let mut bytes = mem::take(&mut self.text).into_bytes();
        bytes.clear();
        let read = self.source.read_until(self.syntax.line_end, &mut bytes);
        if read.map_err(Error::read(self.path))? == 0 {
            return Ok(false);
        }
        self.line += 1;
        let not_utf8 = |_| Problem::NotUtf8.at((self.path, self.line));
        self.text = String::from_utf8(bytes).map_err(not_utf8)?;
        Ok(true)
    }

    fn split_plain(&mut self) {
        let line = self.text.trim_end_matches(['\r', '\n']);
        let blanks = self.syntax.separator == b' ';
        let mut start = 0;
        for (index, &byte) in line.as_bytes().iter().enumerate() {
            if self.syntax.separates(byte) {
                if start < index || !blanks {
                    self.fields.push(start, index);
                }
                start = index + 1;
            }
        }
        if start < line.len() || !blanks {
            self.fields.push(start, line.len());
        }
    }

    /// Splits a line with quotes in it, and reads on while one is open.
    fn split_quoted(&mut self) -> Result<(), Error> {
        self.unquoted.clear();
        let mut at = 0;
        loop {
            let start = self.unquoted.len();
            at += self.blanks(at);
            if self.text[at..].starts_with('"') {
                at = self.unquote(at + 1)?;
            }
            let rest = &self.text[at..];
            let length = rest.bytes().position(|byte| self.syntax.separates(byte));
            self.unquoted.push_str(&rest[..length.unwrap_or(rest.len())]);
            self.fields.push(start, self.unquoted.len());
            match length {
                None => return Ok(()),
                Some(length) => at += length + 1,
            }
            let at_end = || self.text[at..].trim_ascii().is_empty();
            if self.syntax.separator == b' ' && at_end() {
                return Ok(());
            }
        }
    }

    /// The number of bytes from `at` on that neither separate nor belong to a field.
    fn blanks(&self, at: usize) -> usize {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let is_skipped = |byte: &u8| {
            is_blank(byte) && (self.syntax.separator == b' ' || !self.syntax.separates(*byte))
        };
        self.text.as_bytes()[at..].iter().take_while(|byte| is_skipped(byte)).count()
    }

    /// Unquotes from after the opening quote; where it goes on after the closing one.
    fn unquote(&mut self, mut at: usize) -> Result<usize, Error> {
        loop {
            let Some(length) = self.text[at..].find('"') else {
                self.unquoted.push_str(&self.text[at..]);
                at = 0;
                if self.read_line()? {
                    continue;
                }
                return Ok(at);
            };
            self.unquoted.push_str(&self.text[at..at + length]);
            at += length + 1;
            if !self.text[at..].starts_with('"') {
                return Ok(at);
            }
            self.unquoted.push('"');
            at += 1;
        }
    }
}

impl Syntax {
    fn separates(self, byte: u8) -> bool {
        byte == self.separator || (self.separator == b' ' && byte == b'\t')
    }
}

/// The separator that a first line `sep=;` gives, as Excel writes and reads it.
pub(super) fn excel_separator(line: &str) -> Option<u8> {
    match line.trim_end_matches(['\r', '\n']).strip_prefix("sep=")?.as_bytes() {
        &[separator] => Some(separator),
        _ => None,
    }
}
