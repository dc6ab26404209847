//! xDS resources to decision tables. Unknown fields are tolerated; a feature that changes what
//! happens to traffic and that is not implemented is refused by its field or type URL.

#![expect(
    deprecated,
    reason = "control planes still send the older forms of several fields"
)]

mod access_log;
mod authz;
mod balance;
pub(crate) mod cluster;
mod common;
mod cors;
mod descriptor;
mod dns;
pub(crate) mod endpoint;
mod fault;
mod filter;
mod forward;
mod grpc;
mod hash;
mod health;
mod health_filter;
mod http;
mod limit;
mod limit_service;
pub(crate) mod listener;
mod matcher;
mod mirror;
mod ops;
mod outlier;
mod redirect;
mod retry;
pub(crate) mod route;
pub(crate) mod secret;
mod tls;

#[cfg(test)]
pub(crate) use authz::{FILTER as AUTHZ, compile as authorization};
#[cfg(test)]
pub(crate) use cors::FILTER as CORS;
#[cfg(test)]
pub(crate) use limit_service::compile as global_limit;
#[cfg(test)]
mod tests;
