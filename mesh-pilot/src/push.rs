//! From a new world to what each connected proxy is sent.
//!
//! Deciding is pure ([`authorise`], [`gather`], [`what_changed`] with its [`shelf`]); [`Fleet`] remembers who is
//! connected, and [`Pusher`] is the one task that publishes.

pub mod authorise;
mod fleet;
pub mod gather;
mod metrics;
mod pack;
mod pusher;
pub mod shelf;
pub mod what_changed;

pub use fleet::{Fleet, Member};
pub use metrics::Metrics;
pub use pusher::Pusher;
