//! What a server hands out: resources by type and name, each with a version of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use mesh_proto::{Any, any};
use prost::{Message, Name};

/// Everything that one client shall have, as of one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resources {
    /// Number of the snapshot, growing with each one that is published.
    pub version: u64,
    /// Type URL to name to resource.
    pub by_type: BTreeMap<&'static str, BTreeMap<String, Resource>>,
}

/// One resource.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// Changes with the content and only with it; never empty.
    pub version: String,
    /// The content, which all who get it share.
    pub any: Arc<Any>,
}

impl Resource {
    /// Packs a message; its version is a hash of its bytes.
    pub fn pack<M: Message + Name>(message: &M) -> Self {
        Self::new(any::pack(message))
    }

    /// Takes a packed message; its version is a hash of its bytes.
    #[must_use]
    pub fn new(any: Any) -> Self {
        Self {
            version: format!("{:016x}", fnv1a(&any.value)),
            any: Arc::new(any),
        }
    }
}

/// The content is not shown: it may be secret.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("version", &self.version)
            .field("type_url", &self.any.type_url)
            .field("bytes", &self.any.value.len())
            .finish()
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every version of the compiler, so that
/// replicas and restarts of a server agree on versions.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
