//! Rows to bytes: CSV, JSON, Markdown, pictures.
