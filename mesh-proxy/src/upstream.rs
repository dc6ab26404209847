//! The way to upstreams: who is picked, how they are reached, and the connections to them.

pub mod balance;
pub(crate) mod dial;
pub(crate) mod failed;
pub(crate) mod link;
pub(crate) mod pool;
pub mod target;
pub mod tls;
