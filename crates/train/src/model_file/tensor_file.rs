//! Safetensors files: arrays by name, and notes about them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use downhill_nn as nn;
use downhill_tensor::{Element, Tensor};
use safetensors::{Dtype, SafeTensors};
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
/// How many values are converted at a time.
const PART: usize = 1 << 12;

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
                let mut part = Vec::with_capacity(PART * size_of::<E>());
                for values in tensor.values().chunks(PART) {
                    part.clear();
                    if size_of::<E>() == 4 {
                        let bytes =
                            values.iter().map(|value| (value.as_f64() as f32).to_le_bytes());
                        bytes.for_each(|bytes| part.extend_from_slice(&bytes));
                    } else {
                        let bytes = values.iter().map(|value| value.as_f64().to_le_bytes());
                        bytes.for_each(|bytes| part.extend_from_slice(&bytes));
                    }
                    write(&part)?;
                }
                Ok(())
            }
            Self::Number(number) => write(&number.to_bits().to_le_bytes()),
            Self::Bytes(bytes) => write(bytes),
        }
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
    let mut text = format!(r#"{{"__metadata__":{{"{CHECKSUM}":""#);
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

/// A file in memory. All but its values has been checked.
pub(crate) struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
    notes: BTreeMap<String, String>,
    entries: BTreeMap<String, (Dtype, Vec<usize>, Range<usize>)>,
}

impl TensorFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = read_bytes(path).map_err(|error| Error::read(path, &error))?;
        Self::from_bytes(path, bytes)
    }

    /// What the file at `path`, or of this description, holds.
    pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let malformed = |reason: String| Error::NotSafetensors { path: path.to_owned(), reason };
        if bytes.starts_with(b"PK") {
            let advice = "it is a zip archive, as torch.save writes; in Python, \
                safetensors.torch.save_file(module.state_dict(), name) writes what can be read";
            return Err(malformed(advice.to_owned()));
        }
        let (length, metadata) =
            SafeTensors::read_metadata(&bytes).map_err(|error| malformed(error.to_string()))?;
        let data_at = 8 + length;
        let header = &bytes[8..data_at];
        let names: Names =
            serde_json::from_slice(header).map_err(|error| malformed(error.to_string()))?;
        if let Some(name) = names.repeated {
            return Err(malformed(format!("it has two entries `{name}`")));
        }
        let notes = metadata.metadata().clone().unwrap_or_default();
        let notes: BTreeMap<String, String> = notes.into_iter().collect();
        check_version(path, &notes)?;
        check_checksum(path, &notes, header, &bytes[data_at..])?;
        let entries = metadata.tensors().into_iter().map(|(name, info)| {
            let (start, end) = info.data_offsets;
            (name, (info.dtype, info.shape.clone(), data_at + start..data_at + end))
        });
        let entries = entries.collect();
        Ok(Self { path: path.to_owned(), notes, entries, bytes })
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
        let bytes = &self.bytes[range.clone()];
        Some(FileEntry { path: &self.path, name, dtype: *dtype, shape, bytes })
    }
}

/// The bytes of a file; room is made for as many as it has.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let information = file.metadata()?;
    if information.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    let mut bytes = Vec::new();
    let length = usize::try_from(information.len()).map_err(io::Error::other)?;
    bytes.try_reserve_exact(length).map_err(io::Error::other)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_version(path: &Path, notes: &BTreeMap<String, String>) -> Result<(), Error> {
    let Some(version) = notes.get(FORMAT_VERSION) else { return Ok(()) };
    if version.parse::<u32>().is_ok_and(|version| (1..=NEWEST).contains(&version)) {
        return Ok(());
    }
    let (path, found) = (path.to_owned(), version.clone());
    Err(Error::FormatVersion { path, found, newest: NEWEST })
}

/// Whether header and data are what was written, if the file says what their checksum was.
fn check_checksum(
    path: &Path,
    notes: &BTreeMap<String, String>,
    header: &[u8],
    data: &[u8],
) -> Result<(), Error> {
    if !notes.contains_key(FORMAT_VERSION) {
        return Ok(());
    }
    let prefix = format!(r#"{{"__metadata__":{{"{CHECKSUM}":""#);
    let damaged = || Error::Damaged { path: path.to_owned() };
    let rest = header.strip_prefix(prefix.as_bytes()).ok_or_else(damaged)?;
    let (written, rest) = rest.split_at_checked(NO_CHECKSUM.len()).ok_or_else(damaged)?;
    let mut digest = crc32fast::Hasher::new();
    for part in [prefix.as_bytes(), NO_CHECKSUM.as_bytes(), rest, data] {
        digest.update(part);
    }
    match format!("{:08x}", digest.finalize()).as_bytes() == written {
        true => Ok(()),
        false => Err(damaged()),
    }
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
#[derive(Clone, Copy)]
pub(crate) struct FileEntry<'a> {
    path: &'a Path,
    name: &'a str,
    dtype: Dtype,
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl FileEntry<'_> {
    pub(crate) fn shape(&self) -> &[usize] {
        self.shape
    }

    /// The bytes of a number.
    fn width(&self) -> usize {
        (self.dtype.bitsize() / 8).max(1)
    }

    /// An error about this entry.
    pub(crate) fn refuse(&self, problem: String) -> Error {
        Error::Entry { path: self.path.to_owned(), entry: self.name.to_owned(), problem }
    }

    /// Checks that the entry holds finite numbers.
    pub(crate) fn check_finite<E: Element>(&self) -> Result<(), Error> {
        if !matches!(self.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) {
            return Err(
                self.refuse(format!("is of type {}, not of floating-point numbers", self.dtype))
            );
        }
        let mut values = [E::zero(); PART];
        let size = self.width();
        for (part, bytes) in self.bytes.chunks(PART * size).enumerate() {
            let values = &mut values[..bytes.len() / size];
            convert(self.dtype, bytes, values);
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                let index = position(part * PART + place, self.shape);
                return Err(self.refuse(format!("holds {} at {index:?}", values[place])));
            }
        }
        Ok(())
    }

    /// The entry as a tensor of finite numbers.
    pub(crate) fn tensor<E: Element>(&self) -> Result<Tensor<E>, Error> {
        self.check_finite::<E>()?;
        let mut values = vec![E::zero(); self.bytes.len() / self.width()];
        convert(self.dtype, self.bytes, &mut values);
        Ok(Tensor::from_shape_vec(self.shape, values).expect("the shape was checked"))
    }

    /// The entry as one number, if it was written as one.
    pub(crate) fn number(&self) -> Option<f64> {
        let bytes = (self.dtype == Dtype::U64).then(|| self.bytes.try_into().ok())??;
        Some(f64::from_bits(u64::from_le_bytes(bytes)))
    }

    /// The entry as it is.
    pub(crate) fn bytes(&self) -> Result<&[u8], Error> {
        match self.dtype {
            Dtype::U8 => Ok(self.bytes),
            other => Err(self.refuse(format!("is of type {other}, not of bytes"))),
        }
    }
}

impl<E: Element> nn::Entry<E> for FileEntry<'_> {
    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn copy_to(&self, values: &mut [E]) {
        convert(self.dtype, self.bytes, values);
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
