//! Pictures in folders, one folder a class.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageReader};
use ndarray::Array2;

use crate::dataset::Dataset;
use crate::error::{Error, Problem};
use crate::names::Names;
use crate::target::Classes;

/// A directory with a directory of PNG and JPEG pictures for each class, and how to read them.
///
/// The features are the pixels, from 0 (black) to 1 (white), of grey pictures row by row,
/// `[H, W]`, of colour pictures so for red, green and blue, `[3, H, W]`. Transparency is ignored,
/// and so are files and directories whose name starts with a point, and files that do not end in
/// `.png`, `.jpg` or `.jpeg`. Classes and pictures come in the order of their names.
///
/// ```no_run
/// use downhill_datasets::ImageFolder;
///
/// // pets/cat/1.jpg, pets/cat/2.jpg, …, pets/dog/1.jpg, …
/// let pets = ImageFolder::new("pets").colour(true).size(32, 32).read()?;
/// assert_eq!(pets.class_names(), ["cat", "dog"]);
/// let batch = pets.full_batch();
/// let pictures = batch.features.reshape(&[pets.len(), 3, 32, 32]);
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageFolder {
    directory: PathBuf,
    colour: bool,
    size: Option<[u32; 2]>,
}

/// No PNG packs more into a byte: eight pixels a byte at most, which deflate then shrinks 1,032 times
/// at most. A JPEG takes a bit or more for a block of 64.
const PIXELS_PER_BYTE: u64 = 8 * 1032;

impl ImageFolder {
    /// The pictures of `directory`, read as grey ones of the size that they have.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().into(), colour: false, size: None }
    }

    /// Whether each picture has its three colours, or only grey.
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = colour;
        self
    }

    /// The height and width, in pixels, to which pictures are scaled, whatever their shape; unless
    /// said, all must have the same.
    ///
    /// # Panics
    ///
    /// If one of them is 0 or beyond 65,535.
    #[track_caller]
    pub fn size(mut self, height: usize, width: usize) -> Self {
        let length = |length: usize| u16::try_from(length).ok().filter(|&length| length > 0);
        let (Some(rows), Some(columns)) = (length(height), length(width)) else {
            panic!("size: no picture is {height} pixels high and {width} wide");
        };
        self.size = Some([rows.into(), columns.into()]);
        self
    }

    /// Reads the pictures.
    ///
    /// # Errors
    ///
    /// If a directory or file cannot be read, there is no picture, one is damaged, or they differ
    /// in size and are not to be scaled.
    pub fn read(&self) -> Result<Dataset, Error> {
        let (mut pixels, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut shape = self.size;
        for directory in entries(&self.directory)? {
            if !directory.is_dir() {
                continue;
            }
            let count = labels.len();
            for file in entries(&directory)?.into_iter().filter(|file| is_picture(file)) {
                let picture = self.read_picture(&file, shape)?;
                shape = Some([picture.height(), picture.width()]);
                self.push(&picture, &mut pixels);
                labels.push(names.len());
            }
            if labels.len() > count {
                names.push(directory.file_name().unwrap_or_default().to_string_lossy().into());
            }
        }
        let Some([height, width]) = shape.filter(|_| !labels.is_empty()) else {
            return Err(Problem::NoPictures.at(&*self.directory));
        };
        let shape = [height as usize, width as usize];
        let names_of_pixels =
            if self.colour { Names::Colours(shape) } else { Names::Pixels(shape) };
        let width = pixels.len() / labels.len();
        let features =
            Array2::from_shape_vec((labels.len(), width), pixels).expect("pictures of one size");
        Ok(Dataset::from_parts(
            features,
            Classes::new(labels, names)?,
            names_of_pixels,
            "class".into(),
        ))
    }

    /// The picture of a file, of the `shape` that the others have if that is known.
    fn read_picture(&self, path: &Path, shape: Option<[u32; 2]>) -> Result<DynamicImage, Error> {
        let open = || -> Result<_, Error> {
            let reader = ImageReader::open(path).map_err(Error::read(path))?;
            reader.with_guessed_format().map_err(Error::read(path))
        };
        let damaged = |error: image::ImageError| Problem::Format(error.to_string()).at(path);
        // By its header, so that no memory is reserved for a picture that does not fit or that the
        // file is too short to hold.
        let (width, height) = open()?.into_dimensions().map_err(damaged)?;
        if let (None, Some(expected)) = (self.size, shape)
            && [height, width] != expected
        {
            let shape = |[height, width]: [u32; 2]| [height as usize, width as usize];
            let (found, expected) = (shape([height, width]), shape(expected));
            return Err(Problem::ImageShape { found, expected }.at(path));
        }
        let length = fs::metadata(path).map_err(Error::read(path))?.len();
        if u64::from(width) * u64::from(height) > length.saturating_mul(PIXELS_PER_BYTE) {
            let short = format!("{length} bytes cannot hold {width} x {height} pixels");
            return Err(Problem::Format(short).at(path));
        }
        let picture = open()?.decode().map_err(damaged)?;
        Ok(match self.size {
            Some([height, width]) if [picture.height(), picture.width()] != [height, width] => {
                picture.resize_exact(width, height, FilterType::Triangle)
            }
            _ => picture,
        })
    }

    fn push(&self, picture: &DynamicImage, pixels: &mut Vec<f32>) {
        let unit = |value: &u8| f32::from(*value) / 255.0;
        if self.colour {
            let picture = picture.to_rgb8();
            for channel in 0..3 {
                pixels.extend(picture.iter().skip(channel).step_by(3).map(unit));
            }
        } else {
            pixels.extend(picture.to_luma8().iter().map(unit));
        }
    }
}

/// What a directory holds, by name, but for hidden files.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(Error::read(directory))? {
        let entry = entry.map_err(Error::read(directory))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].iter().any(|&picture| ending == picture)
}

#[cfg(test)]
mod tests;
