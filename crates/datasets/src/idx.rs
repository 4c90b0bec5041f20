//! MNIST's IDX files (LeCun, Cortes & Burges, 1998): a magic number that gives the type and the
//! number of axes, the length of each axis (32 bits, big-endian), then the values.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use downhill_tensor::Element;
use ndarray::{Array2, ArrayD};

use crate::dataset::Dataset;
use crate::error::{Error, Problem};
use crate::names::Names;
use crate::source;
use crate::target::Classes;
use crate::whole::whole_labels;

impl Dataset {
    /// Reads MNIST, or any data set in the same four files of `directory`, each plain or
    /// gzipped with `.gz` at its end: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`. Returns the set to train on and the
    /// one to test on.
    ///
    /// The features are the pixels, 0 to 255, row by row. The classes are the different labels
    /// of both sets in order, named by their numbers. Values of IDX's other types are read, too.
    ///
    /// # Errors
    ///
    /// If the directory or a file cannot be read; a file is missing, or has another magic number,
    /// or more or fewer bytes than its header promises; there are not as many labels as images;
    /// a label is no whole number or a pixel not finite; or the two sets differ in the size of
    /// their images.
    ///
    /// ```no_run
    /// use downhill_datasets::Dataset;
    ///
    /// let (train, test) = Dataset::read_idx("mnist")?;
    /// assert_eq!((train.len(), test.len()), (60_000, 10_000));
    /// assert_eq!(train.image_shape(), Some([28, 28]));
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn read_idx(directory: impl AsRef<Path>) -> Result<(Self, Self), Error> {
        let directory = directory.as_ref();
        fs::read_dir(directory).map_err(Error::read(directory))?;
        let read = |file, axes| Idx::read(&find(directory, file)?, Some(axes));
        let train = read("train-images-idx3-ubyte", 3)?;
        let train_labels = read("train-labels-idx1-ubyte", 1)?;
        let test = read("t10k-images-idx3-ubyte", 3)?;
        let test_labels = read("t10k-labels-idx1-ubyte", 1)?;
        train_labels.check_count(&train)?;
        test_labels.check_count(&test)?;
        test.check_image_shape(&train)?;

        let [train_classes, test_classes] =
            Classes::from_whole([train_labels.labels()?, test_labels.labels()?]);
        Ok((train.dataset(train_classes)?, test.dataset(test_classes)?))
    }
}

/// Reads an array of any type and number of axes from an IDX file, plain or gzipped.
///
/// # Errors
///
/// If the file cannot be read, does not start as an IDX file, or holds no value, or more or fewer
/// than its header promises.
///
/// ```no_run
/// // QMNIST's labels: eight numbers for each image.
/// let labels = downhill_datasets::read_idx_array::<f32>("qmnist-train-labels-idx2-int.gz")?;
/// assert_eq!(labels.shape(), [60_000, 8]);
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[inline(never)]
pub fn read_idx_array<E: Element>(path: impl AsRef<Path>) -> Result<ArrayD<E>, Error> {
    let idx = Idx::read(path.as_ref(), None)?;
    let shape: Vec<usize> = idx.shape.iter().map(|&length| length as usize).collect();
    Ok(ArrayD::from_shape_vec(shape, idx.values().collect())
        .expect("as many values were read as the shape holds"))
}

/// An IDX file with at least one value.
struct Idx {
    path: PathBuf,
    kind: Kind,
    shape: Vec<u32>,
    bytes: Vec<u8>,
}

/// How a value is stored, by its code in the magic number.
#[derive(Clone, Copy)]
enum Kind {
    U8 = 0x08,
    I8 = 0x09,
    I16 = 0x0b,
    I32 = 0x0c,
    F32 = 0x0d,
    F64 = 0x0e,
}

impl Kind {
    const ALL: [Self; 6] = [Self::U8, Self::I8, Self::I16, Self::I32, Self::F32, Self::F64];

    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The big-endian number in as many bytes as its size.
    fn number(self, bytes: &[u8]) -> f64 {
        match (self, bytes) {
            (Self::U8, &[a]) => f64::from(a),
            (Self::I8, &[a]) => f64::from(a.cast_signed()),
            (Self::I16, &[a, b]) => f64::from(i16::from_be_bytes([a, b])),
            (Self::I32, &[a, b, c, d]) => f64::from(i32::from_be_bytes([a, b, c, d])),
            (Self::F32, &[a, b, c, d]) => f64::from(f32::from_be_bytes([a, b, c, d])),
            (_, bytes) => f64::from_be_bytes(bytes.try_into().expect("eight bytes")),
        }
    }
}

