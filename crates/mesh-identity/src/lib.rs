//! The identity of a process: obtains a workload certificate from citadel, keeps it fresh, and
//! carries gRPC over TLS that checks SPIFFE IDs, for clients and servers.
//!
//! What a certificate must be is mesh-pki's; this crate reads files, dials and waits.

pub mod agent;
pub mod channel;
pub mod flags;
pub mod incoming;
pub mod settings;

pub use agent::{Agent, StartError, Status};
pub use channel::{grpc_channel, grpc_channel_to};
pub use flags::{BadIdentity, IdentityFlags};
pub use incoming::{PeerInfo, TlsConnection, tls_incoming};
pub use settings::IdentitySettings;
