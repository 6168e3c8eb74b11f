//! Serving under load: requests come, wait, are batched into passes, and leave with their last token.
//!
//! This is an event loop of its own around the passes. A pass is timed when it begins, by a [`Timer`]: in closed form
//! where every expert lies in GPU memory (`resident.rs`), else by the simulation of every GPU's devices that also replays
//! sequences (`ranks.rs`). Nothing that happens during a pass can change it, so both clocks agree.
//!
//! Who is served when is decided by [`Scheduler`](crate::serving::scheduler::Scheduler), which never hears how long an
//! answer will be; only `requests.rs` knows.
//!
//! Left out: what happens before a request reaches the server and after its tokens leave it, and failures.

mod books;
mod dealing;
mod event_loop;
mod exchange;
mod flight;
#[cfg(test)]
mod queue;
mod ranks;
mod replica;
mod requests;
mod resident;
mod slices;
mod summary;
mod timer;

pub(super) use event_loop::serve;
