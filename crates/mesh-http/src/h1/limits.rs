//! How much a peer may send before it is refused.

/// Bounds of what one peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, or of a trailer section, with its line ends.
    pub head_bytes: usize,
    /// Bytes of a request target.
    pub target_bytes: usize,
    /// Fields of a request, or of a trailer section.
    pub request_fields: usize,
    /// Fields of a response.
    pub response_fields: usize,
    /// Bytes of the extensions of one chunk.
    pub extension_bytes: usize,
}

impl Default for Limits {
    /// A sidecar's: 60 KiB of head and 100 fields as Envoy has them, twice the fields for what the
    /// applications of the mesh answer.
    fn default() -> Self {
        Self {
            head_bytes: 60 * 1024,
            target_bytes: 16 * 1024,
            request_fields: 100,
            response_fields: 200,
            extension_bytes: 4096,
        }
    }
}
