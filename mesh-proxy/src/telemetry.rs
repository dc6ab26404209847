//! Tells mixer what this proxy has counted: deltas, about once a second, if anything changed.
//!
//! Nothing waits for mixer. While it is away the sums of the metrics themselves keep what is to be
//! told: one batch may be under way, and what comes after it is a difference that is not taken yet.

mod batch;
mod run;

pub use batch::Batcher;
pub use run::{Reporter, State};
