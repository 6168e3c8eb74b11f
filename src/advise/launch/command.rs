//! A command line that is put together flag by flag.

use std::fmt::Display;

/// A command with its flags in the order in which they were added.
#[derive(Clone, Debug)]
pub(super) struct Command(String);

impl Command {
    pub(super) fn new(program: &str) -> Self {
        Self(program.to_owned())
    }

    /// A word by itself.
    pub(super) fn word(mut self, word: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(&quoted(word));
        self
    }

    /// A flag with its value.
    pub(super) fn with(self, flag: &str, value: impl Display) -> Self {
        self.word(flag).word(&value.to_string())
    }

    /// The same where there is a value.
    pub(super) fn maybe(self, flag: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(flag, value),
            None => self,
        }
    }

    /// A flag without a value, where it is wanted.
    pub(super) fn flag(self, flag: &str, wanted: bool) -> Self {
        if wanted { self.word(flag) } else { self }
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// A word as a POSIX shell takes it: in quotes unless every character of it is plain.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        for (word, shown) in [
            ("Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B"),
            ("0.90", "0.90"),
            ("{\"num_redundant_experts\":32}", "'{\"num_redundant_experts\":32}'"),
            ("my model.gguf", "'my model.gguf'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
