//! Stage authorize: whether a request may pass, as a service says that is asked about it.
//!
//! Where it stands among the other stages is the listener's word. What cannot be asked does not pass, unless the
//! listener says so.

use std::time::Duration;

use mesh_http::{RequestHead, ResponseHead};
use mesh_traffic::Config;
use mesh_traffic::authz::{
    self, AuthorizationAt, Body, Check, Judged, Known, Looked, METHOD, Moment, Outcome, Question,
};

use crate::http::call::{self, Answer, Call, Calling, Speaks};
use crate::http::connection::{Connection, Served};
use crate::http::failure::{Failure, FailureKind, grpc_of_http};
use crate::http::route::Found;
use crate::http::shape::facts;

/// What the service says.
#[derive(Debug)]
pub struct Authorized {
    check: Check,
    judged: Judged,
}

/// What asking depends on.
pub struct AuthorizeWith<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The connection that the request came on.
    pub connection: &'a Connection,
    /// When the request arrived, since 1970.
    pub arrived: Duration,
    /// Whether it has no body, or all of it is there.
    pub ended: bool,
}

impl Served {
    /// The filter of its listener that asks a service whether requests pass.
    #[must_use]
    pub fn authorization(&self) -> Option<&AuthorizationAt> {
        self.manager()?.authorization.as_ref()
    }

    /// The same if it does so at this moment.
    #[must_use]
    pub fn authorizes(&self, moment: Moment) -> Option<&AuthorizationAt> {
        self.authorization().filter(|at| at.moment == moment)
    }
}

/// Whether a service is to be asked about a request.
pub fn look(at: &AuthorizationAt, found: &Found, random: &mut fastrand::Rng) -> Looked {
    let decision = found.decision();
    at.look(decision.as_ref(), || random.u64(..))
}

/// What is to be sent to the service.
///
/// # Errors
/// When that cannot be.
pub fn call(
    with: &AuthorizeWith<'_>,
    check: &Check,
    head: &RequestHead,
    body: Option<Body>,
) -> Result<Call, Failure> {
    let connection = with.connection;
    let known = Known {
        head,
        facts: facts(connection, None),
        certificate: connection.certificate.as_deref(),
        arrived: with.arrived,
        ended: with.ended,
    };
    match check.question(&known, body) {
        Question::Grpc { authority, message } => {
            let calling = Calling {
                cluster: call::cluster(with.config, check.cluster(), Speaks::Grpc)?,
                authority: &authority,
                method: METHOD,
                timeout: check.timeout(),
                message: &message,
            };
            let call = calling.call();
            call.map_err(|error| Failure::new(FailureKind::NoCluster).caused_by(error))
        }
        Question::Http { head, body } => {
            let cluster = call::cluster(with.config, check.cluster(), Speaks::Http)?;
            Ok(Call::http(cluster, check.timeout(), head, body))
        }
    }
}

impl Authorized {
    /// Judges what the service answered, or that it did not; `connection` is the request's.
    #[must_use]
    pub fn judge(check: Check, told: &Result<Answer, Failure>, connection: &Connection) -> Self {
        let answer = told.as_ref().ok().map(|answer| authz::Answer {
            head: &answer.head,
            body: &answer.body,
        });
        let judged = check.judge(answer);
        let failed = check.failed();
        if let (Err(failure), true) = (told, failed.is_power_of_two()) {
            // Not each time: there may be as many as there are requests.
            let (listener, cluster) = (&connection.listener.name, check.cluster());
            tracing::warn!(%listener, %cluster, failed, ?failure, "authorization service not asked");
        }
        Self { check, judged }
    }

    /// What becomes of a request that is not asked about, and then shall not pass.
    #[must_use]
    pub fn refused(check: Check) -> Self {
        let judged = check.refuse();
        Self { check, judged }
    }

    /// What becomes of the request instead, if it does not pass; `why` says why nobody knows whether it may.
    pub fn refusal(&self, why: impl FnOnce() -> String) -> Option<Failure> {
        let status = self.judged.status;
        let told = |kind: FailureKind| Failure::told_as(kind, (status, grpc_of_http(status)));
        let cluster = self.check.cluster();
        match self.judged.outcome {
            Outcome::Passes => None,
            Outcome::Denied => Some(told(FailureKind::Unauthorized)),
            Outcome::Unknown => {
                let why = format!("authorization service {cluster}: {}", why());
                Some(told(FailureKind::AuthorizationUnknown).caused_by(why))
            }
            Outcome::Invalid => {
                let why = format!("authorization service {cluster}: wants what cannot be done");
                Some(Failure::new(FailureKind::AuthorizationInvalid).caused_by(why))
            }
        }
    }

    /// Changes the request as the service wants it; false if that is nothing.
    pub fn change(&self, head: &mut RequestHead) -> bool {
        self.judged.change(head)
    }

    /// Whether the request's route is to be looked for once more.
    #[must_use]
    pub fn reroutes(&self) -> bool {
        self.judged.reroutes
    }

    /// The body of the answer to a request that does not pass.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.judged.body
    }

    /// Writes into the answer of a request that does not pass what it shall say.
    pub fn tell(&self, head: &mut ResponseHead, request: &RequestHead) {
        self.judged.tell(head, request);
    }

    /// Adds to any other answer what the service wants to be added.
    pub fn show(&self, head: &mut ResponseHead) {
        self.judged.show(head);
    }
}
