//! NumPy's arrays: `.npy`, and `.npz`, which is a zip archive of those.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use downhill_tensor::Element;
use ndarray::{Array2, ArrayD, ArrayViewD};
use ndarray_npy::{ViewElement, ViewNpyError, ViewNpyExt};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::dataset::Dataset;
use crate::error::{At, Error, Problem};
use crate::names::Names;
use crate::target::Classes;
use crate::whole::whole_labels;

impl Dataset {
    /// Reads features and labels from two `.npy` files: numbers of any shape `[N, …]`, each of
    /// which becomes a row of features, and `N` whole numbers. Those of shape `[N, H, W]` are
    /// images. The classes are the different labels in order.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, is no array of numbers, is empty, or holds NaN, an infinity or a
    /// number beyond the range of `f32`; a label is no whole number; or there are not as many
    /// labels as rows.
    ///
    /// ```no_run
    /// use downhill_datasets::Dataset;
    ///
    /// let data = Dataset::read_npy("images.npy", "labels.npy")?;
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn read_npy(features: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self, Error> {
        let (features, labels) = (features.as_ref(), labels.as_ref());
        let (bytes, label_bytes) = (read(features)?, read(labels)?);
        from_arrays(
            (array(&bytes).map_err(|problem| problem.at(features))?, &features.into()),
            (array(&label_bytes).map_err(|problem| problem.at(labels))?, &labels.into()),
        )
    }

    /// Reads features and labels, as [`read_npy`](Self::read_npy) does, from two arrays of one
    /// `.npz` file by their names.
    ///
    /// # Errors
    ///
    /// As [`read_npy`](Self::read_npy), and if the file is no zip archive or has no such array.
    ///
    /// ```no_run
    /// use downhill_datasets::Dataset;
    ///
    /// // As Keras stores MNIST.
    /// let train = Dataset::read_npz("mnist.npz", "x_train", "y_train")?;
    /// let test = Dataset::read_npz("mnist.npz", "x_test", "y_test")?;
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn read_npz(path: impl AsRef<Path>, features: &str, labels: &str) -> Result<Self, Error> {
        let path = path.as_ref();
        let at = |name: &str| At { column: Some(name.into()), ..path.into() };
        let (x, y) = (read_npz_array(path, features)?, read_npz_array(path, labels)?);
        from_arrays((x, &at(features)), (y, &at(labels)))
    }
}

/// Reads an array of numbers of any type and shape from a `.npy` file.
///
/// # Errors
///
/// If the file cannot be read or is no array of numbers in the byte order of this machine.
pub fn read_npy_array<E: Element>(path: impl AsRef<Path>) -> Result<ArrayD<E>, Error> {
    let path = path.as_ref();
    array(&read(path)?).map_err(|problem| problem.at(path))
}

/// Reads the array `name` from a `.npz` file.
///
/// # Errors
///
/// As [`read_npy_array`], and if the file is no zip archive or has no such array.
pub fn read_npz_array<E: Element>(path: impl AsRef<Path>, name: &str) -> Result<ArrayD<E>, Error> {
    let path = path.as_ref();
    let bad = |error: ZipError| Problem::Format(error.to_string()).at(path);
    let file = read(path)?;
    check_directory(&file).map_err(|problem| problem.at(path))?;
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(bad)?;
    let Some(index) = archive.index_for_name(&format!("{name}.npy")) else {
        let arrays = archive.file_names().map(|name| name.trim_end_matches(".npy").into());
        let (name, arrays) = (name.into(), arrays.collect());
        return Err(Problem::UnknownArray { name, arrays }.at(path));
    };
    let mut bytes = Vec::new();
    let mut member = archive.by_index(index).map_err(bad)?;
    member.read_to_end(&mut bytes).map_err(Error::read(path))?;
    array(&bytes).map_err(|problem| problem.at(At { column: Some(name.into()), ..path.into() }))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::read(path))
}

