use std::fs;

use downhill_datasets::{Classes, Csv, Dataset};
use downhill_tensor::Tensor;
use roxmltree::{Document, ParsingOptions};

use super::*;
use crate::plot::{Chart, DecisionMap, tests::check};
use downhill_train::History;

/// A directory for a report within another that is removed in the end.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report");
    (directory, path)
}

fn line(title: &str) -> Picture {
    Chart::new(title, "x", "y").line("a", [(0.0, 0.0), (1.0, 1.0)]).picture()
}

/// A record of the descent of w² from w = 1, where each step halves w, and two are an epoch.
fn descent(steps: usize) -> History<f64> {
    let mut weight = Tensor::parameter([1.0]);
    let mut history = History::new(&weight).every(1);
    for step in 0..steps {
        let loss = weight.square().sum();
        let gradients = loss.backward();
        weight.update(|values| values[0] *= 0.5);
        history.step(&weight, &gradients, &loss, 0.25);
        if step % 2 == 1 {
            history.epoch(&[("training loss", loss.item()), ("weight, \"w\"", weight.item())]);
        }
    }
    history
}

/// The names of what lies in a directory, in order.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Four samples of three classes and six features; the last is not the `<c>` that the logits take
/// it for.
fn classified(feature: fn(usize) -> String) -> (Tensor<f64>, Dataset<f64, Classes>) {
    let (_guard, path) = place();
    let header: Vec<String> = (0..6).map(feature).collect();
    let rows = "0,1,2,3,4,5,a\n9,8,7,6,5,4,b\n0,0,0,1,1,1,<c>\n1,1,1,0,0,0,a\n";
    fs::write(&path, format!("{},class\n{rows}", header.join(","))).unwrap();
    let data = Csv::new(&path).read_classification().unwrap();
    let class = |name| data.class_names().iter().position(|other| other == name).unwrap();
    let mut logits = ndarray::Array2::zeros((4, 3));
    for (row, predicted) in ["a", "b", "<c>", "<c>"].into_iter().enumerate() {
        logits[[row, class(predicted)]] = 3.0;
    }
    (Tensor::from(logits), data)
}

fn pixel(index: usize) -> String {
    format!("pixel_{}_{}", index / 3, index % 3)
}

/// A report with everything that one can hold, and its page.
fn whole(path: &Path) -> String {
    let mut report = Report::create(path, "Everything, & <more>").unwrap();
    report.fact("Seed", 7);
    report.setting("rate", 0.25);
    report.model("Linear(1 → 1)\n2 parameters");
    report.history(&descent(200));
    let (logits, data) = classified(pixel);
    report.classification(&logits, &data).unwrap();
    let actual = Tensor::from([1.0, 2.0, 4.0]);
    report.regression(&Tensor::from([1.5, 2.0, 3.5]), &actual).unwrap();
    report.coefficients(&[("age", 0.5), ("bmi", -2.0)]);
    let mut map = DecisionMap::new(&Tensor::from([[0.0, 1.0], [1.0, 0.0]]), &[0, 1], &["a", "b"]);
    map.capture(0, &map.grid().clone());
    map.capture(9, &map.grid().clone());
    report.decisions("Decisions", &map);
    report.language_model(&[2.0, 1.5, 1.0], &['.', 'a'], &[0.1, 0.9, 0.5, 0.5]);
    let own = report.section("One's own");
    own.text("A text.").picture(line("Loss by step"), "The second of this name.");
    own.table(&["name", "value"], [vec!["a & b".into(), "1".into()]]);
    fs::read_to_string(report.write().unwrap()).unwrap()
}

#[test]
fn the_page_is_well_formed_and_holds_every_picture_that_was_given() {
    let (_guard, path) = place();
    let page = whole(&path);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap();
    let texts = |tag: &'static str| {
        let nodes = document.descendants().filter(move |node| node.has_tag_name(tag));
        nodes.filter_map(|node| node.text()).map(str::trim).collect::<Vec<_>>()
    };
    assert_eq!(texts("h1"), ["Everything, & <more>"]);
    assert_eq!(
        texts("h2"),
        [
            "Learning",
            "Layers",
            "Classification",
            "Regression",
            "Decisions",
            "Language",
            "One's own",
            "The run"
        ]
    );
    assert!(texts("td").contains(&"a & b") && texts("td").contains(&"7"));
    assert_eq!(texts("h3"), ["Result", "Findings", "Settings"]);
    assert_eq!(texts("pre"), ["Linear(1 → 1)\n2 parameters"]);
    let svg = ("http://www.w3.org/2000/svg", "title");
    let titles: Vec<_> = document
        .descendants()
        .filter(|node| {
            node.has_tag_name(svg) && node.parent_element().unwrap().attribute("role").is_some()
        })
        .filter_map(|node| node.text())
        .collect();
    let (small, titles): (Vec<&str>, Vec<&str>) =
        titles.iter().partition(|title| title.contains(" of model at step "));
    // 50 histograms were made, and 9 are shown of each kind.
    assert_eq!(small.len(), 3 * 9);
    assert_eq!(
        (small[0], small[8]),
        ("weights of model at step 1", "weights of model at step 197")
    );
    assert_eq!(
        titles,
        [
            "Loss by step",
            "Loss by epoch",
            "Weight, \"w\" by epoch",
            "Gradient norm of each layer",
            "Update-to-weight ratio",
            "Confusion matrix",
            "Reliability: expected calibration error 0.1594",
            "Most confidently wrong",
            "Predicted against actual",
            "Residuals",
            "Coefficients",
            "Decisions before training",
            "Decisions after 9 steps",
            "Loss by position",
            "Probability of the next character",
            "Loss by step",
        ]
    );
}

