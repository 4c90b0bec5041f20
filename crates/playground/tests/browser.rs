//! The page in headless Chromium, with either carrier. Skipped, visibly, where there is no Chromium
//! (`chromium` in the path, or `$CHROMIUM`) or no `playwright-core` that `node` finds from
//! `$PLAYGROUND_NODE_MODULES`, or from here.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program that serves the page, ended when it is dropped.
struct Server(Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve() -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_downhill-playground"))
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http")).unwrap().to_owned();
    Server(child, url)
}

fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH")?;
    given.or_else(|| {
        std::env::split_paths(&path)
            .flat_map(|folder| names.map(|name| folder.join(name)))
            .find(|file| file.is_file())
    })
}

/// Runs the checks on a page, or says why not.
fn check(url: &str, carrier: &str) {
    let Some(chromium) = chromium() else {
        eprintln!("SKIPPED: there is no Chromium; `apt install chromium` brings it");
        return;
    };
    // The script is run from where its package is found.
    let modules = std::env::var_os("PLAYGROUND_NODE_MODULES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node_modules"),
        PathBuf::from,
    );
    if !modules.join("playwright-core").is_dir() {
        eprintln!(
            "SKIPPED: there is no playwright-core in {}; `npm install --prefix \
             crates/playground/tests playwright-core` brings it",
            modules.display()
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("browser.mjs");
    std::fs::write(&script, include_str!("browser.mjs")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).unwrap();
    let output = Command::new("node")
        .arg(&script)
        .args([url, carrier])
        .args(std::env::var_os("PLAYGROUND_SCREENSHOTS"))
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_page_works_with_the_program() {
    let server = serve();
    check(&server.1, "http");
}

#[test]
fn the_page_works_from_one_file() {
    let folder = std::env::var_os("PLAYGROUND_SITE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/playground"),
        PathBuf::from,
    );
    let file = folder.join("playground.html");
    let changed = |file: &Path| file.metadata().and_then(|data| data.modified()).ok();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let newest = page.read_dir().unwrap().filter_map(|entry| changed(&entry.ok()?.path())).max();
    // A page made of older files tells nothing of these.
    if changed(&file) <= newest {
        eprintln!("SKIPPED: there is no {} of this page; `carrier/build` makes it", file.display());
        return;
    }
    check(&format!("file://{}", file.display()), "file");
}
