//! Routing traces: format, importers, statistics.
