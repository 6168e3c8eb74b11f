//! The traces that ship with the program, as specifications: `traces/` holds what they generate and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{SyntheticSpec, generate};
use crate::error::{Error, Result};
use crate::trace::{Compression, write_file};

const ROWS: &str = include_str!("shipped.toml");

/// File stem and specification of each shipped trace, in the order of `shipped.toml`.
pub fn all() -> Vec<(&'static str, SyntheticSpec)> {
    let mut specs: BTreeMap<String, SyntheticSpec> =
        toml::from_str(ROWS).expect("the embedded rows are read by a test");
    let stems = ROWS.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    stems.filter_map(|stem| specs.remove(stem).map(|spec| (stem, spec))).collect()
}

/// Generates every shipped trace and writes it into a folder, made where it is missing, over what is there. Uncompressed,
/// so that the bytes depend on nothing but this crate. Returns the files in the order of [`all`].
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_into(folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::io(folder, "create the folder", &cause))?;
    let write = |(stem, spec): &(&str, SyntheticSpec)| {
        let path = folder.join(format!("{stem}.moetrace"));
        write_file(&generate(spec)?, Compression::None, &path)?;
        Ok(path)
    };
    all().iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_valid_and_found() {
        let all = all();
        let tables: toml::Table = toml::from_str(ROWS).unwrap();
        assert_eq!(all.len(), tables.len());
        for (stem, spec) in all {
            spec.check().unwrap_or_else(|error| panic!("{stem}: {error}"));
            assert!(!spec.source.is_empty(), "{stem} does not say what it is based on");
        }
    }
}
