//! What does the work: devices that serve one job at a time, and links that carry bytes.
//!
//! A resource keeps its own time line and its own books: bytes, jobs and busy time. It does not schedule events; whoever
//! submits a job schedules the end that the resource returns. Jobs are served first come, first served and are never
//! taken back.

mod link;
mod serial;

pub use link::Link;
pub use serial::{Job, SerialDevice};
