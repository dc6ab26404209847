//! What this proxy is told: who it is for pilot, what came by xDS, and what of it is in force.

pub mod cache;
pub mod catalog;
pub mod feed;
mod files;
pub mod live;
mod names;
pub mod node;
mod warm;

pub use cache::Cache;
pub use catalog::Catalog;
pub use feed::Feed;
pub use live::LiveConfig;
pub use node::{Interception, Role, Workload};
