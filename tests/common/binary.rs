//! Runs the program as a person does, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The program, to be started in `folder`.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moesim"));
    command.current_dir(folder).env_remove("RUST_BACKTRACE");
    command
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A folder for one test.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, folders included.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs the program here.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        program(self.path()).args(args).output().unwrap().into()
    }

    /// Runs the program here, which must succeed, and returns what it prints.
    pub(crate) fn succeed(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        said.stdout
    }
}

/// A trace of the repository, by its full path.
pub(crate) fn shipped(name: &str) -> String {
    format!("{}/traces/{name}.moetrace", env!("CARGO_MANIFEST_DIR"))
}

/// Every file of a folder by name, sorted; fails on a folder within.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Asserts that two folders hold the same files with the same bytes.
pub(crate) fn assert_same_files(one: &Path, other: &Path) {
    let (one_files, other_files) = (files(one), files(other));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one_files), names(&other_files), "{} and {}", one.display(), other.display());
    for ((name, one), (_, other)) in one_files.iter().zip(&other_files) {
        assert!(one == other, "{name} differs");
    }
}
