//! Endpoints as rows. Pure.

use serde_json::{Value, json};

use super::{Shown, dash};
use crate::plane::kube::text;
use crate::ui::table::Table;
use crate::ui::{Tone, Ui};

/// What Envoy's API calls the health of an endpoint.
const STATES: [&str; 6] = [
    "healthy",
    "unhealthy",
    "draining",
    "timeout",
    "degraded",
    "unknown",
];

/// Which endpoints.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Those of an address
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// Those with a port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Those of a cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Those in a state
    #[arg(long, value_parser = STATES, ignore_case = true, value_name = "STATUS")]
    status: Option<String>,
}

impl Filter {
    fn takes(&self, host: &Value) -> bool {
        let port = host.pointer("/address/socket_address/port_value");
        let at = text(host, "/address/socket_address/address");
        self.address.as_deref().is_none_or(|wanted| wanted == at)
            && self
                .port
                .is_none_or(|wanted| port.and_then(Value::as_u64) == Some(wanted.into()))
            && self
                .status
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(health(host)))
    }
}

pub(super) fn show(statuses: &Value, filter: &Filter, ui: &Ui) -> Shown {
    let mut table = Table::new(&["endpoint", "status", "outlier check", "cluster"]);
    let mut value = Vec::new();
    for status in list(statuses, "cluster_statuses") {
        let cluster = text(status, "/name");
        if filter
            .cluster
            .as_deref()
            .is_some_and(|wanted| wanted != cluster)
        {
            continue;
        }
        let hosts: Vec<&Value> = list(status, "host_statuses")
            .filter(|host| filter.takes(host))
            .collect();
        for host in &hosts {
            let tone = match health(host) {
                "HEALTHY" => Tone::Good,
                "DRAINING" => Tone::Faint,
                _ => Tone::Bad,
            };
            let outlier = match host.pointer("/health_status/failed_outlier_check") {
                Some(Value::Bool(true)) => "FAILED",
                _ => "OK",
            };
            table.row([
                address(host),
                ui.paint(tone, health(host)),
                outlier.to_owned(),
                dash(cluster),
            ]);
        }
        if !hosts.is_empty() {
            value.push(json!({"name": cluster, "host_statuses": hosts}));
        }
    }
    let value = Value::Array(value);
    Shown { table, value }
}

fn list<'v>(value: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.get(member).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn health(host: &Value) -> &str {
    match text(host, "/health_status/eds_health_status") {
        "" => "HEALTHY",
        known => known,
    }
}

fn address(host: &Value) -> String {
    let pipe = text(host, "/address/pipe/path");
    if !pipe.is_empty() {
        return format!("unix://{pipe}");
    }
    let at = text(host, "/address/socket_address/address");
    let port = host.pointer("/address/socket_address/port_value");
    let port = port.and_then(Value::as_u64).unwrap_or_default();
    if at.contains(':') {
        format!("[{at}]:{port}")
    } else {
        format!("{at}:{port}")
    }
}
