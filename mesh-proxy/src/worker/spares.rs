//! What requests need, kept for the next ones.

use mesh_http::RequestHead;

use crate::http::flow::Flow;
use crate::worker::shelf::Shelf;

/// Things of requests that are over, and of some that only wait.
#[derive(Default)]
pub(crate) struct Spares {
    /// Requests that are over, with their buffers.
    pub(crate) flows: Shelf<Box<Flow>>,
    /// Heads of attempts that were sent: a request that waits for its answer does without.
    pub(crate) heads: Shelf<Box<RequestHead>>,
}

impl Spares {
    /// Lets go of what nobody has needed since this was asked last.
    pub(crate) fn sweep(&mut self) {
        drop(self.flows.sweep());
        drop(self.heads.sweep());
    }

    /// Lets go of all but some of each.
    pub(crate) fn truncate(&mut self, left: usize) {
        self.flows.truncate(left);
        self.heads.truncate(left);
    }
}
