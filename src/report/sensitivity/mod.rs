//! What an answer depends on: a table and a sentence, CSV, JSON, a page, and the tornado picture.

mod files;
mod text;
mod words;

pub use files::{SensitivityJson, sensitivity_files, sensitivity_json};
pub use text::sensitivity_text;

pub(in crate::report) use words::{amount, by_words, changed, notable};
