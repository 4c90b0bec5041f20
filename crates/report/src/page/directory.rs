//! A directory whose content is replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What the files of a report end with.
const EXTENSIONS: [&str; 4] = ["csv", "html", "jsonl", "svg"];

/// A directory that is not there, is empty, or holds a report.
#[derive(Debug)]
pub(super) struct Directory {
    /// Absolute, with a parent and a name.
    path: PathBuf,
}

impl Directory {
    /// Makes sure that a report can be put into the place of `path`.
    pub(super) fn check(path: &Path) -> Result<Self, Error> {
        let failed = |reason: io::Error| Error::write(path, &reason);
        let absolute = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => {
                std::path::absolute(path).map_err(failed)?
            }
            Err(reason) => return Err(failed(reason)),
        };
        let Some(parent) = absolute.parent().filter(|_| absolute.file_name().is_some()) else {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        };
        fs::create_dir_all(parent).map_err(failed)?;
        let this = Self { path: absolute.clone() };
        this.check_content()?;
        // Whether something can be made beside it.
        let probe = this.beside("new");
        fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(failed)?;
        if this.path.exists() {
            let probe = this.path.join(".new");
            fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(failed)?;
        }
        Ok(this)
    }

    /// Fails if the directory holds what is not a report's, or is none.
    fn check_content(&self) -> Result<(), Error> {
        let failed = |reason: io::Error| Error::write(&self.path, &reason);
        if !self.path.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = PathBuf::from(entry.file_name());
            let known = name.extension().and_then(|extension| extension.to_str());
            let known = known.is_some_and(|extension| EXTENSIONS.contains(&extension));
            if !known || !entry.file_type().map_err(failed)?.is_file() {
                let found = name.display().to_string();
                return Err(Error::NotAReport { path: self.path.clone(), found });
            }
        }
        // A directory of someone's tables or drawings is not a report either.
        let page = self.path.join("report.html");
        match fs::read_dir(&self.path).map_err(failed)?.next() {
            Some(Ok(entry)) if !page.exists() => Err(Error::NotAReport {
                path: self.path.clone(),
                found: entry.file_name().display().to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// A path next to the directory, which no other process uses.
    fn beside(&self, purpose: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().display();
        self.path.with_file_name(format!(".{name}.{purpose}-{}", std::process::id()))
    }

    /// Replaces the directory by one with `files` and returns the path of the last of them.
    pub(super) fn replace<'a>(
        &self,
        files: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<PathBuf, Error> {
        let new = self.beside("new");
        let mut last = PathBuf::new();
        let written = fs::create_dir(&new).map_err(|reason| Error::write(&new, &reason));
        let written = written.and_then(|()| {
            for (name, bytes) in files {
                let path = new.join(name);
                fs::write(&path, bytes).map_err(|reason| Error::write(&path, &reason))?;
                last = self.path.join(name);
            }
            self.check_content()
        });
        if let Err(error) = written.and_then(|()| self.take_place(&new)) {
            // What was written is of no use without its place. Should this fail too, the first
            // error is the one to tell.
            let _ = fs::remove_dir_all(&new);
            return Err(error);
        }
        Ok(last)
    }

    fn take_place(&self, new: &Path) -> Result<(), Error> {
        let failed = |reason: io::Error| Error::write(&self.path, &reason);
        if !self.path.exists() {
            return fs::rename(new, &self.path).map_err(failed);
        }
        let old = self.beside("old");
        fs::rename(&self.path, &old).map_err(failed)?;
        if let Err(reason) = fs::rename(new, &self.path) {
            fs::rename(&old, &self.path).map_err(failed)?;
            return Err(failed(reason));
        }
        fs::remove_dir_all(&old).map_err(|reason| Error::write(&old, &reason))
    }
}
