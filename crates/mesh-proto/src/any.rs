//! Type URLs, and messages in and out of `google.protobuf.Any`.

use prost::{DecodeError, Message, Name};

use crate::Any;

/// `envoy.config.cluster.v3.Cluster`
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// `envoy.config.endpoint.v3.ClusterLoadAssignment`
pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// `envoy.config.listener.v3.Listener`
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// `envoy.config.route.v3.RouteConfiguration`
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// `envoy.extensions.transport_sockets.tls.v3.Secret`
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// Packs a message.
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// Unpacks a message if its type URL is the wanted one.
///
/// # Errors
/// The decoder's error, or one that names both types.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, UnpackError> {
    if !is::<M>(any) {
        return Err(UnpackError::OtherType {
            got: any.type_url.clone(),
            want: M::full_name(),
        });
    }
    Ok(M::decode(any.value.as_slice())?)
}

/// Whether the message inside is of type `M`.
#[must_use]
pub fn is<M: Name>(any: &Any) -> bool {
    any.type_url.rsplit('/').next() == Some(M::full_name().as_str())
}

/// Why an `Any` could not be read.
#[derive(Debug)]
pub enum UnpackError {
    /// It holds another message.
    OtherType {
        /// The type URL it carries.
        got: String,
        /// The message that was wanted.
        want: String,
    },
    /// The bytes are no such message.
    Decode(DecodeError),
}

impl From<DecodeError> for UnpackError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl std::fmt::Display for UnpackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherType { got, want } => write!(f, "{got:?} found where {want} is expected"),
            Self::Decode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UnpackError {}
