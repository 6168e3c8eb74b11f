//! Stdout, stderr, and the progress bar: the only place that writes to a terminal.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::mpsc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::catalogue::view::Table;
use crate::error::{Error, Result};

/// How often a bar is redrawn that nobody tells of progress.
const REDRAWN: Duration = Duration::from_millis(100);

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

/// Prints an error, in red on a terminal. Each problem is a line of its own that begins with `error: `.
pub(super) fn error(error: &Error) {
    for problem in error.problems() {
        note(&format!("\u{1b}[1;31merror:\u{1b}[0m {problem}"));
    }
}

/// A progress bar on stderr with rate and time left; silent when asked to be or when nobody watches.
pub(super) fn progress(points: usize, quiet: bool) -> ProgressBar {
    bar(points as u64, "points", quiet)
}

fn bar(length: u64, what: &str, quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if quiet || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// A counter on stderr of work whose extent nobody knows; silent as a bar would be.
pub(super) fn counter(what: &str, quiet: bool) -> ProgressBar {
    let bar = bar(0, what, quiet);
    if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{pos}} {what}, {{elapsed}}")) {
        bar.set_style(style);
    }
    bar
}

/// Does a piece of work that says itself how much of it is done, of how much; returns what came of it and the seconds that
/// it took.
pub(super) fn watched<T>(
    what: &str,
    quiet: bool,
    done: impl Fn() -> (u64, u64) + Sync,
    work: impl FnOnce() -> T,
) -> (T, f64) {
    let bar = bar(0, what, quiet);
    let (working, stopped) = mpsc::channel::<()>();
    let result = std::thread::scope(|scope| {
        // Dropped when the work is done, or has panicked, which ends the watch.
        let _working = working;
        scope.spawn(|| {
            let stopped = stopped;
            while stopped.recv_timeout(REDRAWN) == Err(mpsc::RecvTimeoutError::Timeout) {
                let (done, all) = done();
                bar.set_length(all);
                bar.set_position(done);
            }
        });
        work()
    });
    let seconds = bar.elapsed().as_secs_f64();
    bar.finish_and_clear();
    (result, seconds)
}
