//! A directory whose content is replaced as a whole.
//!
//! What is new is written into a folder beside the directory, which then takes its place in one
//! step. A run that is killed on the way leaves its folder, and the next run removes it: the
//! folder of a run that is alive is locked.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

use crate::error::Error;

/// What the files of a report end with.
const EXTENSIONS: [&str; 4] = ["csv", "html", "jsonl", "svg"];
/// What folders beside the directory are for: the new report, and the one before it, which lies in
/// there under a name of its own.
const NEW: &str = "new";
const OLD: &str = "old";
const BEFORE: &str = "before";
/// How often a folder is made anew.
const ATTEMPTS: usize = 10;

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
        this.sweep();
        this.check_content()?;
        // Whether something can be made beside it, and taken out of it.
        this.folder(NEW).map_err(failed)?;
        if this.path.exists() {
            may_be_emptied(&this.path).map_err(failed)?;
            if is_mount_point(&this.path, parent).map_err(failed)? {
                let reason = "something is mounted there, so it cannot be replaced; name a \
                              directory in it";
                return Err(failed(io::Error::other(reason)));
            }
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

    /// What folders beside the directory are called, up to a part that no two of them share.
    fn prefix(&self, purpose: &str) -> String {
        format!(".{}.{purpose}-", self.path.file_name().unwrap_or_default().display())
    }

    fn parent(&self) -> &Path {
        self.path.parent().expect("a directory was checked to have a parent")
    }

    /// A new folder beside the directory, locked as long as the file is open; none where folders
    /// cannot be locked, and then they are not swept either.
    fn folder(&self, purpose: &str) -> io::Result<(TempDir, Option<File>)> {
        let prefix = self.prefix(purpose);
        let mut builder = Builder::new();
        builder.prefix(&prefix);
        // As any other folder, and not for the owner's eyes only.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let mut made = builder.tempdir_in(self.parent())?;
        for _ in 0..ATTEMPTS {
            let file = File::open(made.path()).ok().filter(|file| file.lock().is_ok());
            if made.path().exists() {
                return Ok((made, file));
            }
            // Another run has taken it for a leftover before it was locked.
            made = builder.tempdir_in(self.parent())?;
        }
        Ok((made, None))
    }

    /// Removes what killed runs have left. That something cannot be removed is no reason to stop.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.parent()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is = |purpose: &str| name.to_string_lossy().starts_with(&self.prefix(purpose));
            if (is(NEW) || is(OLD))
                && let Ok(folder) = File::open(entry.path())
                && folder.try_lock().is_ok()
            {
                if is(OLD) && !self.path.exists() {
                    // The run was killed before the new report took the place of this one.
                    let _ = fs::rename(entry.path().join(BEFORE), &self.path);
                }
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Replaces the directory by one with `files` and returns the path of the last of them.
    pub(super) fn replace<'a>(
        &self,
        files: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<PathBuf, Error> {
        let (folder, locked) =
            self.folder(NEW).map_err(|reason| Error::write(&self.path, &reason))?;
        let mut last = PathBuf::new();
        for (name, bytes) in files {
            let write = |path: &Path| {
                let mut file = File::create_new(path)?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            let path = folder.path().join(name);
            last = self.path.join(name);
            write(&path).map_err(|reason| Error::write(&last, &reason))?;
        }
        // What was put there while the training went on is not to be lost.
        self.check_content()?;
        let failed = |reason: io::Error| Error::write(&self.path, &reason);
        sync(folder.path()).map_err(failed)?;
        self.take_place(folder).map_err(failed)?;
        sync(self.parent()).map_err(failed)?;
        drop(locked);
        Ok(last)
    }

    /// Puts a folder into the place of the directory, which is removed.
    fn take_place(&self, folder: TempDir) -> io::Result<()> {
        if !self.path.exists() {
            fs::rename(folder.path(), &self.path)?;
            let _ = folder.keep();
        } else if exchange(folder.path(), &self.path)? {
            // The folder now holds what was there before. If it cannot be removed, the next run
            // will try.
            let _ = folder.close();
        } else {
            let (old, _locked) = self.folder(OLD)?;
            fs::rename(&self.path, old.path().join(BEFORE))?;
            if let Err(reason) = fs::rename(folder.path(), &self.path) {
                fs::rename(old.path().join(BEFORE), &self.path)?;
                return Err(reason);
            }
            let _ = folder.keep();
        }
        Ok(())
    }
}

/// Gives two directories each other's name in one step; `false` where the system cannot.
#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(reason) => Err(reason.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Whether what is in a directory may be removed. Nothing is put there to try: a run that is killed
/// then would leave it.
#[cfg(target_os = "linux")]
fn may_be_emptied(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(target_os = "linux"))]
fn may_be_emptied(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes the names in a directory outlast a loss of power, where a directory can be opened.
fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(unix)]
fn is_mount_point(path: &Path, parent: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    Ok(fs::metadata(path)?.dev() != fs::metadata(parent)?.dev())
}

#[cfg(not(unix))]
fn is_mount_point(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}
