//! The page itself.

use std::fmt;

use super::{Cell, Entry, Section, Table};
use crate::plot::{Escaped, Picture};
use downhill_train::Finding;

/// The lines of a model from which on it is shown only when asked for.
const LONG: usize = 30;

/// What the page is made of.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) results: &'a [(String, String)],
    pub(super) result_tables: &'a [Table],
    pub(super) findings: &'a [Finding],
    /// Whether findings were looked for.
    pub(super) examined: bool,
    pub(super) settings: &'a [(String, String)],
    pub(super) sections: &'a [Section],
    pub(super) steps: usize,
    pub(super) steps_per_epoch: usize,
    pub(super) marks: &'a [(usize, String)],
    /// The name of each picture's own file, in the order of the pictures.
    pub(super) picture_files: &'a [String],
    pub(super) facts: &'a [(String, String)],
    pub(super) model: Option<&'a str>,
    /// The files with the record of the run.
    pub(super) tables: Vec<&'a str>,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = Escaped(self.title);
        write!(
            f,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n\
             <style>\n{}{}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
            include_str!("page.css"),
            Picture::style_sheet()
        )?;
        self.head(f)?;
        let (epoch, steps) = (self.steps_per_epoch, self.steps);
        write!(f, "<nav data-epoch=\"{epoch}\" data-steps=\"{steps}\" data-marks=\"")?;
        for (step, what) in self.marks {
            writeln!(f, "{step} {}", Escaped(&what.replace('\n', " ")))?;
        }
        f.write_str("\">")?;
        for (index, section) in self.sections.iter().enumerate() {
            write!(f, "<a href=\"#section-{index}\">{}</a>", Escaped(&section.title))?;
        }
        f.write_str("<a href=\"#run\">The run</a></nav>\n")?;
        let mut files = self.picture_files.iter();
        for (index, section) in self.sections.iter().enumerate() {
            let title = Escaped(&section.title);
            writeln!(f, "<section id=\"section-{index}\">\n<h2>{title}</h2>")?;
            for text in &section.texts {
                writeln!(f, "<p>{}</p>", Escaped(text))?;
            }
            let (pictured, tables): (Vec<&Table>, Vec<&Table>) =
                section.tables.iter().partition(|table| table.has_pictures());
            if !section.entries.is_empty() || !pictured.is_empty() {
                f.write_str("<div class=\"pictures\">\n")?;
                for entry in &section.entries {
                    write_entry(f, entry, &mut files)?;
                }
                for table in pictured {
                    f.write_str("<div class=\"card layers two-columns\">")?;
                    write_table(f, table)?;
                    f.write_str("</div>\n")?;
                }
                f.write_str("</div>\n")?;
            }
            for table in tables {
                f.write_str("<div class=\"wide\">")?;
                write_table(f, table)?;
                f.write_str("</div>\n")?;
            }
            f.write_str("</section>\n")?;
        }
        self.run(f)?;
        write!(f, "<script>\n{}</script>\n</body>\n</html>\n", Script(include_str!("page.js")))
    }
}