impl Idx {
    /// `axes` is the number of axes that the file must have, if that matters.
    fn read(path: &Path, axes: Option<u8>) -> Result<Self, Error> {
        let mut source = source::open(path)?;
        // Memory grows with what is really there, whatever length is asked for.
        let mut read = |length: u64| {
            let mut bytes = Vec::new();
            let result = source.by_ref().take(length).read_to_end(&mut bytes);
            result.map_err(Error::read(path)).map(|_| bytes)
        };

        let found = read(4)?;
        let kind = Kind::ALL.into_iter().find(|&kind| found.get(2) == Some(&(kind as u8)));
        let count = match *found {
            [0, 0, _, count] if count > 0 && axes.is_none_or(|axes| axes == count) => count,
            _ => return Err(Problem::IdxMagic { found, axes }.at(path)),
        };
        let Some(kind) = kind else { return Err(Problem::IdxMagic { found, axes }.at(path)) };
        let header = read(4 * u64::from(count))?;
        let (lengths, _) = header.as_chunks::<4>();
        if lengths.len() < usize::from(count) {
            let (expected, found) = (4 + 4 * usize::from(count), 4 + header.len());
            return Err(Problem::IdxHeader { expected, found }.at(path));
        }
        let shape: Vec<u32> = lengths.iter().map(|&length| u32::from_be_bytes(length)).collect();
        let size = kind.size() as u128;
        // No file is as long as what saturates.
        let promised = if shape.contains(&0) {
            return Err(Problem::IdxEmpty(shape).at(path));
        } else {
            shape.iter().fold(size, |product, &length| product.saturating_mul(length.into()))
        };
        let bytes = read(promised.saturating_add(1).try_into().unwrap_or(u64::MAX))?;
        let found = bytes.len();
        if found as u128 > promised {
            return Err(Problem::IdxTooLong { shape, promised }.at(path));
        }
        if (found as u128) < promised {
            return Err(Problem::IdxTooShort { shape, promised, found }.at(path));
        }
        Ok(Self { path: path.into(), kind, shape, bytes })
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.kind.size()).map(|bytes| self.kind.number(bytes))
    }

    fn values<E: Element>(&self) -> impl Iterator<Item = E> {
        self.numbers().map(E::from_f64)
    }

    fn labels(&self) -> Result<Vec<i64>, Error> {
        whole_labels(self.numbers()).map_err(|problem| problem.at(&*self.path))
    }

    fn check_count(&self, images: &Self) -> Result<(), Error> {
        let (labels, count) = (self.shape[0], images.shape[0]);
        if labels == count {
            return Ok(());
        }
        let images_path = images.path.clone();
        Err(Problem::LabelCount { labels, images_path, images: count }.at(&*self.path))
    }

    fn image_shape(&self) -> [usize; 2] {
        [self.shape[1] as usize, self.shape[2] as usize]
    }

    fn check_image_shape(&self, train: &Self) -> Result<(), Error> {
        let (found, expected) = (self.image_shape(), train.image_shape());
        if found == expected {
            return Ok(());
        }
        Err(Problem::ImageShape { found, expected }.at(&*self.path))
    }

    fn dataset(&self, classes: Classes) -> Result<Dataset, Error> {
        let [height, width] = self.image_shape();
        let pixels: Vec<f32> = self.values().collect();
        if let Some(index) = pixels.iter().position(|pixel| !pixel.is_finite()) {
            return Err(Problem::NotFiniteAt { index, element: "f32" }.at(&*self.path));
        }
        let features = Array2::from_shape_vec((self.shape[0] as usize, height * width), pixels)
            .expect("as many values were read as the shape holds");
        let names = Names::Pixels([height, width]);
        Ok(Dataset::from_parts(features, classes, names, "label".into()))
    }
}

/// `file`, plain or with `.gz` at its end.
fn find(directory: &Path, file: &'static str) -> Result<PathBuf, Error> {
    [file.to_owned(), format!("{file}.gz")]
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.exists())
        .ok_or_else(|| Problem::NoIdxFile(file).at(directory))
}

#[cfg(test)]
mod tests;