/// The array of a `.npy` file, whose numbers are of one of NumPy's types.
fn array<E: Element>(bytes: &[u8]) -> Result<ArrayD<E>, Problem> {
    check_header(bytes)?;
    macro_rules! try_types {
        ($($type:ty => $convert:expr;)*) => {$(
            match view::<$type>(bytes) {
                Ok(view) => return Ok(view.mapv($convert)),
                Err(ViewNpyError::WrongDescriptor(_)) => {}
                Err(error) => return Err(Problem::Format(error.to_string())),
            }
        )*};
    }
    // Of 64 bits, the numbers up to 2⁵³ are exact.
    try_types! {
        f32 => |x| E::from_f64(x.into());
        f64 => E::from_f64;
        u8 => |x| E::from_f64(x.into());
        i64 => |x| E::from_f64(x as f64);
        i32 => |x| E::from_f64(x.into());
        bool => |x| E::from_f64(f64::from(u8::from(x)));
        i8 => |x| E::from_f64(x.into());
        i16 => |x| E::from_f64(x.into());
        u16 => |x| E::from_f64(x.into());
        u32 => |x| E::from_f64(x.into());
        u64 => |x| E::from_f64(x as f64);
    }
    let header = String::from_utf8_lossy(&bytes[8..bytes.len().min(96)]);
    let kind = header.split('\'').nth(3).unwrap_or_default();
    Err(Problem::Format(format!("numbers of the type {kind:?} are not read")))
}

fn view<T: ViewElement>(bytes: &[u8]) -> Result<ArrayViewD<'_, T>, ViewNpyError> {
    ArrayViewD::view_npy(bytes)
}

/// What `zip` takes on trust: how many files the end of an archive says there are, for which it
/// reserves memory. Each takes 46 bytes of the directory at least.
///
/// Data may happen to look like an end: so only what `zip` would believe counts, where both numbers of
/// a disk are the same.
fn check_directory(bytes: &[u8]) -> Result<(), Problem> {
    // Before the end there may be a comment of 64 KiB.
    let end = &bytes[bytes.len().saturating_sub(1 << 17)..];
    for at in 0..end.len() {
        let count = match &end[at..] {
            [b'P', b'K', 5, 6, rest @ ..] if rest.len() >= 6 && rest[..2] == rest[2..4] => {
                u64::from(u16::from_le_bytes([rest[4], rest[5]]))
            }
            [b'P', b'K', 6, 6, rest @ ..] if rest.get(12..16) == rest.get(16..20) => {
                let Some(&count) = rest.get(20..).and_then(<[u8]>::first_chunk) else { continue };
                u64::from_le_bytes(count)
            }
            _ => continue,
        };
        if count > bytes.len() as u64 / 46 {
            let message = format!("{} bytes cannot hold {count} files", bytes.len());
            return Err(Problem::Format(message));
        }
    }
    Ok(())
}

/// What `ndarray-npy` takes on trust: the length of the header, for which it reserves memory, and
/// how deep its brackets are nested.
fn check_header(bytes: &[u8]) -> Result<(), Problem> {
    let (length, start) = match *bytes {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (u32::from(u16::from_le_bytes([a, b])), 10),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]), 12),
        _ => return Err(Problem::Format("the file ends within its header".into())),
    };
    let Some(header) = bytes[start..].get(..length as usize) else {
        return Err(Problem::Format("the file ends within its header".into()));
    };
    let brackets = header.iter().filter(|byte| b"([{".contains(byte)).count();
    if brackets > 64 {
        return Err(Problem::Format("the header is no description of an array of numbers".into()));
    }
    Ok(())
}

fn from_arrays(
    (features, features_at): (ArrayD<f32>, &At),
    (labels, labels_at): (ArrayD<f64>, &At),
) -> Result<Dataset, Error> {
    let shape = features.shape().to_vec();
    let rows = shape.first().copied().unwrap_or(0);
    if features.is_empty() || labels.is_empty() {
        let at = if features.is_empty() { features_at } else { labels_at };
        return Err(Problem::NoRows.at(at.clone()));
    }
    if labels.len() != rows {
        return Err(Problem::LabelRows { labels: labels.len(), rows }.at(labels_at.clone()));
    }
    if let Some(index) = features.iter().position(|value| !value.is_finite()) {
        return Err(Problem::NotFiniteAt { index, element: "f32" }.at(features_at.clone()));
    }
    let width = features.len() / rows;
    let names = match shape[1..] {
        [height, width] => Names::Pixels([height, width]),
        _ => Names::Numbered(width),
    };
    let features: Vec<f32> = if features.is_standard_layout() {
        features.into_raw_vec_and_offset().0
    } else {
        features.iter().copied().collect()
    };
    let features = Array2::from_shape_vec((rows, width), features).expect("rows of one width");
    let labels = whole_labels(labels.iter().copied());
    let labels = labels.map_err(|problem| problem.at(labels_at.clone()))?;
    let [classes] = Classes::from_whole([labels]);
    Ok(Dataset::from_parts(features, classes, names, "label".into()))
}

#[cfg(test)]
mod tests;
