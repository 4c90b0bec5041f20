//! Safetensors files: arrays by name, and notes about them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use downhill_kernels::{all_finite, each_chunk, zeros};
use downhill_nn as nn;
use downhill_tensor::{Element, Tensor};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::whole::{overwrite, write_whole};
use crate::error::Error;

/// The note that holds the checksum.
const CHECKSUM: &str = "checksum";
/// The note that holds the version of the format, and the newest that this program reads.
const FORMAT_VERSION: &str = "format_version";
const NEWEST: u32 = 1;
/// What stands in the place of the checksum while it is computed.
const NO_CHECKSUM: &str = "00000000";
/// The bytes of the number that a file begins with, the length of its header; and what that is at
/// most, as in the crate `safetensors`.
const LENGTH: u64 = 8;
const LONGEST_HEADER: u64 = 100_000_000;
/// How many values are converted at a time, and of how many bytes a checksum is made: what the cache
/// of a core holds.
const PART: usize = 1 << 14;
const BLOCK: u64 = 1 << 19;

/// What is written under one name.
#[derive(Debug, Clone)]
pub(crate) enum Data<E: Element> {
    /// Numbers of the model's type.
    Tensor(Tensor<E>),
    /// One number, whose bits are written as a whole number.
    Number(f64),
    /// Anything.
    Bytes(Vec<u8>),
}

impl<E: Element> Data<E> {
    fn kind(&self) -> (Dtype, Vec<usize>, usize) {
        match self {
            Self::Tensor(tensor) => {
                let dtype = if size_of::<E>() == 4 { Dtype::F32 } else { Dtype::F64 };
                (dtype, tensor.shape().to_vec(), tensor.len() * size_of::<E>())
            }
            Self::Number(_) => (Dtype::U64, Vec::new(), 8),
            Self::Bytes(bytes) => (Dtype::U8, vec![bytes.len()], bytes.len()),
        }
    }

    fn write(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Tensor(tensor) => {
                let size = size_of::<E>();
                let mut part = vec![0; PART.min(tensor.len()) * size];
                for values in tensor.values().chunks(PART) {
                    let part = &mut part[..size_of_val(values)];
                    if size == 4 {
                        fill(part, values, |value| (value.as_f64() as f32).to_le_bytes());
                    } else {
                        fill(part, values, |value| value.as_f64().to_le_bytes());
                    }
                    write(part)?;
                }
                Ok(())
            }
            Self::Number(number) => write(&number.to_bits().to_le_bytes()),
            Self::Bytes(bytes) => write(bytes),
        }
    }
}

fn fill<E: Element, const N: usize>(bytes: &mut [u8], values: &[E], number: impl Fn(E) -> [u8; N]) {
    let (numbers, _) = bytes.as_chunks_mut::<N>();
    for (bytes, &value) in numbers.iter_mut().zip(values) {
        *bytes = number(value);
    }
}

/// Writes the entries, and notes about them, whole or not at all.
pub(crate) fn write<E: Element>(
    path: &Path,
    notes: &BTreeMap<String, String>,
    entries: &[(String, Data<E>)],
) -> Result<(), Error> {
    let (header, checksum_at) = header(notes, entries);
    write_whole(path, |writer| {
        let mut digest = crc32fast::Hasher::new();
        digest.update(&header);
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for (_, data) in in_order(entries) {
            data.write(|bytes| {
                digest.update(bytes);
                writer.write_all(bytes)
            })?;
        }
        let checksum = format!("{:08x}", digest.finalize());
        overwrite(writer, (8 + checksum_at.start) as u64, checksum.as_bytes())
    })
    .map_err(|error| Error::write(path, &error))
}

/// What [`write`] would write, without notes.
pub(crate) fn to_bytes<E: Element>(entries: &[(String, Data<E>)]) -> Vec<u8> {
    let (mut bytes, checksum_at) = header(&BTreeMap::new(), entries);
    let header_length = bytes.len();
    bytes.splice(..0, (header_length as u64).to_le_bytes());
    for (_, data) in in_order(entries) {
        data.write(|part| {
            bytes.extend_from_slice(part);
            Ok(())
        })
        .expect("memory takes what is written to it");
    }
    let checksum = format!("{:08x}", crc32fast::hash(&bytes[8..]));
    bytes[8 + checksum_at.start..8 + checksum_at.end].copy_from_slice(checksum.as_bytes());
    bytes
}

/// The wider numbers first, so that all lie at multiples of their size.
fn in_order<E: Element>(entries: &[(String, Data<E>)]) -> Vec<&(String, Data<E>)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(_, data)| std::cmp::Reverse(data.kind().0));
    entries
}

