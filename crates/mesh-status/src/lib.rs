//! What a sidecar answers in plain text off loopback: whether it is ready, the application's probes
//! on the kubelet's behalf, and metrics, its own and the application's.
//!
//! It stands apart from mesh-proxy because it speaks by hyper, which the data path never does.
//! What the proxy is and counts it is told by functions ([`Subject`]); it decides nothing of traffic.

mod dial;
mod exchange;
mod merge;
mod pages;
mod probe;
mod probers;
mod scrape;
mod server;
mod settings;
pub mod wait;

pub use pages::Subject;
pub use probers::BadProbers;
pub use scrape::BadScrape;
pub use server::{BindError, Sockets, serve};
pub use settings::{BadStatus, Environment, StatusFlags, StatusSettings};
