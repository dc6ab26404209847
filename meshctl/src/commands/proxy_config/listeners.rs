//! Listeners as rows, one for each filter chain. Pure.

use clap::ValueEnum;
use serde_json::Value;

use super::dump::Dump;
use super::{Shown, dash};
use crate::plane::kube::text;
use crate::ui::table::Table;

/// Which listeners.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Those of an address
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// Those of a port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Those with chains of a kind
    #[arg(long = "type", value_enum, ignore_case = true, value_name = "TYPE")]
    kind: Option<Kind>,
}

/// What reads a chain's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Http,
    Tcp,
}

pub(super) fn show(dump: &Dump, filter: &Filter) -> Shown {
    let mut table = Table::new(&["addresses", "port", "match", "destination"]);
    let mut value = Vec::new();
    for listener in dump.listeners() {
        let address = text(listener, "/address/socket_address/address");
        let port = listener.pointer("/address/socket_address/port_value");
        let port = port.and_then(Value::as_u64);
        let chains: Vec<&Value> = chains(listener)
            .filter(|chain| filter.kind.is_none_or(|kind| kind_of(chain) == Some(kind)))
            .collect();
        let wanted = filter.address.as_deref().is_none_or(|ip| ip == address)
            && filter.port.is_none_or(|wanted| port == Some(wanted.into()));
        if !wanted || chains.is_empty() && filter.kind.is_some() {
            continue;
        }
        value.push(listener.clone());
        let port = port.map_or_else(|| "-".to_owned(), |port| port.to_string());
        for chain in &chains {
            table.row([
                dash(address),
                port.clone(),
                matches(chain),
                destination(chain),
            ]);
        }
        if chains.is_empty() {
            table.row([dash(address), port, "-".to_owned(), "-".to_owned()]);
        }
    }
    let value = Value::Array(value);
    Shown { table, value }
}

fn chains(listener: &Value) -> impl Iterator<Item = &Value> {
    let chains = listener.get("filter_chains").and_then(Value::as_array);
    let chains = chains.into_iter().flatten();
    chains.chain(listener.get("default_filter_chain"))
}

fn filters(chain: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    let filters = chain.get("filters").and_then(Value::as_array);
    filters.into_iter().flatten()
}

fn kind_of(chain: &Value) -> Option<Kind> {
    filters(chain)
        .rev()
        .find_map(|filter| match text(filter, "/name") {
            "envoy.filters.network.http_connection_manager" => Some(Kind::Http),
            "envoy.filters.network.tcp_proxy" => Some(Kind::Tcp),
            _ => None,
        })
}

/// What connections a chain takes, in Istio's words; the chain's name where only that is known.
fn matches(chain: &Value) -> String {
    let asked = chain.get("filter_chain_match");
    let list = |member: &str| -> Vec<String> {
        let values = asked.and_then(|asked| asked.get(member)?.as_array());
        let values = values.into_iter().flatten();
        values
            .filter_map(|one| one.as_str().map(ToOwned::to_owned))
            .collect()
    };
    let mut parts = Vec::new();
    let names = list("server_names");
    if !names.is_empty() {
        parts.push(format!("SNI: {}", names.join(",")));
    }
    let transport = asked.map_or("", |asked| text(asked, "/transport_protocol"));
    if !transport.is_empty() {
        parts.push(format!("Trans: {transport}"));
    }
    let protocols = list("application_protocols");
    if !protocols.is_empty() {
        parts.push(format!("App: {}", protocols.join(",")));
    }
    let port = asked.and_then(|asked| asked.get("destination_port")?.as_u64());
    if let Some(port) = port {
        parts.push(format!("Addr: *:{port}"));
    }
    if parts.is_empty() && chain.get("tls").is_some_and(|tls| tls == true) {
        parts.push("Trans: tls".to_owned());
    }
    match (parts.is_empty(), text(chain, "/name")) {
        (true, "") => "ALL".to_owned(),
        (true, name) => format!("Chain: {name}"),
        (false, _) => parts.join("; "),
    }
}

fn destination(chain: &Value) -> String {
    let Some(filter) = filters(chain).next_back() else {
        return "-".to_owned();
    };
    // Ours says it in the filter itself, a real Envoy in the filter's configuration.
    let config = filter.get("typed_config").unwrap_or(filter);
    let first = |at: &[&str]| {
        at.iter()
            .map(|at| text(config, at))
            .find(|text| !text.is_empty())
    };
    if let Some(table) = first(&["/route_config_name", "/rds/route_config_name"]) {
        return format!("Route: {table}");
    }
    if let Some(table) = first(&["/route_config/name"]) {
        return format!("Inline Route: {table}");
    }
    let clusters = config.get("clusters").and_then(Value::as_array);
    let weighted = config
        .pointer("/weighted_clusters/clusters")
        .and_then(Value::as_array);
    let names = clusters.or(weighted).into_iter().flatten();
    let names = names.filter_map(|one| one.as_str().or_else(|| one.get("name")?.as_str()));
    let mut names: Vec<&str> = names.collect();
    names.extend(first(&["/cluster"]));
    match names.as_slice() {
        [] => dash(text(filter, "/name")),
        names => format!("Cluster: {}", names.join(", ")),
    }
}
