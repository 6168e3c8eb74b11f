//! How a real engine is started so that it does what a point of a scenario says.

use serde::{Deserialize, Serialize};

/// A command that configures an engine as a point says, and how to check the prediction with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchLine {
    /// Name of the engine: `llama.cpp`, `vLLM`, ...
    pub engine: String,
    /// The command line, to be pasted into a POSIX shell.
    pub command: String,
    /// What the engine cannot express, and what to know before trusting the command; a sentence each.
    pub notes: Vec<String>,
    /// The measurement that a person should take.
    pub check: LaunchCheck,
}

/// A measurement that checks a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchCheck {
    /// The command line.
    pub command: String,
    /// Which number of its output to hold against which figure.
    pub compare: String,
}
