//! Whether a value matches: texts, hosts, requests, connections.

pub mod chain;
pub mod header;
pub mod host;
pub mod path;
pub mod query;
pub mod route;
pub mod text;
