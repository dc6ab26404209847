//! Certificates, and who a proxy says it is, as rows. Pure.

use serde_json::{Value, json};

use super::dump::Dump;
use super::{Shown, dash};
use crate::plane::kube::text;
use crate::ui::table::Table;

/// `now` is the time of this machine, as the certificates write theirs.
pub(super) fn secrets(certs: Value, now: &str) -> Shown {
    let headers = [
        "resource name",
        "type",
        "status",
        "valid cert",
        "serial number",
        "not after",
        "not before",
        "trust domain",
    ];
    let mut table = Table::new(&headers);
    let held = certs.get("certificates").and_then(Value::as_array);
    for pair in held.into_iter().flatten() {
        let lists = [
            ("default", "Cert Chain", "cert_chain"),
            ("ROOTCA", "CA", "ca_cert"),
        ];
        for (name, kind, member) in lists {
            let list = pair.get(member).and_then(Value::as_array);
            for one in list.into_iter().flatten() {
                let uri = text(one, "/subject_alt_names/0/uri");
                let domain = uri.strip_prefix("spiffe://").unwrap_or_default();
                let domain = domain.split('/').next().unwrap_or_default();
                table.row([
                    name.to_owned(),
                    kind.to_owned(),
                    "ACTIVE".to_owned(),
                    valid(one, now).to_owned(),
                    dash(text(one, "/serial_number")),
                    dash(text(one, "/expiration_time")),
                    dash(text(one, "/valid_from")),
                    dash(domain),
                ]);
            }
        }
    }
    Shown {
        table,
        value: certs,
    }
}

/// Times of one form compare as text.
fn valid(certificate: &Value, now: &str) -> &'static str {
    let (from, to) = (
        text(certificate, "/valid_from"),
        text(certificate, "/expiration_time"),
    );
    if from <= now && now < to {
        "true"
    } else {
        "false"
    }
}

pub(super) fn bootstrap(dump: &Dump, info: &Value) -> Shown {
    let bootstrap = dump.bootstrap();
    let facts = [
        ("node", text(&bootstrap, "/node/id")),
        ("cluster", text(&bootstrap, "/node/cluster")),
        (
            "service account",
            text(&bootstrap, "/node/metadata/SERVICE_ACCOUNT"),
        ),
        ("workload", text(&bootstrap, "/node/metadata/WORKLOAD_NAME")),
        ("version", text(info, "/version")),
        ("state", text(info, "/state")),
        ("uptime", text(info, "/uptime_current_epoch")),
    ];
    let mut table = Table::new(&["setting", "value"]);
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        table.row([name, value]);
    }
    let value = json!({ "bootstrap": bootstrap });
    Shown { table, value }
}
