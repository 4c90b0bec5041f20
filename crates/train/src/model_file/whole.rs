//! Files that are written whole or not at all.

use std::fs::{self, File, Permissions};
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
    sweep(folder);
    let file = locked(&builder, folder)?;
    let mut writer = BufWriter::with_capacity(1 << 15, file.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A new file, locked as long as it is being written.
fn locked(builder: &Builder<'_, '_>, folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = builder.tempfile_in(folder).map_err(plain)?;
        // Where nothing can be locked, nothing is swept away.
        if file.as_file().lock().is_err() || file.path().exists() {
            return Ok(file);
        }
        // Another program has taken it for a leftover before it was locked.
    }
}

/// Removes what programs that were killed left unfinished, as far as that can be done: files of such a
/// name that nobody has locked.
fn sweep(folder: &Path) {
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_ours =
            |random: &str| random.len() == 6 && random.bytes().all(|it| it.is_ascii_alphanumeric());
        if name.strip_prefix(UNFINISHED).is_some_and(is_ours)
            && path.symlink_metadata().is_ok_and(|it| it.is_file())
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_unfinished_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let others =
            [".unfinished-notes.txt", ".unfinished-", "unfinished-a1B2c3", ".unfinished-ä1234"];
        for name in [&[".unfinished-a1B2c3", ".unfinished-ABCDEF"], &others[..]].concat() {
            fs::write(path(name), "half").unwrap();
        }
        // One that another program is writing.
        let writing = File::open(path(".unfinished-ABCDEF")).unwrap();
        writing.lock().unwrap();
        replace_file(path("model"), b"whole").unwrap();
        assert_eq!(fs::read(path("model")).unwrap(), b"whole");
        assert!(!path(".unfinished-a1B2c3").exists() && path(".unfinished-ABCDEF").exists());
        assert!(others.iter().all(|name| path(name).exists()));
        assert_eq!(folder.path().read_dir().unwrap().count(), 2 + others.len());
    }

    #[test]
    fn many_threads_replace_a_file_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    (0..20).for_each(|_| replace_file(path, &[thread; 1000]).unwrap());
                });
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 1000 && bytes.iter().all(|&byte| byte == bytes[0]));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
