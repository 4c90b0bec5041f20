//! The bytes of a file, in parts.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
#[cfg(not(unix))]
use std::sync::{Mutex, PoisonError};

/// Where the bytes of a file are.
pub(super) enum Source {
    File(File),
    Memory(Vec<u8>),
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
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

    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads from a place, whatever other threads read.
    pub(super) fn read_at(&self, start: u64, bytes: &mut [u8]) -> io::Result<()> {
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
