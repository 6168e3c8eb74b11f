//! Writes named files into a folder, each whole or not at all.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::NamedFile;
use crate::error::{Error, Result};

/// Creates the folder where it is missing and puts every file into it under its name, replacing older ones.
///
/// All files are first written beside their targets under temporary names; only when every one of them is complete are
/// they renamed. A full disk or a folder that cannot be written therefore leaves what was there before.
///
/// # Errors
/// Names the folder or the file, and the cause.
pub fn write(folder: &Path, files: &[NamedFile]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::io(folder, "create the folder", &cause))?;
    let staged = files.iter().map(|file| stage(folder, file)).collect::<Result<Vec<_>>>()?;
    for (temporary, (name, _)) in staged.into_iter().zip(files) {
        let target = folder.join(name);
        temporary.persist(&target).map_err(|failure| Error::io(&target, "write", &failure.error))?;
    }
    Ok(())
}

fn stage(folder: &Path, (name, content): &NamedFile) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".moesim-");
    // A temporary file is private to its user; a report is as readable as any other file one creates.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary =
        builder.tempfile_in(folder).map_err(|cause| Error::io(folder, "write into the folder", &cause))?;
    temporary
        .write_all(content)
        .and_then(|()| temporary.flush())
        .map_err(|cause| Error::io(folder.join(name), "write", &cause))?;
    Ok(temporary)
}
