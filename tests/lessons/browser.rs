//! The lessons' pages in a real browser, as wide as a phone and as a screen: nothing sticks out, what
//! is hovered over is told, and the slider moves the pictures. Skipped, visibly, where there is no
//! Chromium. With `REPORT_SCREENSHOTS=DIR` each page is also photographed, light and dark.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{example, stdout};

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const WIDTHS: [u32; 2] = [400, 1600];
/// The height within which ten networks side by side are to be compared, on a screen.
const TALLEST: f64 = 6000.0;

/// The lessons whose pages are looked at, with what makes them short.
const LESSONS: [(&str, &str); 8] = [
    ("digits", "--epochs 3"),
    ("spirals", "--epochs 20 --points 100"),
    ("spirals", "--compare sgd,adam,lion --epochs 20 --points 100"),
    ("diabetes", "--epochs 200"),
    ("names", "--model bigram --epochs 2"),
    ("soft_targets", "--epochs 1"),
    ("imbalance", "--epochs 12 --runs 2"),
    ("gradients", "--epochs 3"),
];

/// What is done to the page in a frame of each width, and what is seen then: written into the title
/// as `width height sticks-out tip moved`, a line for each width.
const PROBE: &str = r#"<style>iframe { display: block; border: 0 }</style>
<iframe src="report/report.html" width="400" height="900"></iframe>
<iframe src="report/report.html" width="1600" height="900"></iframe>
<script>onload = () => {
  document.title = [...document.querySelectorAll('iframe')].map(frame => {
    const inner = frame.contentDocument, Window = frame.contentWindow, root = inner.documentElement;
    const lines = inner.querySelector('g[data-frame] [data-name]');
    const svg = lines.ownerSVGElement, box = svg.getBoundingClientRect();
    const at = { clientX: box.left + box.width * 0.6, clientY: box.top + box.height * 0.6 };
    svg.dispatchEvent(new Window.PointerEvent('pointermove', at));
    const tip = inner.querySelector('.tip'), told = !tip.hidden && tip.textContent.length > 0;
    const outside = tip.getBoundingClientRect().right > frame.clientWidth;
    const slider = inner.querySelector('.time input');
    const shown = () => inner.querySelectorAll('.frames > [hidden]').length
      + [...inner.querySelectorAll('.frames > :not([hidden])')].map(it => it.dataset.step).join();
    const before = shown();
    if (slider) { slider.value = 0; slider.dispatchEvent(new Window.Event('input')); }
    return [frame.clientWidth, root.scrollHeight, root.scrollWidth > frame.clientWidth || outside,
      told, before !== shown()].join(' ');
  }).join('/');
};</script>"#;

#[test]
fn pages_fit_a_phone_and_a_screen_and_answer_the_pointer() {
    let found = BROWSERS.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        eprintln!("SKIPPED: none of {BROWSERS:?} is installed");
        return;
    };
    for (index, (name, arguments)) in LESSONS.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let report = directory.path().join("report");
        let words = arguments.split_whitespace();
        stdout(example(name).args(words).args(["--quiet", "--report"]).arg(&report));
        let probe = directory.path().join("probe.html");
        fs::write(&probe, PROBE).unwrap();
        let mut command = Command::new(browser);
        command.args(["--headless", "--no-sandbox", "--disable-gpu"]);
        command.args([
            "--allow-file-access-from-files",
            "--virtual-time-budget=5000",
            "--dump-dom",
        ]);
        let output = command.arg(format!("file://{}", probe.display())).output().unwrap();
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        let seen = title.unwrap_or_else(|| panic!("{name}: the probe has not run: {page}"));
        let lines: Vec<&str> = seen.split('/').collect();
        assert_eq!(lines.len(), WIDTHS.len(), "{name}: {seen}");
        for (line, width) in lines.into_iter().zip(WIDTHS) {
            let [found_width, height, sticks_out, told, moved] =
                line.split(' ').collect::<Vec<_>>()[..]
            else {
                panic!("{name}: {line}")
            };
            assert_eq!(found_width, width.to_string());
            assert_eq!((sticks_out, told), ("false", "true"), "{name}, {width} wide: {line}");
            assert_eq!(moved, "true", "{name}, {width} wide: {line}");
            let height: f64 = height.parse().unwrap();
            assert!(width == 400 || height <= TALLEST, "{name} is {height} high");
        }
        if let Some(folder) = env::var_os("REPORT_SCREENSHOTS") {
            photograph(browser, &report.join("report.html"), Path::new(&folder), index, name);
        }
    }
}

fn photograph(browser: &str, page: &Path, folder: &Path, index: usize, name: &str) {
    fs::create_dir_all(folder).unwrap();
    for width in WIDTHS {
        for (scheme, number) in [("dark", 0), ("light", 1)] {
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
