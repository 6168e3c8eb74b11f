//! What does the work: devices that serve one job at a time, links that carry bytes, and a bus that several share.
//!
//! A resource keeps its own time line and its own books: bytes, jobs and busy time. It schedules no events; whoever
//! hands it work schedules the end that it returns. Curves say how long a transfer takes on an idle channel:
//! [`RateCurve`] by size, [`DriveCurve`] by size and queue depth.
//!
//! [`SerialDevice`] serves first come, first served, and takes nothing back. [`CopyEngine`] serves demands
//! before prefetches, piece by piece, and lets prefetches be promoted or cancelled. [`FairLink`] carries several flows at
//! once, max-min fair, and says when each of them ends.

mod copy_engine;
mod curve;
mod drive;
mod fair;
mod serial;

pub use copy_engine::{Channel, Class, CopyEngine, Finished, Piece, Transfer};
pub use curve::RateCurve;
pub use drive::DriveCurve;
pub use fair::{FairLink, FlowId};
pub use serial::{Job, SerialDevice};
