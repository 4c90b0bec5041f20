//! MNIST's IDX files (LeCun, Cortes & Burges, 1998): a magic number that gives the type and the
//! number of axes, the length of each axis (32 bits, big-endian), then the values.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use ndarray::Array2;

use crate::dataset::{Dataset, pixel_names};
use crate::error::{Error, Problem};
use crate::target::Classes;

impl Dataset {
    /// Reads MNIST, or any data set in the same four files of `directory`, each plain or
    /// gzipped with `.gz` at its end: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`. Returns the set to train on and the
    /// one to test on.
    ///
    /// The features are the pixels, 0 to 255, row by row. The classes are the different labels
    /// of both sets in order, named by their numbers.
    ///
    /// # Errors
    ///
    /// If the directory or a file cannot be read; a file is missing, or has another magic number,
    /// or more or fewer bytes than its header promises; there are not as many labels as images;
    /// or the two sets differ in the size of their images.
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
        let train = Idx::<3>::read(directory, "train-images-idx3-ubyte")?;
        let train_labels = Idx::<1>::read(directory, "train-labels-idx1-ubyte")?;
        let test = Idx::<3>::read(directory, "t10k-images-idx3-ubyte")?;
        let test_labels = Idx::<1>::read(directory, "t10k-labels-idx1-ubyte")?;
        train_labels.check_count(&train)?;
        test_labels.check_count(&test)?;
        test.check_image_shape(&train)?;

        // Named together, so that a class has one index in both.
        let names: Vec<String> =
            train_labels.values.iter().chain(&test_labels.values).map(u8::to_string).collect();
        let labels = Classes::from_names(&names);
        let named = |indices: &[usize]| Classes::new(indices.into(), labels.names().into());
        let (train_indices, test_indices) = labels.indices().split_at(train_labels.values.len());
        Ok((train.dataset(named(train_indices)?), test.dataset(named(test_indices)?)))
    }
}

/// An IDX file of unsigned bytes, of which there is at least one.
struct Idx<const AXES: usize> {
    path: PathBuf,
    shape: [u32; AXES],
    values: Vec<u8>,
}

impl<const AXES: usize> Idx<AXES> {
    fn read(directory: &Path, file: &'static str) -> Result<Self, Error> {
        let (path, mut source) = open(directory, file)?;
        // Memory grows with what is really there, whatever length is asked for.
        let mut read = |length: u64| {
            let mut bytes = Vec::new();
            let result = source.by_ref().take(length).read_to_end(&mut bytes);
            result.map_err(Error::read(&path)).map(|_| bytes)
        };

        let expected = [0, 0, UNSIGNED_BYTE, AXES as u8];
        let found = read(4)?;
        if found != expected {
            return Err(Problem::IdxMagic { found, expected }.at(&*path));
        }
        let header = read(4 * AXES as u64)?;
        let (lengths, _) = header.as_chunks::<4>();
        if lengths.len() < AXES {
            let (expected, found) = (4 + 4 * AXES, 4 + header.len());
            return Err(Problem::IdxHeader { expected, found }.at(&*path));
        }
        let shape: [u32; AXES] = std::array::from_fn(|axis| u32::from_be_bytes(lengths[axis]));
        let promised: u128 = shape.iter().map(|&length| u128::from(length)).product();
        if promised == 0 {
            return Err(Problem::IdxEmpty(shape.into()).at(&*path));
        }
        let values = read(promised.saturating_add(1).try_into().unwrap_or(u64::MAX))?;
        match (values.len() as u128).cmp(&promised) {
            Ordering::Equal => Ok(Self { path, shape, values }),
            Ordering::Greater => {
                Err(Problem::IdxTooLong { shape: shape.into(), promised }.at(&*path))
            }
            Ordering::Less => {
                let (shape, found) = (shape.into(), values.len());
                Err(Problem::IdxTooShort { shape, promised, found }.at(&*path))
            }
        }
    }
}

impl Idx<1> {
    fn check_count(&self, images: &Idx<3>) -> Result<(), Error> {
        if self.shape[0] == images.shape[0] {
            return Ok(());
        }
        let (labels, images_path, images) = (self.shape[0], images.path.clone(), images.shape[0]);
        Err(Problem::IdxLabelCount { labels, images_path, images }.at(&*self.path))
    }
}

impl Idx<3> {
    fn image_shape(&self) -> [usize; 2] {
        [self.shape[1] as usize, self.shape[2] as usize]
    }

    fn check_image_shape(&self, train: &Self) -> Result<(), Error> {
        let (found, expected) = (self.image_shape(), train.image_shape());
        if found == expected {
            return Ok(());
        }
        Err(Problem::IdxImageShape { found, expected }.at(&*self.path))
    }

    fn dataset(&self, labels: Classes) -> Dataset {
        let [height, width] = self.image_shape();
        let pixels = self.values.iter().copied().map(f32::from).collect();
        let features = Array2::from_shape_vec((self.shape[0] as usize, height * width), pixels)
            .expect("as many bytes were read as the shape holds");
        Dataset::from_parts(features, labels, pixel_names(height, width), "label".into(), 0)
    }
}

/// The type's code in the magic number.
const UNSIGNED_BYTE: u8 = 0x08;

/// Opens `file`, plain or with `.gz` at its end, and decompresses it if need be.
fn open(directory: &Path, file: &'static str) -> Result<(PathBuf, Box<dyn Read>), Error> {
    for name in [file.to_owned(), format!("{file}.gz")] {
        let path = directory.join(name);
        let mut source = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => BufReader::new(result.map_err(Error::read(&path))?),
        };
        // Judged by its content: browsers unpack downloads without taking `.gz` off the name.
        let start = source.fill_buf().map_err(Error::read(&path))?;
        let source: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(source))
        } else {
            Box::new(source)
        };
        return Ok((path, source));
    }
    Err(Problem::NoIdxFile(file).at(directory))
}

#[cfg(test)]
mod tests;
