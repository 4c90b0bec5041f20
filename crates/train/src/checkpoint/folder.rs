//! The directory of a run's checkpoints.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::error::Error;
use crate::model_file::UNFINISHED;

const LOCK: &str = "lock";
const PREFIX: &str = "checkpoint-";
const SUFFIX: &str = ".safetensors";

/// A directory that nobody else uses as long as this lives.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the directory, locks it, and removes what a run that was killed left unfinished.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|error| Error::directory(path, &error))?;
        let lock = lock(path)?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        for name in folder.names()? {
            if name.starts_with(UNFINISHED) {
                let path = folder.path.join(name);
                fs::remove_file(&path).map_err(|error| Error::write(&path, &error))?;
            }
        }
        Ok(folder)
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let read = |error| Error::read(&self.path, &error);
        let entries = fs::read_dir(&self.path).map_err(read)?;
        entries
            .map(|entry| Ok(entry.map_err(read)?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// The numbers of the checkpoints, in ascending order.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, Error> {
        // One has the name that it is written under, and there can be one after it.
        let number = |name: &String| {
            let number = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse::<u64>().ok()?;
            (name_of(number) == *name && number < u64::MAX).then_some(number)
        };
        let mut numbers: Vec<u64> = self.names()?.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The file of a checkpoint.
    pub(super) fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(name_of(number))
    }
}

fn name_of(number: u64) -> String {
    format!("{PREFIX}{number:08}{SUFFIX}")
}

/// Locks a file, if need be after a second: a process that was killed as it began another program
/// leaves its lock to that one until the other has started.
fn lock_soon(file: &File) -> Result<(), TryLockError> {
    for _attempt in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    file.try_lock()
}

/// A lock that the operating system takes back when the process ends, however it does.
fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let write = |error| Error::write(&path, &error);
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(&path).map_err(write)?;
    match lock_soon(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // What cannot be read is not told.
            let _ = file.take(1000).read_to_string(&mut holder);
            let holder = holder.lines().next().unwrap_or("another process").to_owned();
            return Err(Error::InUse { directory: directory.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(write(error)),
    }
    let program = std::env::args_os().next().map(PathBuf::from);
    let program = program.as_deref().and_then(Path::file_name).unwrap_or_default();
    file.set_len(0).map_err(write)?;
    writeln!(file, "process {} ({})", std::process::id(), program.display()).map_err(write)?;
    Ok(file)
}
