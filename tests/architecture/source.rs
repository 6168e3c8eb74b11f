//! Rust source as the rules of the house see it: code without comments and literals, and without its tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One file below `src/`.
pub(crate) struct Source {
    /// Path from `src/`, with `/`.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// Without comments and the content of literals.
    pub(crate) code: String,
    /// The code outside `#[cfg(test)]`; empty for a file that is a test module.
    pub(crate) shipped: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let shipped = without_tests(&code);
        Self { path: path.to_owned(), text: text.to_owned(), code, shipped }
    }

    /// The room: the first folder, or the file's own name at the top.
    pub(crate) fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Modules between this one and the crate: 1 for a room.
    pub(crate) fn depth(&self) -> usize {
        let folders = self.path.split('/').count();
        folders - usize::from(self.path.ends_with("/mod.rs"))
    }
}

/// Every file below `src/`, by path.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<Source> = files(&root, "rs")
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            Source::new(&path, &fs::read_to_string(file).unwrap())
        })
        .collect();
    let tests: Vec<String> = files.iter().flat_map(test_files).collect();
    for file in files.iter_mut().filter(|file| tests.contains(&file.path)) {
        file.shipped.clear();
    }
    files
}

/// Every file below a folder with this ending, sorted.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The text with comments and the content of literals blanked, lines kept.
pub(crate) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_blank(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins here ends; `at` where none does.
fn end_of_blank(chars: &[char], at: usize) -> usize {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or('\n');
    let in_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let find = |from: usize, what: &str| {
        let what: Vec<char> = what.chars().collect();
        (from..chars.len()).find(|i| chars[*i..].starts_with(&what)).map_or(chars.len(), |i| i + what.len())
    };
    match (chars[at], next(1)) {
        ('/', '/') => (at..chars.len()).find(|i| chars[*i] == '\n').unwrap_or(chars.len()),
        ('/', '*') => end_of_block(chars, at),
        ('r', '"' | '#') if !in_name => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            match next(1 + hashes) {
                '"' => find(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))),
                _ => at,
            }
        }
        ('"', _) => end_of_quoted(chars, at, '"'),
        // A character, unlike a lifetime, is closed after one (possibly escaped) character.
        ('\'', '\\') => end_of_quoted(chars, at, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn end_of_block(chars: &[char], at: usize) -> usize {
    let (mut open, mut i) = (0, at);
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => (open, i) = (open + 1, i + 2),
            ('*', '/') => (open, i) = (open - 1, i + 2),
            _ => i += 1,
        }
        if open == 0 {
            return i;
        }
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut i = at + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

const TEST: &str = "#[cfg(test)]";

/// Blanked code without the items under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some((before, item)) = rest.split_once(TEST) {
        kept.push_str(before);
        rest = &item[end_of_item(item)..];
    }
    kept + rest
}

/// An item ends with its first `;` outside braces, or with the brace that closes its first.
fn end_of_item(item: &str) -> usize {
    let mut open = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 && matches!(c, '}' | ';') {
            return at + 1;
        }
    }
    item.len()
}

/// Paths of the files that a file declares as `#[cfg(test)] mod name;`.
fn test_files(source: &Source) -> Vec<String> {
    let folder = match source.path.strip_suffix("mod.rs") {
        Some(folder) => folder.to_owned(),
        None => format!("{}/", source.path.trim_end_matches(".rs")),
    };
    let declared = |item: &str| {
        let item = item[..end_of_item(item)].trim_start();
        let name = item.strip_prefix("mod ")?.strip_suffix(';')?;
        Some([format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")])
    };
    source.code.split(TEST).skip(1).filter_map(declared).flatten().collect()
}

/// The words of blanked code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The rooms that blanked code names as `crate::room`, alone or in a group.
pub(crate) fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let in_name = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            _ if in_name => {}
            None => rooms.extend(words(rest).next().map(str::to_owned)),
            Some(group) => rooms.extend(heads(group)),
        }
    }
    rooms
}

/// The first word of each entry of a group `a::b, c::{d, e}}`, up to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut head) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => head = true,
            _ if head && c.is_alphabetic() => {
                heads.extend(words(&group[at..]).next().map(str::to_owned));
                head = false;
            }
            _ => {}
        }
    }
    heads
}

/// The longest run of `super::` in a path.
pub(crate) fn supers(code: &str) -> usize {
    let runs = code.split("super::").collect::<Vec<_>>();
    let (mut longest, mut run) = (0, 0);
    for between in &runs[1..] {
        run += 1;
        longest = longest.max(run);
        if !between.is_empty() {
            run = 0;
        }
    }
    longest
}
