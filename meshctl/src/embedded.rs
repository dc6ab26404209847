//! The mesh on this machine: what is to run (plan, pure) and the running of it (supervise).

pub(crate) mod addresses;
pub(crate) mod ca;
pub(crate) mod cache;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod findings;
pub(crate) mod guard;
pub(crate) mod http;
pub(crate) mod images;
pub(crate) mod input;
pub(crate) mod lease;
pub(crate) mod manifests;
pub(crate) mod plan;
pub(crate) mod review;
pub(crate) mod rooms;
pub(crate) mod state_dir;
pub(crate) mod status;
pub(crate) mod substitute;
pub(crate) mod supervise;
pub(crate) mod tokens;
