//! Deployments as a table for a terminal, a page in Markdown, and files: what each configuration needs and does, beside
//! what texts quote, and the reasons why they differ.

mod cells;
mod files;
mod page;
mod words;

pub use files::{deployments_files, deployments_json};
pub use page::{deployments_page, deployments_page_pictures, deployments_text};
pub(super) use words::{short_of, shown_latency};