/// The header with zeros for a checksum, and where that stands: first, where no note can be taken
/// for it.
fn header<E: Element>(
    notes: &BTreeMap<String, String>,
    entries: &[(String, Data<E>)],
) -> (Vec<u8>, Range<usize>) {
    #[derive(Serialize)]
    struct Info {
        dtype: Dtype,
        shape: Vec<usize>,
        data_offsets: (usize, usize),
    }
    let mut text = before_checksum();
    let checksum_at = text.len()..text.len() + NO_CHECKSUM.len();
    text += &format!(r#"{NO_CHECKSUM}","{FORMAT_VERSION}":"{NEWEST}""#);
    for (name, note) in notes {
        text += &format!(",{}:{}", json(name), json(note));
    }
    text.push('}');
    let mut offset = 0;
    for (name, data) in in_order(entries) {
        let (dtype, shape, length) = data.kind();
        let info = Info { dtype, shape, data_offsets: (offset, offset + length) };
        offset += length;
        text += &format!(",{}:{}", json(name), json(&info));
    }
    text.push('}');
    let mut header = text.into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    (header, checksum_at)
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("texts and numbers are JSON")
}

/// A file. All but its values has been checked.
pub(crate) struct TensorFile {
    path: PathBuf,
    source: Source,
    notes: BTreeMap<String, String>,
    entries: BTreeMap<String, (Dtype, Vec<usize>, Range<u64>)>,
}

impl TensorFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        Self::of(path, Source::open(path).map_err(|error| Error::read(path, &error))?)
    }

    /// What these bytes hold; `path` says in errors where they are from.
    pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::of(path, Source::Memory(bytes))
    }

    fn of(path: &Path, source: Source) -> Result<Self, Error> {
        let cannot_read = |error: io::Error| Error::read(path, &error);
        let malformed = |reason: &dyn fmt::Display| Error::NotSafetensors {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let file_length = source.length().map_err(cannot_read)?;
        let read = |start: u64, length: u64| {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            source.read_at(start, &mut bytes).map(|()| bytes)
        };
        let start = read(0, file_length.min(LENGTH)).map_err(cannot_read)?;
        if start.starts_with(b"PK") {
            let advice = "it is a zip archive, as torch.save writes; in Python, \
                safetensors.torch.save_file(module.state_dict(), name) writes what can be read";
            return Err(malformed(&advice));
        }
        let length = start.try_into().map_err(|_| malformed(&SafeTensorError::HeaderTooSmall))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Err(malformed(&SafeTensorError::HeaderTooLarge));
        }
        let data = LENGTH + length..file_length;
        if data.start > data.end {
            return Err(malformed(&SafeTensorError::InvalidHeaderLength));
        }
        let header = read(LENGTH, length).map_err(cannot_read)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| malformed(&error))?;
        let names: Names = serde_json::from_slice(&header).map_err(|error| malformed(&error))?;
        if let Some(name) = names.repeated {
            return Err(malformed(&format_args!("it has two entries `{name}`")));
        }
        if metadata.data_len() as u64 != data.end - data.start {
            return Err(malformed(&SafeTensorError::MetadataIncompleteBuffer));
        }
        let notes = metadata.metadata().clone().unwrap_or_default();
        let notes: BTreeMap<String, String> = notes.into_iter().collect();
        check_version(path, &notes)?;
        if notes.contains_key(FORMAT_VERSION) {
            let written = checksum_of(&header).ok_or_else(|| damaged(path))?;
            let found = checksum(&source, &header, data.clone()).map_err(cannot_read)?;
            if found.as_bytes() != written {
                return Err(damaged(path));
            }
        }
        let entries = metadata.tensors().into_iter().map(|(name, info)| {
            let (start, end) = info.data_offsets;
            let range = data.start + start as u64..data.start + end as u64;
            (name, (info.dtype, info.shape.clone(), range))
        });
        let entries = entries.collect();
        Ok(Self { path: path.to_owned(), source, notes, entries })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this project wrote it.
    pub(crate) fn is_ours(&self) -> bool {
        self.notes.contains_key(FORMAT_VERSION)
    }

    pub(crate) fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// The names of the entries, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<FileEntry<'_>> {
        let (name, (dtype, shape, range)) = self.entries.get_key_value(name)?;
        let (path, source, range) = (&self.path, &self.source, range.clone());
        Some(FileEntry { path, source, name, dtype: *dtype, shape, range })
    }
}

