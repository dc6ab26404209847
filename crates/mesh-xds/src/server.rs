//! The serving side: a hub to publish into, and the gRPC service that brings it to clients.
//!
//! Who may connect and what a client shall have is decided by the user of the hub, see
//! [`Admission`]. Streams hold at most one message that was not sent yet; a slow client skips
//! snapshots instead of queueing them.

mod ads;
mod hub;
mod speech;
mod status;
mod stream;

pub use ads::{Ads, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
pub use hub::{Admission, ClientKey, Hub, PeerOf};
pub use status::{ClientStatus, TypeStatus};
pub use stream::{Machine, Refused};
