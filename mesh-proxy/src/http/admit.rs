//! Stage admit: whether the request may go on. Nothing before this stage has side effects.
//!
//! Who the client is was settled by the handshake; a listener that demands mutual TLS lets nobody
//! else this far. Only this file can make an [`Admitted`], so no request passes it by.

use crate::http::route::{Found, Planned, Routed};
use crate::http::stage::Stage;

/// A request that may go on.
#[derive(Debug)]
pub struct Admitted<'a> {
    routed: Routed<'a>,
}

impl<'a> Admitted<'a> {
    /// The request with its route.
    #[must_use]
    pub fn into_parts(self) -> (crate::http::head::Headed<'a>, Found, Planned) {
        (self.routed.headed, self.routed.found, self.routed.action)
    }
}

/// Admits a request.
#[must_use]
pub fn admit(routed: Routed<'_>) -> Stage<Admitted<'_>> {
    Stage::Ready(Admitted { routed })
}
