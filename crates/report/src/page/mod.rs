//! The page of a run.

mod directory;
mod history;
mod html;
mod layers;
mod metrics;
mod predictions;
mod run;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::plot::Picture;
use directory::Directory;
use downhill_train::Finding;
use html::Page;
use run::Run;

/// A page about a run, `report.html`, with its pictures in it, and beside it the same pictures as
/// SVG files and the record of the run as tables. The page needs no network, is legible
/// on a phone, and follows the reader's choice of light or dark. A small script in it reads values
/// off the charts and moves all pictures through time together; without script all of them are
/// there.
///
/// Each section is there if something was given for it: what was learned
/// ([`history`](Self::history), or [`comparison`](Self::comparison) of several runs), how good it is ([`classification`](Self::classification),
/// [`regression`](Self::regression)), and whatever else is put into a
/// [`section`](Self::section) of one's own. The result stands first, with what was
/// [found](Self::findings) to be wrong and the [settings](Self::setting).
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_report::{Report, plot::Chart};
/// use downhill_train::History;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let directory = directory.path().join("reports/parabola");
/// let mut report = Report::create(directory, "A parabola")?;
///
/// let mut weight = Tensor::parameter(1.0);
/// let mut history = History::new(&weight);
/// for _ in 0..20 {
///     let loss = weight.square();
///     let gradients = loss.backward();
///     weight.update(|values| values[0] *= 0.5);
///     history.step(&weight, &gradients, &loss, 0.25);
/// }
///
/// report.fact("Seed", 7);
/// report.history(&history);
/// let parabola = Chart::new("What was descended", "weight", "loss")
///     .line("w²", (-10..=10).map(|w| (f64::from(w) / 10.0, f64::from(w * w) / 100.0)));
/// report.section("The loss").picture(parabola.picture(), "Its only minimum is at 0.");
/// let page = report.write()?;
/// assert!(page.ends_with("report.html"));
/// # Ok::<(), downhill_report::Error>(())
/// ```
#[derive(Debug)]
pub struct Report {
    directory: Directory,
    title: String,
    run: Run,
    model: Option<String>,
    results: Vec<(String, String)>,
    result_tables: Vec<Table>,
    findings: Vec<Finding>,
    examined: bool,
    settings: Vec<(String, String)>,
    sections: Vec<Section>,
    /// The number of steps of the longest history, and of each epoch.
    steps: usize,
    steps_per_epoch: usize,
    /// Moments at which the page stops while it plays: the number of steps made until then, and what
    /// there is to see.
    marks: Vec<(usize, String)>,
    /// Files with the record of the run.
    tables: Vec<(String, Vec<u8>)>,
}

/// A part of a [`Report`] under a heading of its own.
#[derive(Debug)]
pub struct Section {
    title: String,
    texts: Vec<String>,
    entries: Vec<Entry>,
    tables: Vec<Table>,
}

/// A picture, or one of each of several moments: the number of steps made until then.
#[derive(Debug)]
struct Entry {
    frames: Vec<(usize, Picture)>,
    caption: String,
}

#[derive(Debug)]
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
enum Cell {
    Text(String),
    /// As an entry's.
    Pictures(Vec<(usize, Picture)>),
}

impl Report {
    /// Begins a report that will make up `directory`. What can prevent that is found out now,
    /// before the time is spent on training. The run's time is counted from here.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when the directory cannot be made, or is a file; [`Error::NotAReport`]
    /// when it holds anything but an earlier report, which would be lost.
    pub fn create(directory: impl AsRef<Path>, title: impl Into<String>) -> Result<Self, Error> {
        Ok(Self {
            directory: Directory::check(directory.as_ref())?,
            title: title.into(),
            run: Run::start(),
            model: None,
            results: Vec::new(),
            result_tables: Vec::new(),
            findings: Vec::new(),
            examined: false,
            settings: Vec::new(),
            sections: Vec::new(),
            steps: 0,
            steps_per_epoch: 0,
            marks: Vec::new(),
            tables: Vec::new(),
        })
    }

    /// Adds a fact about the run, such as its seed.
    pub fn fact(&mut self, name: impl Into<String>, value: impl Display) {
        self.run.fact(name, value);
    }

