//! The lessons' pages in a real browser, as wide as a phone and as a screen, light and dark, with their
//! script and without: nothing sticks out, no text stands over another or too pale, nothing is asked of
//! a network, charts tell their values, and the slider moves all pictures and stops at the marks.
//! Skipped, visibly, where there is no Chromium. With `REPORT_SCREENSHOTS=DIR` the pages, and more
//! of them, are also photographed.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::example;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const WIDTHS: [u32; 2] = [400, 1600];
const SCHEMES: [(&str, u32); 2] = [("dark", 0), ("light", 1)];
/// The height within which ten networks side by side are to be compared, on a screen.
const TALLEST: f64 = 6000.0;

/// The lessons whose pages are looked at, with what makes them short.
const LESSONS: [(&str, &str); 9] = [
    ("digits", "--epochs 3"),
    // It diverges.
    ("digits", "--learning-rate 1e8"),
    ("spirals", "--epochs 20 --points 100"),
    ("spirals", "--compare sgd,adam,lion --epochs 20 --points 100"),
    ("diabetes", "--epochs 200"),
    ("names", "--model bigram --epochs 2"),
    ("soft_targets", "--epochs 2"),
    ("imbalance", "--epochs 12 --runs 2"),
    ("gradients", "--epochs 3"),
];

/// Looked at only where they are photographed, as they take longer and show little else.
const MORE: [(&str, &str); 5] = [
    ("digits", "--hidden 0 --epochs 2"),
    ("digits", "--model cnn --epochs 2"),
    ("digits", "--data data/iris.csv --epochs 5"),
    ("names", "--model mlp --epochs 2"),
    ("names", "--model transformer --epochs 2"),
];

/// The page in frames of each width, with its script and without.
fn probe() -> String {
    let frame = |(width, sandbox): (u32, &str)| {
        let tallest =
            if width == 400 { String::new() } else { format!(" data-tallest=\"{TALLEST}\"") };
        format!(
            "<iframe src=\"report/report.html\" width=\"{width}\" height=\"900\"{sandbox}{tallest}></iframe>\n"
        )
    };
    let sandboxes = ["", " sandbox=\"allow-same-origin\""];
    let frames: String =
        WIDTHS.into_iter().flat_map(|width| sandboxes.map(|it| (width, it))).map(frame).collect();
    format!(
        "<meta charset=\"utf-8\"><style>iframe {{ display: block; border: 0 }}</style>\n\
         <pre id=\"seen\"></pre>\n{frames}<script>\n{}</script>\n",
        include_str!("browser.js")
    )
}

#[test]
fn pages_are_whole_legible_and_alive_on_a_phone_and_a_screen_light_and_dark() {
    let found = BROWSERS.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        eprintln!("SKIPPED: none of {BROWSERS:?} is installed");
        return;
    };
    let mut wrong = String::new();
    let folder = env::var_os("REPORT_SCREENSHOTS");
    let more = if folder.is_some() { &MORE[..] } else { &[] };
    for (index, (name, arguments)) in LESSONS.iter().chain(more).enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let report = directory.path().join("report");
        let words = arguments.split_whitespace();
        // Status 1 is that of a run that diverged.
        let status = if arguments.contains("1e8") { 1 } else { 0 };
        let mut lesson = example(name);
        lesson.args(words).args(["--quiet", "--report"]).arg(&report).assert().code(status);
        fs::write(directory.path().join("probe.html"), probe()).unwrap();
        let probe = directory.path().join("probe.html");
        let (browser, probe) = (*browser, &probe);
        let both = thread::scope(|scope| {
            let seen =
                SCHEMES.map(|(_, scheme)| scope.spawn(move || faults(browser, probe, scheme)));
            seen.map(|seen| seen.join().unwrap())
        });
        for ((scheme, _), lines) in SCHEMES.into_iter().zip(both) {
            for line in lines {
                wrong += &format!("{name} {arguments}, {scheme}: {line}\n");
            }
        }
        if let Some(folder) = &folder {
            photograph(browser, &report.join("report.html"), Path::new(folder), index, name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is wrong with the page, as the probe says, and what its script complains of.
fn faults(browser: &str, probe: &Path, scheme: u32) -> Vec<String> {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.args(["--allow-file-access-from-files", "--virtual-time-budget=120000", "--dump-dom"]);
    command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
    let output = command.arg(format!("file://{}", probe.display())).output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let seen =
        page.split("<pre id=\"seen\">[").nth(1).and_then(|rest| rest.split("]</pre>").next());
    let seen = seen.unwrap_or_else(|| panic!("the probe has not run: {page} {said}"));
    let complained = |line: &&str| line.contains("CONSOLE") && !line.contains("is sandboxed");
    let complaints = said.lines().filter(complained);
    seen.lines().chain(complaints).map(str::to_owned).collect()
}

fn photograph(browser: &str, page: &Path, folder: &Path, index: usize, name: &str) {
    fs::create_dir_all(folder).unwrap();
    for width in WIDTHS {
        for (scheme, number) in SCHEMES {
            let picture = folder.join(format!("{index}-{name}-{width}-{scheme}.png"));
            let frame = folder.join("frame.html");
            let source = page.display();
            let text = format!(
                "<style>body {{ margin: 0 }} iframe {{ border: 0 }}</style>\n\
                 <iframe src=\"file://{source}\" width=\"{width}\" height=\"3000\"></iframe>"
            );
            fs::write(&frame, text).unwrap();
            let mut command = Command::new(browser);
            command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
            command.args(["--virtual-time-budget=5000"]);
            command.arg(format!("--window-size={},3000", width.max(500)));
            command.arg(format!("--blink-settings=preferredColorScheme={number}"));
            command.arg(format!("--screenshot={}", picture.display()));
            let output = command.arg(format!("file://{}", frame.display())).output().unwrap();
            assert!(output.status.success() && picture.exists(), "{output:?}");
        }
    }
}
