//! The body of an answer on its way to the client: what it does not take yet.

use mesh_http::{Fields, make_room};

/// The part of an answer's body that waits.
#[derive(Debug, Default)]
pub(crate) struct Download {
    held: Vec<u8>,
    next: usize,
    trailers: Option<Fields>,
    ended: bool,
    /// Whether the client was sent everything, the end included.
    pub(crate) finished: bool,
}

impl Download {
    /// Takes in bytes that could not be sent.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        make_room(&mut self.held, bytes.len());
        self.held.extend_from_slice(bytes);
    }

    /// Nothing more will come; `trailers` end the body, if there are any.
    pub(crate) fn end(&mut self, trailers: Option<Fields>) {
        self.ended = true;
        self.trailers = trailers;
    }

    /// Whether the upstream has sent everything.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The bytes that wait.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.held.get(self.next..).unwrap_or_default()
    }

    /// Bytes that its buffer takes.
    pub(crate) fn capacity(&self) -> usize {
        self.held.capacity()
    }

    /// The trailer section.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_ref()
    }

    /// Notes that some of the waiting bytes were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.next += bytes;
        if self.next >= self.held.len() {
            self.held = Vec::new();
            self.next = 0;
        }
    }
}
