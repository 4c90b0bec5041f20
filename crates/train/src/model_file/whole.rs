//! Files that are written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::error::Error;

/// What the names of unfinished files begin with.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// Writes a file beside `path` and, once it and its folder are safe on the disk, puts it in the
/// place of `path`. After an error there is what was there before.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED);
    if let Some(permissions) = permissions() {
        builder.permissions(permissions);
    }
    let file: NamedTempFile = builder.tempfile_in(folder).map_err(plain)?;
    let mut writer = BufWriter::with_capacity(1 << 15, file.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Writes a file whole or not at all: after an error, or if the power fails, there is what was
/// there before.
///
/// # Errors
///
/// [`Error::Write`] when it cannot be written.
pub fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    write_whole(path, |writer| writer.write_all(bytes)).map_err(|error| Error::write(path, &error))
}

/// Overwrites what stands at `position`, and goes back to the end.
pub(crate) fn overwrite(
    writer: &mut BufWriter<&File>,
    position: u64,
    bytes: &[u8],
) -> io::Result<()> {
    writer.seek(io::SeekFrom::Start(position))?;
    writer.write_all(bytes)?;
    writer.seek(io::SeekFrom::End(0))?;
    Ok(())
}

/// The operating system's answer without the name of the unfinished file, which says nothing.
fn plain(error: io::Error) -> io::Error {
    let code = error
        .get_ref()
        .and_then(|inner| inner.source())
        .and_then(|source| source.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error));
    match error.raw_os_error().or(code) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::from(error.kind()),
    }
}

/// Those of any file that a program creates: all but what the process's mask takes away. Temporary
/// files are for their owner alone otherwise.
#[cfg(unix)]
fn permissions() -> Option<Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o666))
}

#[cfg(not(unix))]
fn permissions() -> Option<Permissions> {
    None
}

/// A folder holds the names of its files, and has to be written as they have.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
