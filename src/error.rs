//! The one error type: where it happened, what was found, what was expected, and what to try.
//!
//! An [`Error`] carries one or more [`Problem`]s, since a check that stops at the first makes a person run it again for
//! each. A configuration that merely does not fit is not an error but an outcome of its point (`metrics::Outcome`).

use std::fmt;
use std::path::Path;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Where a problem is: a file with a line and column where known, or a command-line option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    source: String,
    line: Option<usize>,
    column: Option<usize>,
}

impl Place {
    /// Nowhere in particular; displays as nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// A file as a whole.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { source: path.as_ref().display().to_string(), ..Self::default() }
    }

    /// Something that is not a file, such as `--set cache.policy=lur`.
    pub fn option(text: impl Into<String>) -> Self {
        Self { source: text.into(), ..Self::default() }
    }

    /// The same source at a line, counted from 1.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// The same line at a column, counted from 1 in characters.
    #[must_use]
    pub fn column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::none() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ", {hint}"),
            None => Ok(()),
        }
    }
}

/// One or more problems that keep a command from doing what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problems: Vec<Problem>,
}

impl Error {
    /// A problem at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self { problems: vec![Problem { place, message: message.into(), hint: None }] }
    }

    /// A problem that has no place.
    pub fn new(message: impl Into<String>) -> Self {
        Self::at(Place::none(), message)
    }

    /// A file that could not be read or written; `doing` is a verb such as `read` or `write`.
    pub fn io(path: impl AsRef<Path>, doing: &str, cause: &std::io::Error) -> Self {
        Self::at(Place::file(path), format!("cannot {doing}: {cause}"))
    }

    /// Adds `, expected ...` to the latest problem.
    #[must_use]
    pub fn expected(self, what: impl fmt::Display) -> Self {
        self.hint(format!("expected {what}"))
    }

    /// Adds a closing remark to the latest problem.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(hint.into());
        }
        self
    }

    /// Adds `, did you mean "..."?` where known names begin so or one is near, else the list of known names.
    #[must_use]
    pub fn nearest<'a>(self, found: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let wanted = plain(found);
        let longer =
            known.iter().copied().filter(|name| wanted.len() > 1 && plain(name).starts_with(&wanted));
        match (nearest_name(found, &known), longer.collect::<Vec<_>>().as_slice()) {
            (_, [name]) => self.hint(format!("did you mean {name:?}?")),
            (_, names @ [_, ..]) => self.hint(format!("did you mean one of {}?", names.join(", "))),
            (Some(name), []) => self.hint(format!("did you mean {name:?}?")),
            (None, []) if known.is_empty() => self,
            (None, []) => self.expected(format!("one of {}", known.join(", "))),
        }
    }

    /// Joins errors, keeping their order and each problem once; `None` where there are none.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut problems: Vec<Problem> = Vec::new();
        for problem in errors.into_iter().flat_map(|error| error.problems) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        (!problems.is_empty()).then_some(Self { problems })
    }

    /// The same problems, found on behalf of something written elsewhere: a file that a key of a scenario names. Each
    /// moves to `place` and keeps its own place in the message: `x.toml:5:9: workload.trace: t.csv:3: ...`.
    #[must_use]
    pub fn within(mut self, place: &Place, key: &str) -> Self {
        for problem in &mut self.problems {
            let inner = std::mem::replace(&mut problem.place, place.clone());
            let of = if inner == Place::none() { String::new() } else { format!("{inner}: ") };
            problem.message = format!("{key}: {of}{}", problem.message);
        }
        self
    }

    /// The problems of each file in the order of its lines, the files in the order in which they first appear.
    #[must_use]
    pub fn in_file_order(mut self) -> Self {
        let mut sources: Vec<String> = Vec::new();
        for problem in &self.problems {
            if !sources.contains(&problem.place.source) {
                sources.push(problem.place.source.clone());
            }
        }
        self.problems.sort_by_key(|Problem { place, .. }| {
            (sources.iter().position(|source| *source == place.source), place.line, place.column)
        });
        self
    }

    /// The problems, in the order in which they were found; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A name without case and separators.
fn plain(text: &str) -> String {
    text.to_lowercase().replace(['-', '_', ' ', '.'], "")
}

/// The known name that `found` most likely stands for: case and separators are forgiven, then Damerau-Levenshtein
/// distance up to a third of the length. Ties go to the earliest name.
pub fn nearest_name<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let wanted = plain(found);
    let limit = (wanted.chars().count() / 3).max(1);
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &plain(name)), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_into_the_file_and_suggests() {
        let place = Place::file("scenarios/x.toml").line(12).column(7);
        let error = Error::at(place, "unknown GPU \"rtx4091\"").nearest("rtx4091", ["rtx3090", "rtx4090"]);
        assert_eq!(
            error.to_string(),
            "scenarios/x.toml:12:7: unknown GPU \"rtx4091\", did you mean \"rtx4090\"?"
        );
    }

    #[test]
    fn suggests_the_names_that_begin_so() {
        let check = |found: &str, expect: &str| {
            let error = Error::new("no").nearest(found, ["h10", "h100-pcie", "h100-sxm", "h200-sxm", "t4"]);
            assert_eq!(error.to_string(), format!("no, {expect}"), "{found}");
        };
        check("H100", "did you mean one of h100-pcie, h100-sxm?");
        check("h200", "did you mean \"h200-sxm\"?");
        check("h", "expected one of h10, h100-pcie, h100-sxm, h200-sxm, t4");
    }

    #[test]
    fn lists_the_names_where_none_is_near() {
        let error = Error::new("unknown policy \"zebra\"").nearest("zebra", ["lru", "lfu"]);
        assert_eq!(error.to_string(), "unknown policy \"zebra\", expected one of lru, lfu");
    }

    #[test]
    fn a_problem_of_a_file_names_the_line_that_asked_for_it() {
        let place = Place::file("x.toml").line(5).column(9);
        let inner = Error::at(Place::file("t.csv").line(3), "expert 9 is out of range").expected("0 to 7");
        assert_eq!(
            inner.within(&place, "workload.trace").to_string(),
            "x.toml:5:9: workload.trace: t.csv:3: expert 9 is out of range, expected 0 to 7"
        );
        assert_eq!(Error::new("no").within(&place, "a").to_string(), "x.toml:5:9: a: no");
    }

    #[test]
    fn file_order_keeps_files_apart() {
        let at = |file: &str, line| Error::at(Place::file(file).line(line), "wrong");
        let error = Error::join([at("b", 10), at("a", 1), at("b", 9), Error::new("all")]).unwrap();
        assert_eq!(error.in_file_order().to_string(), "b:9: wrong\nb:10: wrong\na:1: wrong\nall");
    }

    #[test]
    fn joins_problems_line_by_line() {
        let error = Error::join([Error::new("one"), Error::new("two")]).unwrap();
        assert_eq!(error.to_string(), "one\ntwo");
        assert_eq!(Error::join([]), None);
    }
}
