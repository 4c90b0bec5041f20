//! What a run was: the facts that tell it from others.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::Error;

#[derive(Debug)]
pub(super) struct Run {
    began: SystemTime,
    clock: Instant,
    commit: Option<String>,
    given: Vec<(String, String)>,
}

impl Run {
    pub(super) fn start() -> Self {
        Self {
            began: SystemTime::now(),
            clock: Instant::now(),
            commit: commit(),
            given: Vec::new(),
        }
    }

    pub(super) fn fact(&mut self, name: impl Into<String>, value: impl Display) {
        self.given.push((name.into(), value.to_string()));
    }

    pub(super) fn data_file(&mut self, path: &Path) -> Result<(), Error> {
        let bytes = fs::read(path)
            .map_err(|reason| Error::Read { path: path.to_owned(), reason: reason.to_string() })?;
        let hash: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = path.display();
        self.fact("Data", format!("{path}, {} bytes, SHA-256 {hash}", bytes.len()));
        Ok(())
    }

    /// What was given, and what can be found out.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let arguments = std::env::args_os().map(|word| quoted(&word.to_string_lossy()));
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let processor = processor().unwrap_or_else(|| std::env::consts::ARCH.into());
        let found = [
            ("Command", arguments.collect::<Vec<_>>().join(" ")),
            ("Version", format!("downhill {}, {profile} build", env!("CARGO_PKG_VERSION"))),
            ("Commit", self.commit.clone().unwrap_or_default()),
            ("Machine", format!("{processor}, {threads} threads, {}", std::env::consts::OS)),
            ("Begun", humantime::format_rfc3339_seconds(self.began).to_string()),
            ("Took", format!("{:.2} s", self.clock.elapsed().as_secs_f64())),
        ];
        let found = found.map(|(name, value)| (name.to_owned(), value));
        let found: Vec<_> = found.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let (command, rest) = found.split_first().expect("the command is the first");
        [command].into_iter().chain(&self.given).chain(rest).cloned().collect()
    }
}

/// A word of a command line as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The commit that is checked out where the run was begun, and whether files differ from it.
fn commit() -> Option<String> {
    let arguments = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The processor's name, where Linux tells it.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        assert_eq!(quoted("--data=a/b.csv"), "--data=a/b.csv");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_data_file_is_told_by_its_hash() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("abc.csv");
        fs::write(&path, "abc").unwrap();
        let mut run = Run::start();
        run.data_file(&path).unwrap();
        let facts = run.facts();
        let (_, data) = facts.iter().find(|(name, _)| name == "Data").unwrap();
        // FIPS 180-2, appendix B.1.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(data.ends_with(&format!("abc.csv, 3 bytes, SHA-256 {hash}")), "{data}");
        let error = run.data_file(&directory.path().join("none")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read ") && error.contains("none: "), "{error}");
    }
}
