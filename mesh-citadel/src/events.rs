//! What is worth a line: each event writes its log line and its counter, so that they cannot drift.

use mesh_model::time::rfc3339;

use crate::authenticate::Unknown;
use crate::issue::issue::Issued;
use crate::metrics::Metrics;
use crate::serve::Refusal;

/// A certificate left the house.
pub(crate) struct CertificateIssued<'a> {
    pub(crate) issued: &'a Issued,
    pub(crate) peer: &'a str,
}

impl CertificateIssued<'_> {
    pub(crate) fn emit(&self, metrics: &Metrics) {
        metrics.issued.inc();
        tracing::info!(
            identity = %self.issued.identity,
            serial = self.issued.leaf.serial_hex(),
            not_after = rfc3339(self.issued.leaf.not_after),
            peer = self.peer,
            "certificate issued"
        );
    }
}

/// A request was refused.
pub(crate) struct RequestRefused<'a> {
    pub(crate) refusal: &'a Refusal,
    pub(crate) peer: &'a str,
}

impl RequestRefused<'_> {
    pub(crate) fn emit(&self, metrics: &Metrics) {
        match self.refusal {
            Refusal::Unknown(Unknown::NoToken | Unknown::NotAccepted) => {
                metrics.unauthenticated.inc();
            }
            Refusal::NotYours(_) => metrics.not_authorized.inc(),
            Refusal::Request(_) | Refusal::Lifetime(_) => metrics.bad_requests.inc(),
            Refusal::Issue(error) => metrics
                .sign_errors
                .with_label_values(&[error.label()])
                .inc(),
            // Counted where the token was looked at.
            Refusal::Unknown(Unknown::TooMany | Unknown::Unchecked) | Refusal::Busy => {}
        }
        let (error, peer) = (self.refusal, self.peer);
        match self.refusal {
            Refusal::Issue(_) => tracing::error!(%error, peer, "certificate not issued"),
            Refusal::Unknown(_)
            | Refusal::NotYours(_)
            | Refusal::Request(_)
            | Refusal::Lifetime(_)
            | Refusal::Busy => tracing::warn!(%error, peer, "certificate request refused"),
        }
    }
}
