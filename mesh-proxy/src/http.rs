//! The path of a request: stages that decide, the one place that knows their order, and the flow
//! that does what the stages wait for.

pub mod admit;
pub mod ask;
pub mod attempt;
pub mod authorize;
pub mod call;
pub(crate) mod codec;
pub mod connect;
pub mod connection;
pub mod cors;
pub(crate) mod download;
pub(crate) mod downstream;
pub mod exchange;
pub mod failure;
pub(crate) mod flow;
pub mod head;
pub mod health;
pub mod limit;
pub mod mirror;
pub mod observe;
pub mod own;
pub(crate) mod pace;
pub mod pick;
pub mod remark;
pub mod respond;
pub mod route;
pub mod serve;
pub mod shape;
pub mod stage;
pub(crate) mod streams;
pub mod upgrade;
pub(crate) mod upload;
