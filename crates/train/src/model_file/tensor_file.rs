//! Safetensors files: arrays by name, and notes about them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use downhill_kernels::{each_chunk, join};
use downhill_tensor::{Element, Tensor};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::checksum::{BEFORE_CHECKSUM, CHECKSUM_LENGTH, Checksum, Digest};
use super::entry::FileEntry;
use super::numbers::in_file_order;
use super::source::Source;
use super::whole::{overwrite, write_whole};
use crate::error::Error;

/// The note that holds the version of the format, and the newest that this program reads.
const FORMAT_VERSION: &str = "format_version";
/// The note that says which program has written a file.
pub(crate) const WRITER: &str = "downhill_version";
const NEWEST: u32 = 1;
/// The bytes of the number that a file begins with, the length of its header; and what that is at
/// most, as in the crate `safetensors`.
const LENGTH: u64 = 8;
const LONGEST_HEADER: u64 = 100_000_000;
/// Of how many bytes a checksum is made at a time: what the cache of a core holds.
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

    /// Writes the bytes of the file: those in memory, where the order of a number's bytes is the same.
    fn write(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Tensor(tensor) if cfg!(target_endian = "little") => {
                write(bytemuck::cast_slice(&tensor.values()))
            }
            Self::Tensor(tensor) => {
                let mut bytes = bytemuck::cast_slice(&tensor.values()).to_vec();
                in_file_order::<E>(&mut bytes);
                write(&bytes)
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
    let write_data = |writer: &mut BufWriter<&File>| {
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        in_order(entries)
            .iter()
            .try_for_each(|(_, data)| data.write(|bytes| writer.write_all(bytes)))
    };
    write_whole(path, |writer| {
        // One thread waits for the system, and another computes what is written at last.
        let (written, checksum) = join(|| write_data(writer), || checksum(&header, entries));
        written?;
        overwrite(writer, LENGTH + checksum_at.start as u64, checksum.as_bytes())
    })
    .map_err(|error| Error::write(path, &error))
}

/// The checksum of a header, which has zeros in its place, and of the entries.
fn checksum<E: Element>(header: &[u8], entries: &[(String, Data<E>)]) -> String {
    let mut digest = Digest::default();
    digest.update(header);
    for (_, data) in in_order(entries) {
        let digested = data.write(|bytes| {
            digest.update(bytes);
            Ok(())
        });
        digested.expect("nothing is written");
    }
    digest.to_string()
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
    let mut digest = Digest::default();
    digest.update(&bytes[8..]);
    bytes[8 + checksum_at.start..8 + checksum_at.end]
        .copy_from_slice(digest.to_string().as_bytes());
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
    let mut text = BEFORE_CHECKSUM.to_owned();
    let checksum_at = text.len()..text.len() + CHECKSUM_LENGTH;
    let nothing = "0".repeat(CHECKSUM_LENGTH);
    text += &format!(r#"{nothing}","{FORMAT_VERSION}":"{NEWEST}""#);
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
    /// Where the values are.
    data: Range<u64>,
    /// What is still to be compared with the bytes.
    checksum: Option<Checksum>,
    notes: BTreeMap<String, String>,
    entries: BTreeMap<String, (Dtype, Vec<usize>, Range<u64>)>,
}

impl TensorFile {
    /// The file at `path`, whose bytes are those that were written.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        Self::open(path)?.verified()
    }

    /// The file at `path`, whose values are compared with the checksum once all have been read.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::of(path, Source::open(path).map_err(|error| Error::read(path, &error))?)
    }

    /// What these bytes hold; `path` says in errors where they are from.
    pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::of(path, Source::Memory(bytes))?.verified()
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
        let told = Checksum::of_header(&header);
        let is_ours = notes.contains_key(FORMAT_VERSION);
        // A flipped bit in a note must not make it another program's, which lays weights out otherwise.
        let was_ours = is_ours || told.is_some() || notes.contains_key(WRITER);
        let checksum = match told {
            Some(checksum) if is_ours => Some(checksum),
            _ if was_ours => return Err(Error::damaged(path)),
            _ => None,
        };
        let entries = metadata.tensors().into_iter().map(|(name, info)| {
            let (start, end) = info.data_offsets;
            let range = data.start + start as u64..data.start + end as u64;
            (name, (info.dtype, info.shape.clone(), range))
        });
        let entries = entries.collect();
        Ok(Self { path: path.to_owned(), source, data, checksum, notes, entries })
    }

    /// The same, if this project wrote it.
    pub(crate) fn own(self) -> Result<Self, Error> {
        if self.is_ours() { Ok(self) } else { Err(Error::damaged(&self.path)) }
    }

    /// The same, if its bytes are those that were written.
    pub(crate) fn verified(mut self) -> Result<Self, Error> {
        self.verify()?;
        self.checksum = None;
        Ok(self)
    }

    /// Reads all, in parts by all threads, and compares it with the checksum.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        let Some(checksum) = self.checksum.as_ref().map(Checksum::anew) else { return Ok(()) };
        let length = self.data.end - self.data.start;
        let cannot_read = |error: io::Error| Error::read(&self.path, &error);
        let count = usize::try_from(length.div_ceil(BLOCK)).map_err(io::Error::other);
        let mut parts: Vec<io::Result<()>> = Vec::new();
        parts.resize_with(count.map_err(cannot_read)?, || Ok(()));
        let worth_threads = parts.len() > 1;
        let buffer = || vec![0; length.min(BLOCK) as usize];
        each_chunk(&mut parts, 1, worth_threads, buffer, |bytes, index, part| {
            let start = self.data.start + index as u64 * BLOCK;
            let bytes = &mut bytes[..(self.data.end - start).min(BLOCK) as usize];
            part[0] = self.source.read_at(start, bytes).map(|()| checksum.add(start, bytes));
        });
        parts.into_iter().collect::<io::Result<()>>().map_err(cannot_read)?;
        if checksum.agrees() { Ok(()) } else { Err(Error::damaged(&self.path)) }
    }

    /// Whether it holds no value at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty()
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
        let checksum = self.checksum.as_ref().map(|checksum| (checksum, &self.data));
        Some(FileEntry { path, source, checksum, name, dtype: *dtype, shape, range })
    }
}

fn check_version(path: &Path, notes: &BTreeMap<String, String>) -> Result<(), Error> {
    let Some(version) = notes.get(FORMAT_VERSION) else { return Ok(()) };
    let found = version.parse::<u32>().ok().filter(|&version| version > 0);
    let found = found.ok_or_else(|| Error::damaged(path))?;
    if found <= NEWEST {
        return Ok(());
    }
    let (path, found) = (path.to_owned(), version.clone());
    Err(Error::FormatVersion { path, found, newest: NEWEST })
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
