//! Kubernetes as a source of configuration; the only crate that names its client.
//!
//! Each kind is listed and watched by a task of its own, trimmed while it is read, and told through
//! the same events as files are. What an object means is mesh-api's and mesh-pilot's business.

pub mod access;
mod board;
mod config_map;
mod course;
mod credentials;
mod fault;
mod follower;
mod forward;
mod keep;
mod known;
pub mod lease;
mod objects;
mod person;
pub mod registration;
mod request;
mod secret;
mod server;
pub mod source;
pub mod status;
mod token_review;
pub mod watched;
mod wire;

pub use access::{AccessError, Choice, Cluster};
pub use config_map::ConfigMap;
pub use forward::Forward;
pub use lease::{Leadership, LeaseName};
pub use objects::{Objects, Sighting, Sightings};
pub use registration::Registration;
pub use request::RequestError;
pub use secret::SecretData;
pub use source::KubeSource;
pub use token_review::{ReviewedUser, TokenReview};
pub use watched::Scope;

#[cfg(test)]
mod tests;
