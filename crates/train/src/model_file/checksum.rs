//! The checksum of a file: CRC-32 of its header and its data.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crc32fast::Hasher;

/// The number of its characters.
pub(super) const CHECKSUM_LENGTH: usize = 8;

/// What stands in a header before the checksum.
pub(super) const BEFORE_CHECKSUM: &str = r#"{"__metadata__":{"checksum":""#;

/// The checksum of what has been given so far.
#[derive(Default, Clone)]
pub(super) struct Digest(Hasher);

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0.clone().finalize())
    }
}

/// The checksum that a header tells, and what has been read of the data.
pub(super) struct Checksum {
    written: Vec<u8>,
    /// Of the header, with zeros in the place of the checksum.
    header: Digest,
    parts: Mutex<Parts>,
}

/// The parts of the data that have been read.
#[derive(Default)]
struct Parts {
    /// The number of their bytes.
    length: u64,
    /// Where each begins.
    digests: Vec<(u64, Digest)>,
}

impl Checksum {
    /// That of a header, if it tells one.
    pub(super) fn of_header(header: &[u8]) -> Option<Self> {
        let before = BEFORE_CHECKSUM.as_bytes();
        let (written, rest) = header.strip_prefix(before)?.split_at_checked(CHECKSUM_LENGTH)?;
        if !written.iter().all(u8::is_ascii_hexdigit) || !rest.starts_with(b"\"") {
            return None;
        }
        let mut digest = Digest::default();
        for part in [before, &[b'0'; CHECKSUM_LENGTH], rest] {
            digest.update(part);
        }
        Some(Self { written: written.to_vec(), header: digest, parts: Mutex::default() })
    }

    /// The checksum of the same file, before any data has been read.
    pub(super) fn anew(&self) -> Self {
        let (written, header) = (self.written.clone(), self.header.clone());
        Self { written, header, parts: Mutex::default() }
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a part of the data, which begins at `start`.
    pub(super) fn add(&self, start: u64, bytes: &[u8]) {
        let mut digest = Digest::default();
        digest.update(bytes);
        let mut parts = self.parts();
        parts.length += bytes.len() as u64;
        parts.digests.push((start, digest));
    }

    /// The number of bytes that have been read.
    pub(super) fn length(&self) -> u64 {
        self.parts().length
    }

    /// Whether the parts, in their order, are what was written.
    pub(super) fn agrees(&self) -> bool {
        let mut parts = self.parts();
        parts.digests.sort_by_key(|(start, _)| *start);
        let mut whole = self.header.clone();
        for (_, part) in &parts.digests {
            whole.0.combine(&part.0);
        }
        whole.to_string().as_bytes() == self.written
    }
}