#[test]
fn the_page_refers_to_nothing_but_its_own_parts_and_files() {
    let (_guard, path) = place();
    let page = whole(&path);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap();
    for node in document.descendants() {
        for loads in ["link", "img", "image", "iframe", "object", "use"] {
            assert!(!node.has_tag_name(loads), "{loads}");
        }
        assert!(node.attribute("src").is_none());
        if let Some(target) = node.attribute("href") {
            match target.strip_prefix('#') {
                Some(id) => {
                    assert!(document.descendants().any(|node| node.attribute("id") == Some(id)));
                }
                None => assert!(path.join(target).is_file(), "{target}"),
            }
        }
    }
    let pictures = page.matches("<svg").count();
    assert_eq!(page.matches("http").count(), pictures, "each names SVG's namespace, no more");
    assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("NaN"));
    // Those in the table of layers have no files of their own.
    assert_eq!(names(&path).iter().filter(|name| name.ends_with(".svg")).count(), pictures - 27);
    assert!(names(&path).contains(&"loss-by-step-2.svg".into()));
    for file in ["epochs.csv", "history.jsonl", "reliability.svg", "steps.csv"] {
        assert!(names(&path).contains(&file.into()), "{file}");
    }
}

#[test]
fn pictures_of_a_run_are_legible_and_have_a_curve_for_each_source() {
    let (_guard, path) = place();
    let mut report = Report::create(path, "").unwrap();
    let mut history = descent(40);
    history.epoch(&[("validation loss", 0.1), ("training loss", 0.2)]);
    report.history(&history);
    for picture in report.pictures() {
        let texts = check(picture);
        if picture.title() == "Loss by epoch" {
            assert_eq!(texts[1..3], ["training", "validation"]);
        }
    }
    let caption = |title: &str| {
        let entries = report.sections.iter().flat_map(|section| &section.entries);
        entries
            .into_iter()
            .find(|entry| entry.frames[0].1.title() == title)
            .unwrap()
            .caption
            .clone()
    };
    let often = "Training at the end of each epoch, validation at the end of 1 of 21 epochs.";
    assert!(caption("Loss by epoch").starts_with(often), "{}", caption("Loss by epoch"));
}

#[test]
fn runs_side_by_side_have_a_curve_and_a_record_each() {
    let (_guard, path) = place();
    let mut report = Report::create(&path, "").unwrap();
    report.comparison(&[("fast", &descent(40)), ("slow & sure", &descent(60))]);
    let titles: Vec<_> = report.pictures().map(Picture::title).collect();
    assert_eq!(
        titles,
        ["Loss by step", "Training loss by epoch", "Weight, \"w\" by epoch"],
        "the learning rates are constant"
    );
    for picture in report.pictures() {
        assert_eq!(check(picture)[1..3], ["fast", "slow & sure"]);
    }
    let rate = ("learning rate".to_owned(), "0.25, at every step".to_owned());
    assert!(report.results.contains(&rate), "{:?}", report.results);
    report.write().unwrap();
    for file in ["steps-fast.csv", "epochs-slow-sure.csv", "history-slow-sure.jsonl"] {
        assert!(names(&path).contains(&file.into()), "{:?}", names(&path));
    }
}

#[test]
fn losses_of_different_names_do_not_share_an_axis() {
    let (_guard, path) = place();
    let mut report = Report::create(&path, "").unwrap();
    let squared = descent(20).loss_named("squared error");
    report.comparison(&[("a", &descent(20)), ("b", &squared), ("c", &descent(30))]);
    let titles: Vec<_> = report
        .pictures()
        .take(2)
        .map(|picture| {
            (
                picture.title().to_owned(),
                check(picture).iter().filter(|text| text.len() == 1).count(),
            )
        })
        .collect();
    let named = |name: &str| titles.iter().find(|(title, _)| title == name).unwrap();
    assert!(
        named("Loss by step").1 >= 2
            && titles.iter().any(|(title, _)| title == "Squared error by step")
    );
}