/// Where the bytes of a file are.
enum Source {
    File(File),
    Memory(Vec<u8>),
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let information = file.metadata()?;
        if information.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        if information.is_file() {
            return Ok(Self::File(file));
        }
        // A pipe is read once.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self::Memory(bytes))
    }

    fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads from a place, whatever other threads read.
    fn read_at(&self, start: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::File(file) => std::os::unix::fs::FileExt::read_exact_at(file, bytes, start),
            #[cfg(not(unix))]
            Self::File(file) => {
                use std::io::{Seek, SeekFrom};
                static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
                let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
                let mut file = file;
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(bytes)
            }
            Self::Memory(all) => {
                let range = start as usize..start as usize + bytes.len();
                let found = all.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
                bytes.copy_from_slice(found);
                Ok(())
            }
        }
    }
}

fn check_version(path: &Path, notes: &BTreeMap<String, String>) -> Result<(), Error> {
    let Some(version) = notes.get(FORMAT_VERSION) else { return Ok(()) };
    if version.parse::<u32>().is_ok_and(|version| (1..=NEWEST).contains(&version)) {
        return Ok(());
    }
    let (path, found) = (path.to_owned(), version.clone());
    Err(Error::FormatVersion { path, found, newest: NEWEST })
}

fn damaged(path: &Path) -> Error {
    Error::Damaged { path: path.to_owned() }
}

/// What stands in a header before the checksum.
fn before_checksum() -> String {
    format!(r#"{{"__metadata__":{{"{CHECKSUM}":""#)
}

/// The checksum that a header tells, if it tells one.
fn checksum_of(header: &[u8]) -> Option<&[u8]> {
    header.strip_prefix(before_checksum().as_bytes())?.get(..NO_CHECKSUM.len())
}

/// The checksum of a header that tells one, and of the data, which is read in parts by all threads.
fn checksum(source: &Source, header: &[u8], data: Range<u64>) -> io::Result<String> {
    let place = before_checksum().len()..before_checksum().len() + NO_CHECKSUM.len();
    let mut digest = crc32fast::Hasher::new();
    for part in [&header[..place.start], NO_CHECKSUM.as_bytes(), &header[place.end..]] {
        digest.update(part);
    }
    let length = data.end - data.start;
    let count = usize::try_from(length.div_ceil(BLOCK)).map_err(io::Error::other)?;
    let mut parts: Vec<Option<io::Result<crc32fast::Hasher>>> = Vec::new();
    parts.resize_with(count, || None);
    let buffer = || vec![0; length.min(BLOCK) as usize];
    each_chunk(&mut parts, 1, count > 1, buffer, |bytes, index, part| {
        let start = data.start + index as u64 * BLOCK;
        let bytes = &mut bytes[..(data.end - start).min(BLOCK) as usize];
        part[0] = Some(source.read_at(start, bytes).map(|()| {
            let mut digest = crc32fast::Hasher::new();
            digest.update(bytes);
            digest
        }));
    });
    for part in parts.into_iter().flatten() {
        digest.combine(&part?);
    }
    Ok(format!("{:08x}", digest.finalize()))
}

/// The first name that a header gives twice, among its entries or among its notes.
struct Names {
    repeated: Option<String>,
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names and what they stand for")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let (mut seen, mut repeated) = (HashSet::new(), None);
                while let Some(name) = map.next_key::<String>()? {
                    map.next_value::<IgnoredAny>()?;
                    if !seen.insert(name.clone()) {
                        repeated.get_or_insert(name);
                    }
                }
                Ok(Names { repeated })
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// One entry of a file.
#[derive(Clone)]
pub(crate) struct FileEntry<'a> {
    path: &'a Path,
    source: &'a Source,
    name: &'a str,
    dtype: Dtype,
    shape: &'a [usize],
    range: Range<u64>,
}

impl FileEntry<'_> {
    /// An error about this entry.
    pub(crate) fn refuse(&self, problem: String) -> Error {
        Error::Entry { path: self.path.to_owned(), entry: self.name.to_owned(), problem }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.shape
    }

    /// Checks that the entry holds floating-point numbers.
    pub(crate) fn check_type(&self) -> Result<(), Error> {
        match self.dtype {
            Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => Ok(()),
            other => Err(self.refuse(format!("is of type {other}, not of floating-point numbers"))),
        }
    }

    /// The entry as a tensor of finite numbers.
    pub(crate) fn tensor<E: Element>(&self) -> Result<Tensor<E>, Error> {
        self.check_type()?;
        let size = self.dtype.bitsize() / 8;
        let count = self.shape.iter().product();
        let mut values: Vec<E> = zeros(count);
        // The first part that cannot be read or holds what is no number.
        let fault: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        let fault_of = || fault.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = || vec![0; PART.min(count) * size];
        each_chunk(&mut values, PART, count > PART, buffer, |bytes, part, values| {
            let first = part * PART;
            let bytes = &mut bytes[..values.len() * size];
            let read = self.read(first * size, bytes).and_then(|()| {
                convert(self.dtype, bytes, values);
                if all_finite(values) {
                    return Ok(());
                }
                let place = values.iter().position(|value| !value.is_finite()).unwrap_or(0);
                let index = position(first + place, self.shape);
                Err(self.refuse(format!("holds {} at {index:?}", values[place])))
            });
            if let Err(error) = read {
                let mut fault = fault_of();
                if fault.as_ref().is_none_or(|(earlier, _)| part < *earlier) {
                    *fault = Some((part, error));
                }
            }
        });
        match fault_of().take() {
            None => Tensor::from_shape_vec(self.shape, values)
                .map_err(|error| self.refuse(format!("is of no use: {error}"))),
            Some((_, error)) => Err(error),
        }
    }

    /// The entry as one number, if it was written as one.
    pub(crate) fn number(&self) -> Result<Option<f64>, Error> {
        if self.dtype != Dtype::U64 || !self.shape.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; 8];
        self.read(0, &mut bytes)?;
        Ok(Some(f64::from_bits(u64::from_le_bytes(bytes))))
    }

    pub(crate) fn holds_bytes(&self) -> bool {
        self.dtype == Dtype::U8
    }

    /// The entry as it is.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        if !self.holds_bytes() {
            return Err(self.refuse(format!("is of type {}, not of bytes", self.dtype)));
        }
        let mut bytes = vec![0; (self.range.end - self.range.start) as usize];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads from a place of the entry, in bytes.
    fn read(&self, start: usize, bytes: &mut [u8]) -> Result<(), Error> {
        self.source
            .read_at(self.range.start + start as u64, bytes)
            .map_err(|error| Error::read(self.path, &error))
    }
}