impl Page<'_> {
    /// The result first, what is wrong with it, and what was asked for.
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<div class=\"head\">\n")?;
        if !self.results.is_empty() || !self.result_tables.is_empty() {
            f.write_str("<div class=\"card two-columns\"><h3>Result</h3>")?;
            for table in self.result_tables {
                write_table(f, table)?;
            }
            write_pairs(f, self.results)?;
            f.write_str("</div>\n")?;
        }
        if !self.findings.is_empty() {
            f.write_str("<div class=\"card findings\"><h3>Findings</h3><ul>")?;
            for finding in self.findings {
                let (observation, advice) =
                    (Escaped(&finding.observation), Escaped(&finding.advice));
                write!(f, "<li><strong>{observation}</strong> {advice}</li>")?;
            }
            f.write_str("</ul></div>\n")?;
        } else if self.examined {
            f.write_str(
                "<div class=\"card\"><h3>Findings</h3>None: nothing that is known to go wrong in \
                 training was found.</div>\n",
            )?;
        }
        if !self.settings.is_empty() {
            f.write_str("<div class=\"card\"><h3>Settings</h3>")?;
            write_pairs(f, self.settings)?;
            f.write_str("</div>\n")?;
        }
        f.write_str("</div>\n")
    }

    fn run(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<section id=\"run\">\n<h2>The run</h2>\n<div class=\"wide facts\">")?;
        write_pairs(f, self.facts)?;
        f.write_str("</div>\n")?;
        if let Some(model) = self.model {
            let lines = model.lines().count();
            match lines > LONG {
                true => writeln!(
                    f,
                    "<details><summary>The model, in {lines} lines</summary><pre>{}</pre></details>",
                    Escaped(model)
                )?,
                false => writeln!(f, "<pre>{}</pre>", Escaped(model))?,
            }
        }
        if !self.tables.is_empty() {
            f.write_str("<p>The record of the run as tables: ")?;
            for (index, file) in self.tables.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}<a href=\"{0}\">{0}</a>", Escaped(file))?;
            }
            f.write_str(".</p>\n")?;
        }
        f.write_str("</section>\n")
    }
}

fn write_entry<'a>(
    f: &mut fmt::Formatter<'_>,
    entry: &Entry,
    files: &mut impl Iterator<Item = &'a String>,
) -> fmt::Result {
    let wide = entry.frames.iter().any(|(_, picture)| picture.is_wide());
    f.write_str(if wide { "<figure class=\"whole-row\">\n" } else { "<figure>\n" })?;
    let links: Vec<&String> = files.take(entry.frames.len()).collect();
    write_frames(f, &entry.frames)?;
    // Without a text, the links stand beside the label of the axis.
    let class = if entry.caption.is_empty() { " class=\"bare\"" } else { "" };
    write!(f, "<figcaption{class}>{}", Escaped(&entry.caption))?;
    match &links[..] {
        [file] => write!(f, " <a href=\"{}\">SVG</a>", Escaped(file))?,
        links => {
            f.write_str(" SVG:")?;
            for (file, (step, _)) in links.iter().zip(&entry.frames) {
                write!(f, " <a href=\"{}\">{step}</a>", Escaped(file))?;
            }
        }
    }
    f.write_str("</figcaption>\n</figure>\n")
}

/// A picture, or one for each of several moments.
fn write_frames(f: &mut fmt::Formatter<'_>, frames: &[(usize, Picture)]) -> fmt::Result {
    if let [(_, picture)] = frames {
        return f.write_str(&picture.embedded());
    }
    f.write_str("<div class=\"frames\">")?;
    for (step, picture) in frames {
        writeln!(f, "<div data-step=\"{step}\">{}</div>", picture.embedded())?;
    }
    f.write_str("</div>")
}

fn write_table(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    f.write_str("<table>\n<tr>")?;
    for name in &table.header {
        write!(f, "<th scope=\"col\">{}</th>", Escaped(name))?;
    }
    f.write_str("</tr>\n")?;
    for row in &table.rows {
        f.write_str("<tr>")?;
        for cell in row {
            f.write_str("<td>")?;
            match cell {
                Cell::Text(text) => write!(f, "{}", Escaped(text))?,
                Cell::Pictures(frames) => write_frames(f, frames)?,
            }
            f.write_str("</td>")?;
        }
        f.write_str("</tr>\n")?;
    }
    f.write_str("</table>")
}

fn write_pairs(f: &mut fmt::Formatter<'_>, pairs: &[(String, String)]) -> fmt::Result {
    if pairs.is_empty() {
        return Ok(());
    }
    f.write_str("<table>\n")?;
    for (name, value) in pairs {
        writeln!(
            f,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            Escaped(name),
            Escaped(value)
        )?;
    }
    f.write_str("</table>")
}

/// A script, so written that a reader of XML passes over it.
struct Script(&'static str);

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "//<![CDATA[\n{}//]]>\n", self.0)
    }
}
