//! Labels with texts beside them, broken into lines.

/// Columns of the narrowest terminal that is still usual.
const WIDTH: usize = 80;

/// Each label on the left, its text beside it, aligned and broken between words at 80 columns. A line feed in a text
/// begins a new line of it; a word that is longer than a line stays whole, so that addresses can be copied. A label
/// without a text is left out.
pub fn labelled(entries: &[(&str, String)]) -> String {
    let shown = || entries.iter().filter(|(_, text)| !text.trim().is_empty());
    let indent = shown().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 2;
    let mut page = String::new();
    for (label, text) in shown() {
        let mut label = *label;
        for line in text.lines().flat_map(|line| broken(line, WIDTH.saturating_sub(indent))) {
            page.push_str(format!("{label:indent$}{line}").trim_end());
            page.push('\n');
            label = "";
        }
    }
    page
}

/// A line as lines of at most `width` characters where its words allow.
pub(super) fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut filled = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if filled > 0 && filled + 1 + length > width {
            lines.push(String::new());
            filled = 0;
        }
        if let Some(line) = lines.last_mut() {
            if filled > 0 {
                line.push(' ');
                filled += 1;
            }
            line.push_str(word);
        }
        filled += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_beside_their_labels() {
        let entries = [("a", "one\ntwo".to_owned()), ("empty", " ".to_owned()), ("bcd", "three".to_owned())];
        assert_eq!(labelled(&entries), "a    one\n     two\nbcd  three\n");
        assert_eq!(labelled(&[]), "");
    }

    #[test]
    fn lines_break_between_words_only() {
        for (text, expect) in [
            ("aa bb cc", vec!["aa bb", "cc"]),
            ("aaa bb", vec!["aaa", "bb"]),
            ("a  bb c", vec!["a bb", "c"]),
            ("x https://example.org y", vec!["x", "https://example.org", "y"]),
            ("äöü é", vec!["äöü é"]),
            ("", vec![""]),
        ] {
            assert_eq!(broken(text, 5), expect, "{text:?}");
        }
    }
}
