//! The way to upstreams: who is picked, how they are reached, and the connections to them.

pub mod balance;
pub mod dial;
pub mod hyper_adapter;
pub mod pool;
pub mod target;
pub mod tls;
