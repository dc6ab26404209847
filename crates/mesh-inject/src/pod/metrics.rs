//! The application's metrics through the sidecar: Prometheus scrapes one page for both.

use serde_json::{Map, Value, json};

use super::Edit;
use crate::annotations::boolean_word;
use crate::codes;
use crate::problem::{Problem, annotation};
use crate::settings::{OWN_PORTS, Settings};

/// The variable by which the sidecar learns what to scrape, with Istio's members.
pub(super) const VARIABLE: &str = "ISTIO_PROMETHEUS_ANNOTATIONS";
const SCRAPE: &str = "prometheus.io/scrape";
const PORT: &str = "prometheus.io/port";
const PATH: &str = "prometheus.io/path";
/// Istio's page of merged metrics.
const MERGED: &str = "/stats/prometheus";

/// Points Prometheus to the sidecar; answers what the sidecar must scrape, if anything.
pub(super) fn merge(edit: &mut Edit<'_>, settings: &Settings) -> Result<Option<Value>, Problem> {
    let status_port = settings.proxy.status_port;
    let annotations = edit.pod.pointer("/metadata/annotations");
    let of = |name: &str| {
        let value = annotations.and_then(|all| all.get(name));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let scrape = of(SCRAPE).and_then(|word| boolean_word(&word));
    if !settings.prometheus_merge || status_port == 0 || scrape == Some(false) {
        return Ok(None);
    }
    let port = of(PORT);
    let number = port.as_ref().and_then(|port| port.parse::<u16>().ok());
    if let (Some(number), Some(true)) = (number, scrape)
        && (OWN_PORTS.contains(&number) || number == status_port)
    {
        let message = format!("port {number} is the sidecar's");
        return Err(
            Problem::error(codes::INVALID_ANNOTATION, annotation(PORT), message).with_hint(
                "serve the application's metrics on another port, or leave the annotation out: \
                 the sidecar's are scraped without it",
            ),
        );
    }
    let own = [("path", of(PATH)), ("port", port), ("scrape", of(SCRAPE))];
    let own: Map<String, Value> = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
        .collect();
    edit.annotate(SCRAPE, "true")?;
    edit.annotate(PORT, &status_port.to_string())?;
    edit.annotate(PATH, MERGED)?;
    // Without a wish to be scraped there is nothing but the sidecar's own metrics.
    Ok((scrape == Some(true)).then(|| json!(own)))
}
