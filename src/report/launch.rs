//! Launch lines as text.

use std::fmt::Write as _;

use crate::metrics::LaunchLine;

/// Each engine's command, what it cannot express, and the measurement that checks the prediction.
pub fn launch_text(lines: &[LaunchLine]) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}{}:\n  {}", line.engine, line.command);
        for note in &line.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        let _ = writeln!(text, "  check: {}", line.check.command);
        let _ = writeln!(text, "         compare {}", line.check.compare);
    }
    text
}
