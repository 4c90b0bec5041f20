//! What a training example writes of a run beyond what it prints: `--report` and `--tensorboard`.

use std::error::Error;
use std::path::{Path, PathBuf};

use downhill::tensor::{Element, Gradients, Parameters, Tensor};
use downhill::train::{History, Report, TensorBoard};

/// The options, to be flattened into those of an example.
#[derive(clap::Args)]
pub(crate) struct Observe {
    /// Write a page with pictures of the run, report.html, and what belongs to it
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,

    /// Write event files for TensorBoard
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

/// The record of a model's training, which costs nothing if it is not wanted.
pub(crate) struct Record<E: Element = f32> {
    pub(crate) history: History<E>,
    tensorboard: Option<TensorBoard>,
}

impl Observe {
    /// The report, if one is wanted. Fails, before any training, if it could not be written.
    pub(crate) fn report(
        &self,
        title: &str,
        seed: u64,
    ) -> Result<Option<Report>, downhill::train::Error> {
        let Some(directory) = &self.report else { return Ok(None) };
        let mut report = Report::create(directory, title)?;
        report.fact("Seed", seed);
        Ok(Some(report))
    }

    /// The record of the training of `model`. TensorBoard's file is begun now, in its directory or,
    /// for one of several runs, in one of this name in there.
    pub(crate) fn record<E: Element>(
        &self,
        run: Option<&str>,
        model: &(impl Parameters<E> + ?Sized),
    ) -> Result<Record<E>, downhill::train::Error> {
        let directory = self.tensorboard.as_ref();
        let directory =
            directory.map(|directory| run.map_or(directory.clone(), |run| directory.join(run)));
        let tensorboard = directory.map(TensorBoard::create).transpose()?;
        let history = match self.report.is_some() || tensorboard.is_some() {
            true => History::new(model),
            false => History::disabled(),
        };
        Ok(Record { history, tensorboard })
    }

    /// Whether anything is written, so that it is worth the time to measure more.
    pub(crate) fn is_wanted(&self) -> bool {
        self.report.is_some() || self.tensorboard.is_some()
    }
}

impl<E: Element> Record<E> {
    /// A record of nothing.
    pub(crate) fn disabled() -> Self {
        Self { history: History::disabled(), tensorboard: None }
    }

    /// Records a step that has just been made.
    pub(crate) fn step(
        &mut self,
        model: &(impl Parameters<E> + ?Sized),
        gradients: &Gradients<E>,
        loss: &Tensor<E>,
        learning_rate: f64,
    ) {
        self.history.step(model, gradients, loss, learning_rate);
    }

    /// Records the metrics of an epoch that has just ended.
    pub(crate) fn epoch(&mut self, metrics: &[(&str, f64)]) -> Result<(), downhill::train::Error> {
        self.history.epoch(metrics);
        self.tensorboard.as_mut().map_or(Ok(()), |tensorboard| tensorboard.update(&self.history))
    }
}

/// Names the file, or all files of the directory, that the data came from.
pub(crate) fn data_files(report: &mut Report, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = path.read_dir()?.map(|entry| Ok(entry?.path()));
        files = entries.collect::<Result<_, std::io::Error>>()?;
        files.retain(|path| path.is_file());
        files.sort();
    }
    for file in files {
        report.data_file(file)?;
    }
    Ok(())
}

/// Writes the report and says where it is.
pub(crate) fn write(report: Report, quiet: bool) -> Result<(), downhill::train::Error> {
    let page = report.write()?;
    if !quiet {
        println!("report in {}", page.display());
    }
    Ok(())
}
