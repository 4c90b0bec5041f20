//! Event files, as TensorBoard reads them.

mod encode;
mod png;

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use downhill_tensor::Element;
use encode::{Event, What};

use crate::error::Error;
use crate::graph::Graph;
use crate::history::{Histogram, History};

/// As many bytes are written at a time.
const BUFFER: usize = 1 << 13;

/// Writes an event file that TensorBoard reads, while training or afterwards
/// (`tensorboard --logdir DIRECTORY`).
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::{History, TensorBoard};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let directory = directory.path().join("runs/first");
/// let mut weight = Tensor::parameter(1.0);
/// let mut history = History::new(&weight);
/// let mut tensorboard = TensorBoard::create(directory)?;
/// for _epoch in 0..3 {
///     let loss = weight.square();
///     let gradients = loss.backward();
///     weight.update(|values| values[0] *= 0.5);
///     history.step(&weight, &gradients, &loss, 0.25);
///     history.epoch(&[("training loss", loss.item())]);
///     tensorboard.update(&history)?;
/// }
/// # Ok::<(), downhill_train::Error>(())
/// ```
///
/// A file that cannot be written, as on a full disk, holds whole events all the same, and once it
/// can be, [`update`](Self::update) writes what is missing.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
    /// The bytes of the events in the file.
    length: u64,
    /// The events that are not in it yet.
    waiting: Vec<u8>,
    /// What of the history has been written: its steps and epochs.
    steps: usize,
    epochs: usize,
    /// Whether its directory holds an earlier file.
    continues: bool,
}

impl TensorBoard {
    /// Starts an event file in `directory`, which is made if there is none. Each file is a run of
    /// its own if each has a directory of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the directory or the file cannot be made.
    #[inline(never)]
    pub fn create(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let write = |reason| Error::write(directory, &reason);
        fs::create_dir_all(directory).map_err(|error| Error::directory(directory, &error))?;
        let mut names = fs::read_dir(directory).map_err(write)?.filter_map(Result::ok);
        let continues = names.any(|entry| entry.file_name().to_string_lossy().contains("tfevents"));
        // TensorBoard takes a file for an event file by the word `tfevents`, and orders several
        // by name.
        let name = |attempt: u32| {
            let time = since_1970() as u64;
            format!("events.out.tfevents.{time:010}.downhill.{}.{attempt}", std::process::id())
        };
        let mut attempt = 0;
        let (path, file) = loop {
            let path = directory.join(name(attempt));
            match File::create_new(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
                Err(error) => return Err(Error::write(&path, &error)),
            }
        };
        let (length, waiting, steps, epochs) = Default::default();
        let mut this = Self { path, file, length, waiting, steps, epochs, continues };
        this.push(0, What::FileVersion);
        this.flush()?;
        Ok(this)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on with a run whose `history` was taken back from a checkpoint: if the directory holds an
    /// earlier file, the epochs that have ended are not written again, and what that file has of
    /// later steps is void.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written.
    #[inline(never)]
    pub fn resume<E: Element>(&mut self, history: &History<E>) -> Result<(), Error> {
        if !self.continues {
            return Ok(());
        }
        self.steps = history.epochs().last().map_or(0, |epoch| epoch.steps);
        self.epochs = history.epochs().len();
        self.push(self.steps + 1, What::Start);
        self.flush()
    }

    /// Writes what `history` has recorded since the last call: the loss and the learning rate of
    /// each step, the metrics of each epoch, and the measurements and histograms of each layer.
    /// Steps are counted from 1.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written. The next call then writes it all.
    #[inline(never)]
    pub fn update<E: Element>(&mut self, history: &History<E>) -> Result<(), Error> {
        let before = self.waiting.len();
        let new = self.steps..history.losses().len();
        for step in new.clone() {
            for (tag, values) in
                [("loss", history.losses()), ("learning rate", history.learning_rates())]
            {
                self.push(step + 1, What::Scalar { tag, value: values[step] });
            }
        }
        let layers = history.layer_names();
        for (step, measured) in history.measurements().iter().filter(|(s, _)| new.contains(s)) {
            for (layer, measured) in layers.iter().zip(measured) {
                for (name, value) in [
                    ("gradient norm", measured.gradient_norm),
                    ("update-to-weight ratio", measured.update_ratio),
                ] {
                    if let Some(value) = value {
                        let tag = &format!("{name}/{layer}");
                        self.push(step + 1, What::Scalar { tag, value });
                    }
                }
            }
        }
        for (step, histograms) in history.histograms().iter().filter(|(s, _)| new.contains(s)) {
            for (layer, histograms) in layers.iter().zip(histograms) {
                for (name, histogram) in [
                    ("weights", &histograms.weights),
                    ("gradients", &histograms.gradients),
                    ("activations", &histograms.activations),
                ] {
                    if let Some(histogram) = histogram {
                        let tag = &format!("{name}/{layer}");
                        self.push(step + 1, What::Histogram { tag, histogram });
                    }
                }
            }
        }
        for epoch in &history.epochs()[self.epochs..] {
            for (name, value) in &epoch.metrics {
                let tag = &format!("epochs/{name}");
                self.push(epoch.steps, What::Scalar { tag, value: *value });
            }
        }
        self.flush().inspect_err(|_| self.waiting.truncate(before))?;
        (self.steps, self.epochs) = (history.losses().len(), history.epochs().len());
        Ok(())
    }

    /// Writes a number under the name `tag`, up to whose first `/` TensorBoard groups them.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: usize, value: f64) -> Result<(), Error> {
        self.event(step, What::Scalar { tag, value })
    }

