//! Clock and event queue.
