//! Whether a value matches: texts, hosts, requests, connections.

pub(crate) mod chain;
pub(crate) mod cookie;
pub(crate) mod header;
pub(crate) mod host;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod route;
pub(crate) mod text;