    /// Adds a setting of the run, such as the learning rate, or gives it another value. All of them
    /// belong here, those that were not changed, too: what was run shall be known from the page alone.
    pub fn setting(&mut self, name: impl Into<String>, value: impl Display) {
        let (name, value) = (name.into(), value.to_string());
        match self.settings.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.settings.push((name, value)),
        }
    }

    /// Adds a figure of the result, which stands first on the page.
    pub fn result(&mut self, name: impl Into<String>, value: impl Display) {
        self.results.push((name.into(), value.to_string()));
    }

    /// Adds something that is wrong with the run, to what was found in its histories and predictions.
    pub fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Marks the moment after `steps` steps: the page says what happened, and stops there while it
    /// plays. The best epochs of a [history](Self::history) are marked by themselves.
    pub fn mark(&mut self, steps: usize, what: impl Into<String>) {
        self.marks.push((steps, what.into()));
    }

    /// What is wrong with the run, as far as it was found in what was given.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Names a file that the run has read, with its size and its SHA-256 hash.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when the file cannot be read.
    pub fn data_file(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.run.data_file(path.as_ref())
    }

    /// Adds the summary of a model: what it prints.
    pub fn model(&mut self, model: impl Display) {
        self.model = Some(model.to_string());
    }

    /// The section with this heading, which is begun if there is none.
    pub fn section(&mut self, title: impl Into<String>) -> &mut Section {
        let title = title.into();
        let position = self.sections.iter().position(|section| section.title == title);
        let position = position.unwrap_or_else(|| {
            let (texts, entries, tables) = (Vec::new(), Vec::new(), Vec::new());
            self.sections.push(Section { title, texts, entries, tables });
            self.sections.len() - 1
        });
        &mut self.sections[position]
    }

    /// Writes the report and returns the path of its page. An earlier report in the same place is
    /// replaced as a whole: the new one is written beside it and then takes its name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when something cannot be written, as on a full disk; [`Error::NotAReport`]
    /// when other files have been put into the directory. The earlier report is then left as it was,
    /// and this one can be written again, or [elsewhere](Self::write_to).
    pub fn write(&self) -> Result<PathBuf, Error> {
        self.write_into(&self.directory)
    }

    /// Writes the report into another directory than the one it was begun for.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and of [`write`](Self::write).
    pub fn write_to(&self, directory: impl AsRef<Path>) -> Result<PathBuf, Error> {
        self.write_into(&Directory::check(directory.as_ref())?)
    }

    fn write_into(&self, directory: &Directory) -> Result<PathBuf, Error> {
        let picture_files = self.picture_files();
        let facts = self.run.facts();
        let page = Page {
            title: &self.title,
            results: &self.results,
            result_tables: &self.result_tables,
            findings: &self.findings,
            examined: self.examined,
            settings: &self.settings,
            sections: &self.sections,
            steps: self.steps,
            steps_per_epoch: self.steps_per_epoch,
            marks: &self.marks,
            picture_files: &picture_files,
            facts: &facts,
            model: self.model.as_deref(),
            tables: self.tables.iter().map(|(name, _)| name.as_str()).collect(),
        };
        let page = page.to_string();
        let pictures: Vec<String> = self.pictures().map(Picture::svg).collect();
        let files = picture_files
            .iter()
            .zip(&pictures)
            .map(|(name, svg)| (name.as_str(), svg.as_bytes()))
            .chain(self.tables.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
            .chain([("report.html", page.as_bytes())]);
        directory.replace(files)
    }

    /// The pictures that have a file of their own, in their order on the page.
    fn pictures(&self) -> impl Iterator<Item = &Picture> {
        let entries = self.sections.iter().flat_map(|section| &section.entries);
        entries.flat_map(|entry| &entry.frames).map(|(_, picture)| picture)
    }

    /// A file name for each picture from its title, no two the same.
    fn picture_files(&self) -> Vec<String> {
        let mut taken: Vec<String> = Vec::new();
        for picture in self.pictures() {
            let stem = file_stem(picture.title());
            let mut names = (1..).map(|number| match number {
                1 => format!("{stem}.svg"),
                _ => format!("{stem}-{number}.svg"),
            });
            let free = names.find(|name| !taken.contains(name)).expect("some number is free");
            taken.push(free);
        }
        taken
    }

    /// Adds what was found, each finding once.
    fn examine(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.examined = true;
        for finding in findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }
}

impl Section {
    /// Adds a picture, and below it what is to be seen.
    pub fn picture(&mut self, picture: Picture, caption: impl Into<String>) -> &mut Self {
        self.moments([(0, picture)], caption)
    }

    /// Adds a picture of each of several moments, with the number of steps made until then. The page
    /// shows one of them at a time, all of the same moment; without script it shows all.
    pub fn moments(
        &mut self,
        pictures: impl IntoIterator<Item = (usize, Picture)>,
        caption: impl Into<String>,
    ) -> &mut Self {
        let frames = pictures.into_iter().collect();
        self.entries.push(Entry { frames, caption: caption.into() });
        self
    }

    /// Adds a paragraph, which stands before the pictures.
    pub fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.texts.push(text.into());
        self
    }

    /// Adds a table, which stands after the pictures.
    pub fn table(
        &mut self,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> &mut Self {
        let cells = |row: Vec<String>| row.into_iter().map(Cell::Text).collect();
        self.tables.push(Table::new(header, rows.into_iter().map(cells).collect()));
        self
    }
}

impl Table {
    fn new(header: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        Self { header: header.iter().map(|&name| name.to_owned()).collect(), rows }
    }

    fn has_pictures(&self) -> bool {
        self.rows.iter().flatten().any(|cell| matches!(cell, Cell::Pictures(_)))
    }
}

/// `Gradient norm of layers.0` as `gradient-norm-of-layers-0`. What follows a colon is left out: it
/// may differ from run to run.
fn file_stem(title: &str) -> String {
    let title = title.split(": ").next().unwrap_or_default();
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let stem = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if stem.is_empty() { "picture".into() } else { stem.chars().take(80).collect() }
}

#[cfg(test)]
mod tests;