/// Why an entry has not become a tensor of a model.
pub(crate) enum Misfit {
    Entry(Error),
    Model(nn::Error),
}

impl From<nn::Error> for Misfit {
    fn from(error: nn::Error) -> Self {
        Self::Model(error)
    }
}

impl Misfit {
    /// The error about the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Self::Entry(error) => error,
            Self::Model(source) => Error::Model { path: path.to_owned(), source },
        }
    }
}

impl<E: Element> nn::Entry<E> for FileEntry<'_> {
    type Error = Misfit;

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn into_tensor(self) -> Result<Tensor<E>, Misfit> {
        self.tensor().map_err(Misfit::Entry)
    }
}

/// The coordinates of a value.
fn position(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut coordinates: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let coordinate = index % length.max(1);
            index /= length.max(1);
            coordinate
        })
        .collect();
    coordinates.reverse();
    coordinates
}

/// Reads as many floating-point numbers of type `dtype` as there are `values`.
fn convert<E: Element>(dtype: Dtype, bytes: &[u8], values: &mut [E]) {
    fn each<E: Element, const N: usize>(
        bytes: &[u8],
        values: &mut [E],
        number: impl Fn([u8; N]) -> f64,
    ) {
        let (numbers, _) = bytes.as_chunks::<N>();
        for (value, &bytes) in values.iter_mut().zip(numbers) {
            *value = E::from_f64(number(bytes));
        }
    }
    match dtype {
        Dtype::F16 => each(bytes, values, |bytes| half(u16::from_le_bytes(bytes))),
        Dtype::BF16 => each(bytes, values, |bytes| {
            f64::from(f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
        }),
        Dtype::F32 => each(bytes, values, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Dtype::F64 => each(bytes, values, f64::from_le_bytes),
        _ => unreachable!("only floating-point numbers are converted"),
    }
}

/// The value of a number of half precision: a sign, five bits of exponent and ten of fraction
/// (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_half_precision_are_read_as_they_are_defined() {
        // 0, the least subnormal and normal numbers, 1, π rounded, the greatest, the infinities.
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2_f64.powi(-24)),
            (0x03ff, 1023.0 * 2_f64.powi(-24)),
            (0x0400, 2_f64.powi(-14)),
            (0x3c00, 1.0),
            (0x4248, 3.140625),
            (0xc248, -3.140625),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x8000) == 0.0 && half(0x8000).is_sign_negative());
        assert!(half(0x7e00).is_nan());
        // The positive ones follow one another in the order of their bits.
        assert!((0..0x7c00).all(|bits| half(bits) < half(bits + 1)));
    }

    #[test]
    fn a_place_is_told_by_its_coordinates() {
        assert_eq!(position(0, &[2, 3]), [0, 0]);
        assert_eq!(position(5, &[2, 3]), [1, 2]);
        assert_eq!(position(0, &[]), [] as [usize; 0]);
    }
}
