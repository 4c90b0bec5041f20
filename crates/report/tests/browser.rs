//! The page's script in a real browser: values are read off a chart, and one slider moves all
//! pictures. Skipped where there is no Chromium.

use std::fs;
use std::process::Command;

use downhill_report::Report;
use downhill_report::plot::Chart;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What is done to the page in a frame beside it, and what is seen then: written into the title.
const PROBE: &str = r#"<iframe id="page" src="report/report.html" width="1200" height="900"></iframe>
<script>onload = () => {
  const page = document.getElementById('page'), inner = page.contentDocument, Window = page.contentWindow;
  const svg = inner.querySelector('g[data-frame]').ownerSVGElement, box = svg.getBoundingClientRect();
  svg.dispatchEvent(new Window.PointerEvent('pointermove',
    { clientX: box.left + box.width * 0.6, clientY: box.top + box.height * 0.6 }));
  const slider = inner.querySelector('.time input');
  const shown = () => [...inner.querySelectorAll('.frames')].map(frames =>
    [...frames.children].filter(frame => !frame.hidden).map(frame => frame.dataset.step).join()).join('|');
  const seen = [inner.querySelector('.tip').textContent, inner.querySelectorAll('.faded').length, shown()];
  slider.value = 1;
  slider.dispatchEvent(new Window.Event('input'));
  seen.push(shown(), inner.querySelector('.time output').textContent);
  document.title = seen.join(' / ').replaceAll('\n', ', ');
};</script>"#;

#[test]
fn values_are_read_off_a_chart_and_one_slider_moves_all_pictures() {
    let found = BROWSERS.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        eprintln!("skipped: none of {BROWSERS:?} is installed");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let mut report = Report::create(directory.path().join("report"), "A run").unwrap();
    let line = |height: f64| (0..=10).map(move |x| (f64::from(x), height));
    let chart = Chart::new("Loss", "step", "loss").line("high", line(3.0)).line("low", line(1.0));
    let small = |step: usize| {
        (step, Chart::new(format!("At {step}"), "x", "y").line("a", line(step as f64)).picture())
    };
    let section = report.section("Learning");
    section
        .picture(chart.picture(), "")
        .moments([0, 4, 8].map(small), "")
        .moments([0, 8].map(small), "");
    report.mark(4, "the best\nso far");
    report.write().unwrap();
    let probe = directory.path().join("probe.html");
    fs::write(&probe, PROBE).unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]);
    command.args(["--virtual-time-budget=3000", "--dump-dom"]);
    let output = command.arg(format!("file://{}", probe.display())).output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let seen = title.unwrap_or_else(|| panic!("the probe has not run: {page}"));
    let [tip, faded, last, first, moment] = seen.split(" / ").collect::<Vec<_>>()[..] else {
        panic!("{seen}")
    };
    assert!(tip.starts_with("step ") && tip.contains("high: 3") && tip.contains("low: 1"), "{tip}");
    assert!(faded == "0" || faded == "1", "{faded}");
    assert_eq!((last, first, moment), ("8|8", "4|0", "step 4: the best so far"));
}
