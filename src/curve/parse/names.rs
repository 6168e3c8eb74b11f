//! Traces by their files: names for reports, and where a file's sequences end.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Place, Result};

/// Lengths of the sequences in a file that does not mark where one ends: `FILE=399,399,199`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    file: PathBuf,
    lengths: Vec<u64>,
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let lengths = |list: &str| -> Option<Vec<u64>> {
            list.split(',').map(|length| length.trim().parse().ok()).collect()
        };
        let read = text.rsplit_once('=').and_then(|(file, list)| Some((file, lengths(list)?)));
        match read {
            Some((file, lengths)) if !file.is_empty() => Ok(Self { file: PathBuf::from(file), lengths }),
            _ => {
                Err(Error::new(format!("found {text:?}")).expected("a file and tokens like FILE=399,399,199"))
            }
        }
    }
}

impl Split {
    /// Whether this is said of the trace in `file`: of its whole path, or of its file name alone.
    fn is_of(&self, file: &Path) -> bool {
        self.file == file || file.file_name() == Some(self.file.as_os_str())
    }

    /// What is said of each file; nothing of most.
    ///
    /// # Errors
    /// A split of a file that is not among them.
    pub fn for_files(splits: &[Self], files: &[PathBuf]) -> Result<Vec<Vec<u64>>> {
        let stray = splits.iter().filter(|split| !files.iter().any(|file| split.is_of(file)));
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let error = |split: &Self| {
            let file = split.file.display().to_string();
            Error::at(Place::option("--split"), format!("{file:?} is none of the traces"))
                .nearest(&file, names.iter().map(String::as_str))
        };
        if let Some(error) = Error::join(stray.map(error)) {
            return Err(error);
        }
        let of_file = |file: &PathBuf| {
            let found = splits.iter().find(|split| split.is_of(file));
            found.map_or_else(Vec::new, |split| split.lengths.clone())
        };
        Ok(files.iter().map(of_file).collect())
    }
}

/// A name for the trace in each file, fit to be part of a file name: that of the file without its ending, and a number where
/// another has it already.
pub fn trace_names(files: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for file in files {
        let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let stem: String = stem.chars().map(safe).collect();
        let stem = if stem.is_empty() { "trace".to_owned() } else { stem };
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        let free = std::iter::once(stem.clone()).chain(numbered).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_fit_into_file_names() {
        let files = ["a/x.moetrace", "b/x.csv", "c d/my trace.route.csv", "x-2.npz", ".."].map(PathBuf::from);
        assert_eq!(trace_names(&files), ["x", "x-2", "my-trace.route", "x-2-2", "trace"]);
    }

    #[test]
    fn a_split_is_of_a_path_or_a_file_name() {
        let files = ["a/x.jsonl", "b/y.jsonl"].map(PathBuf::from);
        let splits = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Split>>();
        let found = Split::for_files(&splits(&["y.jsonl=3,4", "a/x.jsonl=1, 2"]), &files).unwrap();
        assert_eq!(found, [vec![1, 2], vec![3, 4]]);
        assert_eq!(Split::for_files(&[], &files).unwrap(), [Vec::<u64>::new(), Vec::new()]);
        let stray = Split::for_files(&splits(&["b/yy.jsonl=3"]), &files).unwrap_err().to_string();
        assert_eq!(stray, "--split: \"b/yy.jsonl\" is none of the traces, did you mean \"b/y.jsonl\"?");
        for text in ["x.jsonl", "x.jsonl=", "x.jsonl=1,,2", "x=-1", "=1", "x=a"] {
            let expected = format!("found {text:?}, expected a file and tokens like FILE=399,399,199");
            assert_eq!(text.parse::<Split>().unwrap_err().to_string(), expected);
        }
    }
}
