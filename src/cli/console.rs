//! Stdout, stderr, and the progress bar: the only place that writes to a terminal.

use std::io::{ErrorKind, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::catalogue::view::Table;
use crate::error::{Error, Result};

/// Writes text to stdout. A reader that has gone away (`moesim ... | head`) ends the program quietly.
pub(super) fn out(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(cause) => Err(Error::io("stdout", "write", &cause)),
    }
}

/// Writes a table to stdout: whole into a file or pipe, as many columns as fit on a terminal.
pub(super) fn table(table: Table) -> Result<()> {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    let Some((terminal_size::Width(width), _)) = terminal else { return out(&table.render()) };
    let (fitted, left_out) = table.within(usize::from(width));
    out(&fitted.render())?;
    if !left_out.is_empty() {
        note(&format!("left out for want of room: {} (--json has everything)", left_out.join(", ")));
    }
    Ok(())
}

/// Writes a line to stderr; where stderr is gone there is nobody to tell.
pub(super) fn note(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Prints an error, in red on a terminal. Each problem is a line of its own.
pub(super) fn error(error: &Error) {
    note(&format!("\u{1b}[1;31merror:\u{1b}[0m {error}"));
}

/// A progress bar on stderr with rate and time left; silent when asked to be or when nobody watches.
pub(super) fn progress(points: usize, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(points as u64);
    if quiet || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} points, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
