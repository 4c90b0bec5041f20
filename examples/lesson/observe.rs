//! What a training example writes of a run beyond what it prints: `--report` and `--tensorboard`.

use std::error::Error;
use std::path::{Path, PathBuf};

use downhill::prelude::*;
use downhill::train::metrics::ConfusionMatrix;
use downhill::train::{self, History, TensorBoard};
use downhill_report::Report;
use downhill_report::plot::{Image, weight_images};

use super::{Diverged, Outcome};

/// The options, to be flattened into those of an example.
#[derive(clap::Args)]
pub struct Observe {
    /// Write a page with pictures of the run, report.html, and what belongs to it
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Write event files for TensorBoard
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

/// The record of a model's training, which costs nothing if it is not wanted.
pub struct Record<E: Element = f32> {
    /// What was recorded so far.
    pub history: History<E>,
    tensorboard: Option<TensorBoard>,
    /// Whether it has been said that TensorBoard's file cannot be written.
    complained: bool,
    /// What is written if the run diverges.
    last_page: Option<Report>,
    pub(crate) enabled: bool,
    /// Steps taken, and the class predicted for each test sample then.
    pub(crate) predictions: Vec<(usize, Vec<usize>)>,
}

/// How often, or once more, a model is tested during a run. Each time takes about as long as to
/// train on a third as many samples.
const TESTS: usize = 10;

/// Arguments that do not change what is learned.
const UNIMPORTANT: [&str; 7] =
    ["quiet", "report", "tensorboard", "help", "checkpoint", "resume", "save"];

impl Observe {
    /// The report, if one is wanted. Fails, before any training, if it could not be written.
    pub fn report(&self, title: &str, seed: u64) -> Result<Option<Report>, downhill_report::Error> {
        let mut report = self.page(title)?;
        if let Some(report) = &mut report {
            report.fact("Seed", seed);
        }
        Ok(report)
    }

    /// The page, with all settings.
    fn page(&self, title: &str) -> Result<Option<Report>, downhill_report::Error> {
        let Some(directory) = &self.report else { return Ok(None) };
        let mut report = Report::create(directory, title)?;
        for (name, value) in super::SETTINGS.get().into_iter().flatten() {
            if !UNIMPORTANT.contains(&name.as_str()) {
                report.setting(name, value);
            }
        }
        Ok(Some(report))
    }

    /// The record of the training of `model`. TensorBoard's file is begun now, in its directory or,
    /// for one of several runs, in one of this name in there.
    #[inline(never)]
    pub fn record<E: Element>(
        &self,
        run: Option<&str>,
        model: &dyn Parameters<E>,
    ) -> Result<Record<E>, Box<dyn Error>> {
        let directory = self.tensorboard.as_ref();
        let directory =
            directory.map(|directory| run.map_or(directory.clone(), |run| directory.join(run)));
        let mut tensorboard = directory.map(TensorBoard::create).transpose()?;
        if let Some(tensorboard) = &mut tensorboard {
            let settings = super::SETTINGS.get().into_iter().flatten();
            let rows = settings.map(|(name, value)| format!("\n| {name} | {value} |"));
            let table =
                rows.fold("| setting | value |\n|---|---|".to_owned(), |all, row| all + &row);
            tensorboard.text("settings", 0, &table)?;
        }
        if self.report.is_none() && tensorboard.is_none() {
            return Ok(Record::disabled());
        }
        let title = run.map_or("A run that diverged".into(), |run| format!("{run} diverged"));
        Ok(Record {
            history: History::new(model),
            tensorboard,
            complained: false,
            last_page: self.page(&title)?,
            enabled: true,
            predictions: Vec::new(),
        })
    }
}

impl<E: Element> Record<E> {
    /// A record of nothing.
    pub fn disabled() -> Self {
        Self {
            history: History::disabled(),
            tensorboard: None,
            complained: false,
            last_page: None,
            enabled: false,
            predictions: Vec::new(),
        }
    }

    /// Goes on with the history that was taken back.
    pub(crate) fn resume(&mut self) -> Result<(), downhill::train::Error> {
        let tensorboard = self.tensorboard.as_mut();
        tensorboard.map_or(Ok(()), |tensorboard| tensorboard.resume(&self.history))
    }

    /// Records a step that has just been made.
    #[inline(never)]
    pub fn step(
        &mut self,
        model: &dyn Parameters<E>,
        gradients: &Gradients<E>,
        loss: &Tensor<E>,
        learning_rate: f64,
    ) {
        if let Some(tensorboard) = &mut self.tensorboard
            && self.history.losses().is_empty()
        {
            // Should the disk be full, the end of the epoch tells.
            let _ = tensorboard.graph(&loss.graph().named(model));
        }
        self.history.step(model, gradients, loss, learning_rate);
    }

    /// Refuses a loss that is NaN or infinite. The step is recorded all the same, and the error
    /// carries the page. `epoch` and `step` are counted from 0.
    #[inline(never)]
    pub fn check_loss(
        &mut self,
        model: &dyn Parameters<E>,
        loss: &Tensor<E>,
        (epoch, step): (usize, usize),
        learning_rate: f64,
    ) -> Outcome {
        let value = loss.item().as_f64();
        if value.is_finite() {
            return Ok(());
        }
        self.history.diverged(model, &loss.backward(), loss, learning_rate);
        let mut error = Diverged::new(value, (epoch, step), learning_rate);
        if let Some(mut page) = self.last_page.take() {
            page.history(&self.history);
            error.report = Some(Box::new(page));
        }
        Err(error.into())
    }

