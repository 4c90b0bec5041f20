//! The page of a run.

mod directory;
mod history;
mod layers;
mod predictions;
mod run;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use askama::Template;

use crate::error::Error;
use crate::plot::Picture;
use directory::Directory;
use run::Run;

/// A page about a run, `report.html`, with its pictures in it, and beside it the same pictures as
/// SVG files and the record of the run as tables. The page needs no network and no script, is
/// legible on a phone, and follows the reader's choice of light or dark.
///
/// Each section is there if something was given for it: what was learned
/// ([`history`](Self::history), or [`comparison`](Self::comparison) of several runs), how good it is ([`classification`](Self::classification),
/// [`regression`](Self::regression)), and whatever else is put into a
/// [`section`](Self::section) of one's own. What the run was stands at the end.
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
    sections: Vec<Section>,
    /// Files with the record of the run.
    tables: Vec<(String, Vec<u8>)>,
}

/// A part of a [`Report`] under a heading of its own.
#[derive(Debug)]
pub struct Section {
    title: String,
    texts: Vec<String>,
    pictures: Vec<Entry>,
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Entry {
    picture: Picture,
    caption: String,
    /// The name of the picture's own file.
    file: String,
}

#[derive(Debug)]
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: &'a str,
    sections: &'a [Section],
    facts: &'a [(String, String)],
    model: Option<&'a str>,
    tables: Vec<&'a str>,
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
            sections: Vec::new(),
            tables: Vec::new(),
        })
    }

    /// Adds a fact about the run, such as its seed.
    pub fn fact(&mut self, name: impl Into<String>, value: impl Display) {
        self.run.fact(name, value);
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
            let (texts, pictures, tables) = (Vec::new(), Vec::new(), Vec::new());
            self.sections.push(Section { title, texts, pictures, tables });
            self.sections.len() - 1
        });
        &mut self.sections[position]
    }

    /// Writes the report and returns the path of its page. An earlier report in the same place is
    /// replaced as a whole: the new one is written beside it and then takes its name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] when something cannot be written; [`Error::NotAReport`] when other files
    /// have been put into the directory. The earlier report is then left as it was.
    pub fn write(mut self) -> Result<PathBuf, Error> {
        self.name_pictures();
        let facts = self.run.facts();
        let page = Page {
            title: &self.title,
            sections: &self.sections,
            facts: &facts,
            model: self.model.as_deref(),
            tables: self.tables.iter().map(|(name, _)| name.as_str()).collect(),
        };
        let page = page.render().expect("text is put into a string, which does not fail");
        let pictures = self.sections.iter().flat_map(|section| &section.pictures);
        let files = pictures
            .map(|entry| (entry.file.as_str(), entry.picture.svg().as_bytes()))
            .chain(self.tables.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())))
            .chain([("report.html", page.as_bytes())]);
        self.directory.replace(files)
    }

    /// Gives every picture a file name from its title, no two the same.
    fn name_pictures(&mut self) {
        let mut taken: Vec<String> = Vec::new();
        for entry in self.sections.iter_mut().flat_map(|section| &mut section.pictures) {
            let stem = file_stem(entry.picture.title());
            let names = (1..).map(|number| match number {
                1 => format!("{stem}.svg"),
                _ => format!("{stem}-{number}.svg"),
            });
            let free = names.into_iter().find(|name| !taken.contains(name));
            entry.file = free.expect("some number is free");
            taken.push(entry.file.clone());
        }
    }
}

impl Section {
    /// Adds a picture, and below it what is to be seen.
    pub fn picture(&mut self, picture: Picture, caption: impl Into<String>) -> &mut Self {
        self.pictures.push(Entry { picture, caption: caption.into(), file: String::new() });
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
        let header = header.iter().map(|&name| name.to_owned()).collect();
        self.tables.push(Table { header, rows: rows.into_iter().collect() });
        self
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
