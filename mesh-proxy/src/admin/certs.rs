//! `/certs`: our certificate and the roots that we believe, never a key.

use std::time::{Duration, SystemTime};

use mesh_model::time::rfc3339;
use mesh_pki::chain::CertificateFacts;
use mesh_runtime::admin::{Page, Query};
use serde_json::{Value, json};

use crate::admin::Sources;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn page(sources: &Sources, _: &Query) -> Page {
    let now = sources.clock.wall();
    let Some(identity) = sources.identity.get() else {
        return Page::json(&json!({ "certificates": [] }));
    };
    let current = identity.live.current();
    let roots = current.bundle().roots().iter();
    let roots: Vec<_> = roots.map(|root| certificate(root, now)).collect();
    Page::json(&json!({
        "certificates": [{
            "ca_cert": roots,
            "cert_chain": [certificate(current.leaf(), now)],
        }],
    }))
}

fn certificate(facts: &CertificateFacts, now: SystemTime) -> Value {
    let names: Vec<_> = facts.uris.iter().map(|uri| json!({ "uri": uri })).collect();
    let left = facts.not_after.duration_since(now).unwrap_or_default();
    let days = left.as_secs() / DAY.as_secs();
    json!({
        "path": "<inline>",
        "serial_number": facts.serial_hex(),
        "subject_alt_names": names,
        "days_until_expiration": days.to_string(),
        "valid_from": rfc3339(facts.not_before),
        "expiration_time": rfc3339(facts.not_after),
    })
}