#[test]
fn layers_are_a_table_with_a_row_a_layer() {
    let (_guard, path) = place();
    let mut report = Report::create(&path, "").unwrap();
    let mut layers: Vec<Vec<Tensor>> =
        (0..30).map(|_| vec![Tensor::parameter(1.0), Tensor::parameter(2.0)]).collect();
    let mut history = History::new(&layers).every(1);
    for _ in 0..9 {
        let loss =
            layers.iter().fold(Tensor::from(1.0), |loss, layer| loss * &layer[0] * &layer[1]);
        let gradients = loss.backward();
        layers.iter_mut().for_each(|layer| layer[0].update(|values| values[0] -= 0.1));
        history.step(&layers, &gradients, &loss, 0.1);
    }
    report.layers("One of them", &history);
    let section = &report.sections[0];
    assert_eq!(section.title, "One of them");
    let rows = &section.tables[0].rows;
    assert_eq!(section.tables[0].header[0], "layer (5 of 30)");
    assert_eq!(rows.len(), 5);
    assert!(matches!(&rows[4][0], Cell::Text(name) if name == "29"));
    // Steps 1, 5 and 9.
    assert!(matches!(&rows[0][1], Cell::Pictures(frames) if frames.len() == 3));
}

#[test]
fn a_report_that_cannot_be_written_can_be_written_elsewhere() {
    let (guard, path) = place();
    let mut report = Report::create(&path, "").unwrap();
    report.section("A").picture(line("Kept"), "");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("notes.txt"), "").unwrap();
    assert!(report.write().is_err());
    let page = report.write_to(guard.path().join("elsewhere")).unwrap();
    assert!(fs::read_to_string(&page).unwrap().contains("<svg"));
    fs::remove_file(path.join("notes.txt")).unwrap();
    assert!(report.write().is_ok(), "and in its place, once that is possible");
}

#[test]
fn mistakes_are_drawn_if_they_are_images_and_listed_if_not() {
    let (_guard, path) = place();
    let (logits, data) = classified(|column| format!("column {column}"));
    let mut report = Report::create(&path, "").unwrap();
    report.classification(&logits, &data).unwrap();
    let section = report.section("Classification");
    assert_eq!(section.entries.len(), 2);
    // e³ / (e³ + 2) = 0.909
    let texts: Vec<&str> = section.tables[0].rows[0]
        .iter()
        .map(|cell| match cell {
            Cell::Text(text) => text.as_str(),
            Cell::Pictures(_) => panic!("a picture among the mistakes"),
        })
        .collect();
    assert_eq!(texts, ["4", "a", "<c>", "90.9 %"]);
    assert!(report.results.contains(&("accuracy".into(), "0.7500".into())));

    let right = data.select(&[0, 1, 2]);
    let mut report = Report::create(&path, "").unwrap();
    report.classification(&logits.slice(0, ..3), &right).unwrap();
    assert_eq!(report.section("Classification").texts[0], "There is no mistake.");
    let too_few = report.classification(&logits.slice(0, ..2), &right).unwrap_err();
    assert!(too_few.to_string().contains('2'), "{too_few}");
}

#[test]
fn a_report_takes_the_place_of_an_earlier_one_as_a_whole() {
    let (guard, path) = place();
    let mut first = Report::create(&path, "first").unwrap();
    first.section("A").picture(line("Only here"), "");
    first.write().unwrap();
    assert_eq!(names(&path), ["only-here.svg", "report.html"]);

    let mut second = Report::create(&path, "second").unwrap();
    second.section("A").picture(line("Only there"), "");
    assert_eq!(names(&path), ["only-here.svg", "report.html"], "nothing changes before the end");
    second.write().unwrap();
    assert_eq!(names(&path), ["only-there.svg", "report.html"]);
    assert!(fs::read_to_string(path.join("report.html")).unwrap().contains("second"));
    assert_eq!(names(guard.path()), ["report"], "nothing is left beside it");
}

#[test]
fn a_directory_of_other_things_is_left_alone() {
    let (guard, path) = place();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("thesis.tex"), "").unwrap();
    let error = Report::create(&path, "").unwrap_err().to_string();
    assert!(error.contains("holds thesis.tex, which is not part of a report"), "{error}");
    assert_eq!(error.lines().count(), 1);
    fs::rename(path.join("thesis.tex"), path.join("sales.csv")).unwrap();
    let error = Report::create(&path, "").unwrap_err().to_string();
    assert!(error.contains("holds sales.csv"), "{error}");

    // Something is put there while the training goes on.
    fs::remove_file(path.join("sales.csv")).unwrap();
    let report = Report::create(&path, "").unwrap();
    fs::write(path.join("notes.txt"), "").unwrap();
    assert!(matches!(report.write(), Err(Error::NotAReport { .. })));
    assert_eq!(
        (names(&path), names(guard.path())),
        (vec!["notes.txt".into()], vec!["report".into()])
    );
}

#[test]
fn a_place_that_cannot_be_a_directory_is_refused_before_the_run() {
    let (guard, path) = place();
    fs::write(&path, "a file").unwrap();
    for path in [path.clone(), path.join("below/a/file"), PathBuf::from("/")] {
        let error = Report::create(&path, "").unwrap_err();
        assert!(matches!(error, Error::Write { .. } | Error::NotAReport { .. }), "{error:?}");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    assert_eq!(names(guard.path()), ["report"]);
}
