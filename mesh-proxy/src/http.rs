//! The path of a request: stages that decide, and the one place that knows their order.

pub mod admit;
pub mod attempt;
pub mod body;
pub mod connect;
pub mod connection;
pub mod downstream_hyper;
pub mod drive;
pub mod exchange;
pub mod failure;
pub mod head;
pub mod observe;
pub mod pick;
pub mod replay;
pub mod respond;
pub mod route;
pub mod serve;
pub mod shape;
pub mod stage;
pub mod upgrade;
pub mod with_end;
