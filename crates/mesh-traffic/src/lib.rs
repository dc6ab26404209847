//! The data plane's mind: xDS resources compiled to decision tables, and the decisions.
//!
//! [`Listener`], [`RouteTable`], [`Cluster`] and [`Endpoints`] each compile on their own, so that a
//! bad resource is refused by name and its neighbours live; [`Config`] holds what is in force.
//! [`Listener::chain`] decides about a connection, [`decide_route`] about a request,
//! [`Balancer::pick`] about an endpoint, [`RetryPolicy::may_retry`] about another attempt,
//! [`Breaker::take`](breaker::Breaker::take) about one more of what is bounded,
//! [`Detector::report`](outlier::Detector::report) about endpoints that fail,
//! [`Checker::take`](health::Checker::take) about endpoints that are probed,
//! [`LocalLimit::decide`](limit::LocalLimit::decide) about requests that are too many,
//! [`Check::judge`](authz::Check::judge) about those that a service has to allow. Pure: no clock, no randomness of its
//! own, no I/O.

pub mod access_log;
pub mod authz;
pub mod balance;
pub mod breaker;
pub mod cluster;
mod compile;
pub mod config;
pub mod cors;
pub mod decide;
pub mod dns;
pub mod endpoint;
pub mod fault;
pub mod flags;
pub mod hash;
pub mod health;
pub mod limit;
pub mod listener;
mod matching;
pub mod mirror;
pub mod outlier;
pub mod reject;
pub mod retry;
pub mod route;
pub mod secret;
pub mod shape;
pub mod slow_start;
pub mod template;
pub mod tls;

#[cfg(test)]
mod testing;

pub use access_log::{AccessLog, AccessLogs};
pub use balance::Balancer;
pub use cluster::Cluster;
pub use config::Config;
pub use decide::{Action, Forward, RouteAt, RouteDecision, decide_route};
pub use endpoint::{Endpoint, Endpoints};
pub use flags::Flags;
pub use limit::LocalLimit;
pub use listener::{ConnFacts, FilterChain, Listener, Network, Transport};
pub use matching::text::Pattern;
pub use reject::Reject;
pub use retry::{FailureKind, RetryPolicy};
pub use route::RouteTable;
pub use secret::Secret;
pub use template::Facts;