    /// Records the metrics of an epoch that has just ended. If TensorBoard's file cannot be written,
    /// as on a full disk, this is said once and the run goes on.
    pub fn epoch(&mut self, metrics: &[(&str, f64)]) {
        self.history.epoch(metrics);
        if let Some(tensorboard) = &mut self.tensorboard
            && let Err(error) = tensorboard.update(&self.history)
            && !std::mem::replace(&mut self.complained, true)
        {
            super::complain(format_args!(
                "warning: {error}; the run goes on, and what is missing is written after a later \
                 epoch if it can be"
            ));
        }
    }

    /// Whether a model is to be tested after an epoch, the `epoch`th counted from 0 of `epochs`:
    /// after some of them, if anything is recorded at all.
    pub fn wants_test(&self, (epoch, epochs): (usize, usize)) -> bool {
        let ended = epoch + 1;
        let tested = ended % epochs.div_ceil(TESTS) == 0 || ended == 1 || ended == epochs;
        self.enabled && tested
    }
}

impl Record {
    /// Records the loss and the accuracy of a classifier in an epoch that has just ended: `now` is
    /// its number, counted from 0, and that of all. After some of them it is tested too: `logits`
    /// asks the model.
    pub fn classifier_epoch(
        &mut self,
        now: (usize, usize),
        [loss, accuracy]: [f64; 2],
        test: &Dataset,
        logits: impl Fn(&Tensor) -> Tensor,
    ) -> Outcome {
        let training = [("training loss", loss), ("training accuracy", accuracy)];
        if !self.wants_test(now) {
            self.epoch(&training);
            return Ok(());
        }
        let (mut test_loss, mut predictions) = (0.0, Vec::new());
        for batch in test.batches_in_order(1000) {
            let logits = without_recording(|| logits(&batch.features));
            let sum = CrossEntropy::new().reduction(Reduction::Sum);
            test_loss += f64::from(sum.forward(&logits, &batch.labels)?.item());
            predictions.extend(logits.argmax(-1));
        }
        let right = predictions.iter().zip(test.labels()).filter(|(a, b)| a == b).count();
        self.predictions.push((self.history.losses().len(), predictions));
        let count = test.len() as f64;
        let test = [("test loss", test_loss / count), ("test accuracy", right as f64 / count)];
        self.epoch(&[training, test].concat());
        Ok(())
    }

    /// What the test samples were taken for, each time the model was tested.
    pub fn confusions(
        &self,
        test: &Dataset,
    ) -> Result<Vec<(usize, ConfusionMatrix)>, train::Error> {
        let confusion = |(step, predictions): &(usize, Vec<usize>)| {
            let matrix = ConfusionMatrix::new(predictions, test.labels(), test.class_count())?;
            Ok((*step, matrix.with_names(test.class_names())))
        };
        self.predictions.iter().map(confusion).collect()
    }

    /// The weights of a model's first layer as images, if that is what it is trained on and anything
    /// is recorded; they are also written into TensorBoard's file, if there is one.
    pub fn weights(&mut self, model: &dyn Parameters<f32>, data: &Dataset) -> Vec<Image> {
        let mut layers = model.named();
        layers.retain(|(_, tensor)| tensor.ndim() > 1);
        let (true, Some(shape), Some((_, weights))) =
            (self.enabled, data.image_shape(), layers.first())
        else {
            return Vec::new();
        };
        // Where there is no hidden layer, a unit is a class.
        let names = if layers.len() == 1 { data.class_names() } else { &[] };
        let images = weight_images(weights, shape, names);
        let step = self.history.losses().len();
        if let Some(tensorboard) = &mut self.tensorboard {
            for image in &images {
                let tag = format!("weights/{}", image.caption[0]);
                // Should the disk be full, the end of the epoch has told.
                let _ = tensorboard.image(&tag, step, image.width, &image.pixels);
            }
        }
        images
    }
}

/// Names the file, or all files of the directory, that the data came from.
pub fn data_files(report: &mut Report, path: &Path) -> Outcome {
    for file in files(path)? {
        report.data_file(file)?;
    }
    Ok(())
}

/// The file, or all files of the directory.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir()?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<PathBuf> = entries.collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// Writes the report and says what was found and where it is. If it cannot be written where it was
/// to be, it goes to a new folder among the system's temporary files, rather than being lost. If it
/// cannot be written there, either, the program fails at its [end](super::written).
pub fn write(report: Report, quiet: bool) {
    let page = match report.write() {
        Ok(page) => Some(page),
        Err(error) => rescue(&report, error),
    };
    if !quiet {
        for finding in report.findings() {
            println!("{}", super::wrapped("found: ", &finding.to_string()));
        }
        if let Some(page) = page {
            println!("report in {}", page.display());
        }
    }
}

/// Writes a report elsewhere than where it was to be, which failed with `error`.
fn rescue(report: &Report, error: downhill_report::Error) -> Option<PathBuf> {
    let folder = tempfile::Builder::new().prefix("report-").tempdir().ok();
    let Some((folder, page)) =
        folder.and_then(|folder| report.write_to(folder.path()).ok().map(|page| (folder, page)))
    else {
        super::fail_at_end(error);
        return None;
    };
    super::complain(format_args!("warning: {error}; the report is {}", page.display()));
    let _ = folder.keep();
    Some(page)
}
