//! Stage health: whether a request is a health check of this proxy, and what is answered to it.

use mesh_http::{RequestHead, ResponseHead};
use mesh_traffic::Config;
use mesh_traffic::health::{DEGRADED, FAIL_AT_ONCE, SERVICE, Stands};

use crate::http::connection::Served;
use crate::http::failure::{Failure, FailureKind, grpc_of_http};
use crate::http::head::put;
use crate::http::respond::Answering;
use crate::http::serve::Worker;

/// What is answered here to a request; `None` if that is somebody else's matter.
#[must_use]
pub fn health(
    served: &Served,
    head: &RequestHead,
    config: &Config,
    worker: &Worker<'_>,
) -> Option<Stands> {
    let filter = served.manager()?.health.as_deref()?;
    if !filter.takes(head) {
        return None;
    }
    filter.answer(worker.live.fails_health_checks(), config, worker.now)
}

/// How it fails where it is answered so.
#[must_use]
pub fn failure(stands: Stands) -> Option<Failure> {
    let Stands { status, .. } = stands;
    let told = (status, grpc_of_http(status));
    let fails = !(200..300).contains(&status);
    fails.then(|| Failure::told_as(FailureKind::FailedHealthCheck, told))
}

/// Takes note of any answer to a health check, and writes into all answers what the clients' own checks look for.
pub fn tell(with: &Answering<'_>, head: &mut ResponseHead) {
    let Some(filter) = with.manager.and_then(|manager| manager.health.as_deref()) else {
        return;
    };
    if filter.takes(with.request) {
        let stands = Stands {
            status: head.status,
            degraded: head.fields.contains(DEGRADED),
        };
        filter.note(stands, with.now);
        put(&mut head.fields, SERVICE, with.own.cluster());
    } else if with.fails {
        put(&mut head.fields, FAIL_AT_ONCE, "true");
    }
}
