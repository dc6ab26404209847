//! Stage cors: what pages of other origins may do, as the route says it.
//!
//! Where the cluster is does not matter yet: a preflight is answered though there may be none.

use std::sync::Arc;

use mesh_http::RequestHead;
use mesh_traffic::Action;
use mesh_traffic::cors::{Asked, Cors};
use mesh_traffic::listener::CorsAt;

use crate::http::admit::Admitted;
use crate::http::connection::Served;
use crate::http::head::Headed;
use crate::http::route::{Found, Planned};

/// A request of which it is known what it means that a page sent it.
#[derive(Debug)]
pub struct Looked<'a> {
    headed: Headed<'a>,
    found: Found,
    action: Planned,
}

/// What the route says of pages of other origins, where the request has to do with it.
#[derive(Debug, Clone)]
pub struct OfPage {
    /// What the route says.
    pub cors: Arc<Cors>,
    /// What it means to the request.
    pub asked: Asked,
}

impl<'a> Looked<'a> {
    /// The request as it came, and where its route stands.
    #[must_use]
    pub fn request(&self) -> (&RequestHead, &Found) {
        (self.headed.head, &self.found)
    }

    /// Whether requests are counted at this point: not where that comes later, nor if this one is answered before.
    #[must_use]
    pub fn is_to_be_counted(&self, served: &Served) -> bool {
        let limit = served.manager().and_then(|manager| manager.limit.as_ref());
        let is_answered = matches!(self.action, Planned::Preflight);
        limit.is_some_and(|at| at.before_fault && (at.before_cors || !is_answered))
    }

    /// The request with its route.
    #[must_use]
    pub fn into_parts(self) -> (Headed<'a>, Found, Planned) {
        (self.headed, self.found, self.action)
    }
}

/// A request at which somebody has looked before.
#[must_use]
pub fn seen(admitted: Admitted<'_>) -> Looked<'_> {
    let (headed, found, action) = admitted.into_parts();
    Looked {
        headed,
        found,
        action,
    }
}

/// Looks at a request; the second value is nothing where it goes on as if there were no pages.
pub fn cors<'a>(
    served: &Served,
    admitted: Admitted<'a>,
    random: &mut fastrand::Rng,
) -> (Looked<'a>, Option<OfPage>) {
    let (headed, found, mut action) = admitted.into_parts();
    let of_page = policy(served, &found).and_then(|cors| {
        let asked = cors.look(headed.head, || random.u64(..));
        (asked != Asked::Nothing).then_some(OfPage { cors, asked })
    });
    if let Some(OfPage {
        asked: Asked::Preflight { .. },
        ..
    }) = of_page
    {
        action = Planned::Preflight;
    }
    let looked = Looked {
        headed,
        found,
        action,
    };
    (looked, of_page)
}

/// What the route says, if the listener looks after it.
fn policy(served: &Served, found: &Found) -> Option<Arc<Cors>> {
    if served.manager()?.cors == CorsAt::Absent {
        return None;
    }
    match found.decision()?.action {
        Action::Forward(forward) => forward.policy.cors.clone(),
        Action::Redirect(_) | Action::Respond(_) | Action::NotFound => None,
    }
}
