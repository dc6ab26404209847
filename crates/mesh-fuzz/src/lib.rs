//! What holds of the HTTP codecs whatever bytes they get: functions of bytes that panic when it does
//! not. Fuzzers call them on nightly (`make fuzz`), seeded tests on stable.
//!
//! What the codecs write is judged by readers of our own in `strict`, which share no code with
//! mesh-http: they take the one plainest form of each message and nothing else.

mod chunks;
mod exchange;
mod feed;
mod frames;
mod h1;
mod h2;
mod hpack;
mod relay;
mod strict;

pub use chunks::chunks;
pub use exchange::exchange;
pub use h1::{h1_client, h1_server};
pub use h2::{h2_client, h2_server};
pub use hpack::hpack;

/// A target: its name, as its folder of the corpus is called, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("h1_server", h1_server),
    ("h1_client", h1_client),
    ("h2_server", h2_server),
    ("h2_client", h2_client),
    ("hpack", hpack),
    ("chunks", chunks),
    ("exchange", exchange),
];

#[cfg(test)]
mod tests;
