//! The hub of the mesh: gathers what every proxy counts, and serves metrics and the service graph.
//!
//! It is never on a request's way. Proxies stream deltas to it when they can; while it is away they
//! keep them, and no request notices.

mod about;
pub mod app;
pub mod exposition;
pub mod graph;
pub mod http;
pub mod hub;
pub mod metric;
mod metrics;
pub mod series;
pub mod serve;
pub mod settings;
pub mod store;
mod window;
