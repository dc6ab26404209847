//! Stage ask: what a service that counts for many proxies says of a request.
//!
//! It stands after all that may answer a request here: nothing is asked about what is not sent on.

use std::sync::Arc;

use mesh_http::{RequestHead, ResponseHead};
use mesh_traffic::Config;
use mesh_traffic::limit::service::{GlobalLimit, Judged, METHOD, Outcome};
use mesh_traffic::limit::{Known, client_address};

use crate::http::call::{self, Answer, Call, Calling, Speaks};
use crate::http::connection::Connection;
use crate::http::failure::{Failure, FailureKind, grpc_of_http};
use crate::http::limit::LimitWith;
use crate::http::route::Found;
use crate::http::shape::facts;

/// A request that a service is to be asked about.
pub struct Question {
    /// The limit that wants it.
    pub limit: Arc<GlobalLimit>,
    /// What is to be sent; a failure where that cannot be.
    pub call: Result<Call, Failure>,
}

/// What the service says.
#[derive(Debug)]
pub struct Heard {
    limit: Arc<GlobalLimit>,
    judged: Judged,
}

/// What is to be asked about a request; `None` where nothing is.
pub fn ask(
    with: &LimitWith<'_>,
    config: &Config,
    (head, found): (&RequestHead, &Found),
    random: &mut fastrand::Rng,
) -> Option<Question> {
    let manager = with.served.manager()?;
    let limit = manager.service_limit.as_ref()?;
    let decision = found.decision()?;
    let known = Known {
        head,
        client: client_address(head, manager.trusted_hops, with.connection.client.ip()),
        source: with.own.cluster(),
        destination: Some(&**found.cluster()?),
    };
    let message = limit.question(&known, &decision, || random.u64(..))?;
    Some(Question {
        call: call(limit, config, &message),
        limit: limit.clone(),
    })
}

fn call(limit: &GlobalLimit, config: &Config, message: &[u8]) -> Result<Call, Failure> {
    let calling = Calling {
        cluster: call::cluster(config, limit.cluster(), Speaks::Grpc)?,
        authority: limit.authority(),
        method: METHOD,
        timeout: limit.timeout(),
        message,
    };
    let call = calling.call();
    call.map_err(|error| Failure::new(FailureKind::NoCluster).caused_by(error))
}

impl Heard {
    /// Judges what the service answered, or that it did not.
    pub fn judge(
        limit: Arc<GlobalLimit>,
        told: &Result<Answer, Failure>,
        random: &mut fastrand::Rng,
    ) -> Self {
        let message = told.as_ref().ok().map(|answer| answer.body.as_slice());
        let judged = limit.judge(message, || random.u64(..));
        let failed = limit.asked().failed;
        if let (Err(failure), true) = (told, failed.is_power_of_two()) {
            // Not each time: there may be as many as there are requests.
            let (domain, cluster) = (limit.domain(), limit.cluster());
            tracing::warn!(%domain, %cluster, failed, ?failure, "rate limit service not asked");
        }
        Self { limit, judged }
    }

    /// What becomes of the request instead, if it does not pass; `told` says why where nobody knows.
    #[must_use]
    pub fn refusal(&self, told: Result<Answer, Failure>) -> Option<Failure> {
        let outcome = self.judged.outcome;
        let kind = match outcome {
            Outcome::Passes => return None,
            Outcome::Refused => FailureKind::OverLimit,
            Outcome::Unknown => FailureKind::LimitUnknown,
        };
        let (http, grpc) = self.limit.statuses(outcome);
        let told_as = (http, grpc.unwrap_or_else(|| grpc_of_http(http)));
        let failure = Failure::told_as(kind, told_as);
        Some(match outcome {
            Outcome::Unknown => {
                let why = why_unknown(told.as_ref().err());
                let cluster = self.limit.cluster();
                failure.caused_by(format!("rate limit service {cluster}: {why}"))
            }
            Outcome::Passes | Outcome::Refused => failure,
        })
    }

    /// Adds to the request what the service wants to be added; false if that is nothing.
    pub fn add(&self, head: &mut RequestHead) -> bool {
        for (name, value) in self.judged.request.iter() {
            // What cannot stand in a field was left out before.
            head.fields.append(name, value).ok();
        }
        !self.judged.request.is_empty()
    }

    /// The body of the answer to a request that does not pass.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.judged.body
    }

    /// Writes into the answer of a request that does not pass what it shall say.
    pub fn tell(&self, head: &mut ResponseHead, request: &RequestHead, connection: &Connection) {
        self.limit.tell(head, request, &facts(connection, None));
    }

    /// Adds to any answer what the service wants to be added.
    pub fn show(&self, head: &mut ResponseHead) {
        for (name, value) in self.judged.response.iter() {
            head.fields.append(name, value).ok();
        }
    }
}

/// Why a service did not say what becomes of a request: it could not be asked, or its answer is none.
pub(crate) fn why_unknown(failure: Option<&Failure>) -> String {
    match failure {
        Some(cause) => format!("{:?} {}", cause.kind, cause.reason()),
        None => "the answer cannot be read".to_owned(),
    }
}
