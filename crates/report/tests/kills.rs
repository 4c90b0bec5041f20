//! A run that is killed while it writes its report harms neither the report before it nor the next
//! run.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use downhill_report::Report;
use downhill_report::plot::Chart;

/// The pictures in each report, so that a kill mostly falls into its writing.
const PICTURES: usize = 40;
const KILLS: u64 = 40;
const PLACE: &str = "DOWNHILL_TEST_REPORT";

fn write(path: &Path) {
    let mut report = Report::create(path, "A run").unwrap();
    for index in 0..PICTURES {
        let chart =
            Chart::new(format!("Line {index}"), "x", "y").line("a", [(0.0, 0.0), (1.0, 1.0)]);
        report.section("Lines").picture(chart.picture(), "");
    }
    report.write().unwrap();
}

/// The process that is killed: the other test runs it.
#[test]
#[ignore = "is run by the other test, until it is killed"]
fn reports_are_written_without_end() {
    let Some(place) = env::var_os(PLACE) else { return };
    loop {
        write(Path::new(&place));
    }
}

#[test]
fn a_killed_run_leaves_a_whole_report_and_does_not_block_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("report");
    write(&place);
    for kill in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["reports_are_written_without_end", "--exact", "--ignored"])
            .env(PLACE, &place)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(5 + 7 * kill % 53));
        assert!(child.try_wait().unwrap().is_none(), "a run failed after {kill} kills");
        child.kill().unwrap();
        child.wait().unwrap();
        let page = fs::read_to_string(place.join("report.html")).unwrap();
        assert!(page.trim_end().ends_with("</html>"), "the page is cut off");
        assert_eq!(fs::read_dir(&place).unwrap().count(), PICTURES + 1);
    }
    write(&place);
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["report"], "what killed runs have left is removed");
}