    /// Writes a histogram under the name `tag`.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written.
    pub fn histogram(
        &mut self,
        tag: &str,
        step: usize,
        histogram: &Histogram,
    ) -> Result<(), Error> {
        self.event(step, What::Histogram { tag, histogram })
    }

    /// Writes a grey image under the name `tag`: its `pixels` row by row from the top, `width` in
    /// each, the least black and the greatest white. What is not finite is black.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written.
    ///
    /// # Panics
    ///
    /// If the pixels do not make up whole rows.
    #[track_caller]
    pub fn image(
        &mut self,
        tag: &str,
        step: usize,
        width: usize,
        pixels: &[f64],
    ) -> Result<(), Error> {
        assert!(
            width > 0 && !pixels.is_empty() && pixels.len().is_multiple_of(width),
            "TensorBoard::image: {} pixels are no whole rows of {width}",
            pixels.len()
        );
        let finite = || pixels.iter().copied().filter(|pixel| pixel.is_finite());
        let least = finite().fold(f64::INFINITY, f64::min);
        let greatest = finite().fold(f64::NEG_INFINITY, f64::max);
        let shade = |pixel: &f64| ((pixel - least) / (greatest - least) * 255.0).round() as u8;
        let shades: Vec<u8> = pixels.iter().map(shade).collect();
        let png = png::grey(&shades, width);
        self.event(step, What::Image { tag, png: &png, size: [pixels.len() / width, width] })
    }

    /// Writes a text under the name `tag`, which TensorBoard reads as Markdown, such as a table of
    /// the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written.
    pub fn text(&mut self, tag: &str, step: usize, text: &str) -> Result<(), Error> {
        self.event(step, What::Text { tag, text })
    }

    /// Writes the graph of a computation, such as that of the first loss.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the file cannot be written.
    pub fn graph(&mut self, graph: &Graph) -> Result<(), Error> {
        self.event(0, What::Graph(graph))
    }

    fn push(&mut self, step: usize, what: What<'_>) {
        let event = Event { wall_time: since_1970(), step, what };
        self.waiting.extend(encode::record(&event.encode()));
    }

    /// Writes an event, together with others if it is small. One that cannot be written is left out.
    fn event(&mut self, step: usize, what: What<'_>) -> Result<(), Error> {
        let before = self.waiting.len();
        self.push(step, what);
        if self.waiting.len() < BUFFER {
            return Ok(());
        }
        self.flush().inspect_err(|_| self.waiting.truncate(before))
    }

    /// Writes all that waits, or nothing: a file that ends in the middle of an event could not be gone
    /// on with.
    fn flush(&mut self) -> Result<(), Error> {
        self.file.write_all(&self.waiting).map_err(|reason| {
            // A file that cannot be cut, either, is read up to there.
            let cut = self.file.set_len(self.length);
            let _ = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            Error::write(&self.path, &reason)
        })?;
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

impl Drop for TensorBoard {
    fn drop(&mut self) {
        // Who wants to know what went wrong calls `update`.
        let _ = self.flush();
    }
}

/// Seconds.
fn since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

#[cfg(test)]
mod tests;
