//! What each client was sent, has acknowledged, and has refused.

use std::collections::BTreeMap;
use std::time::SystemTime;

/// One stream of one client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientStatus {
    /// The key that admission gave to the client.
    pub key: String,
    /// Id of the node as the client named it.
    pub node: String,
    /// When the stream was admitted.
    pub connected_at: SystemTime,
    /// Type URL to what happened with that type; only types the client asked for.
    pub types: BTreeMap<&'static str, TypeStatus>,
    /// Version of the newest snapshot published for the client.
    pub published_version: Option<u64>,
    /// The highest published version of which the client has acknowledged everything that it is
    /// subscribed to, or that changed nothing for it.
    pub acked_version: Option<u64>,
}

/// One type of resources on one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeStatus {
    /// Nonce of the last message sent; empty when nothing was sent.
    pub sent: String,
    /// Nonce of the last message acknowledged; empty when none was.
    pub acked: String,
    /// Version of the newest snapshot of which this type is acknowledged as a whole.
    pub acked_version: Option<u64>,
    /// Why the client refused the last message it refused, until a later one is acknowledged.
    pub last_error: Option<String>,
    /// Names of resources whose published version the client refused.
    pub rejected: Vec<String>,
}
