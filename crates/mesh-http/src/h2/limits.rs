//! What a peer may ask of one connection.

/// Bounds of one HTTP/2 connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one header list, each field counted as name + value + 32 (RFC 9113 6.5.2).
    pub head_bytes: usize,
    /// Fields of one header list, pseudo-header fields included.
    pub head_fields: usize,
    /// Bytes of `:path`.
    pub target_bytes: usize,
    /// Streams that a peer may have open at a time; of a client: streams it opens at most.
    pub max_streams: u32,
    /// Bytes of one stream that may be under way or not yet released.
    pub stream_window: u32,
    /// Bytes of all streams that may be under way.
    pub connection_window: u32,
    /// Bytes of all streams that may have come and not be released before the connection's window
    /// is no longer opened: below it one slow stream does not hold up the others.
    pub connection_buffer: u32,
    /// Young streams that a client may give up at once.
    pub resets: u32,
    /// Young streams that a client may give up per second beyond [`Self::resets`]. Each stream that
    /// comes to its end pays for one more.
    pub resets_per_second: u32,
    /// What a client can save up of both: never more at once, however long it was good.
    pub resets_at_most: u32,
}

impl Limits {
    /// Those of a sidecar, whose peers are sidecars and its own application.
    pub const SIDECAR: Self = Self {
        head_bytes: 60 * 1024,
        head_fields: 100,
        target_bytes: 16 * 1024,
        max_streams: 1024,
        stream_window: 256 * 1024,
        connection_window: 1024 * 1024,
        connection_buffer: 4 * 1024 * 1024,
        resets: 500,
        resets_per_second: 500,
        resets_at_most: 5_000,
    };

    /// Those of a gateway, whose peers are anybody: Istio's profile for the edge.
    pub const GATEWAY: Self = Self {
        max_streams: 100,
        stream_window: 64 * 1024,
        resets: 200,
        resets_per_second: 20,
        resets_at_most: 2_000,
        ..Self::SIDECAR
    };

    /// Those of a proxy for the proxies of its mesh, which bring the requests of many clients on one
    /// connection. One that is ours gives up no more than [`Self::SIDECAR`] allows on a connection,
    /// whatever its clients do ([`super::Client::may_reset`]); another one may pass on the resets of
    /// ten clients that use up what they are allowed each. Saved up is at most twice that.
    pub const PEER: Self = Self {
        resets: 5_000,
        resets_per_second: 5_000,
        resets_at_most: 10_000,
        ..Self::SIDECAR
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::SIDECAR
    }
}
