//! What is served to the proxies.

pub mod aggregates;
