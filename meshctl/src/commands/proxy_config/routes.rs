//! Route tables as rows, one for each route. Pure.

use serde_json::Value;

use super::clusters::made_from;
use super::dump::Dump;
use super::{Shown, dash};
use crate::plane::kube::text;
use crate::ui::table::Table;

/// How many domains of a virtual host are shown.
const DOMAINS: usize = 2;

/// Which route tables.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// The one of that name, for example 9080
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) fn show(dump: &Dump, filter: &Filter) -> Shown {
    let headers = ["name", "vhost name", "domains", "match", "virtual service"];
    let mut table = Table::new(&headers);
    let mut value = Vec::new();
    for routes in dump.routes() {
        let name = text(routes, "/name");
        if filter.name.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        value.push(routes.clone());
        for host in list(routes, "virtual_hosts") {
            let (vhost, domains) = (text(host, "/name"), domains(host));
            let mut routes = list(host, "routes").peekable();
            if routes.peek().is_none() {
                table.row([name, vhost, &domains, "-", "404"]);
            }
            for route in routes {
                let of = [
                    text(route, "/config"),
                    text(route, "/metadata/filter_metadata/istio/config"),
                ];
                let of = made_from(of.into_iter().find(|of| !of.is_empty()).unwrap_or_default());
                table.row([dash(name), dash(vhost), domains.clone(), matches(route), of]);
            }
        }
    }
    let value = Value::Array(value);
    Shown { table, value }
}

fn list<'v>(value: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.get(member).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn domains(host: &Value) -> String {
    let all: Vec<&str> = list(host, "domains").filter_map(Value::as_str).collect();
    let shown: Vec<&str> = all.iter().copied().take(DOMAINS).collect();
    let shown = dash(&shown.join(", "));
    match all.len().saturating_sub(DOMAINS) {
        0 => shown,
        more => format!("{shown} + {more} more"),
    }
}

/// What requests a route takes: its path, in Istio's form; the route's name where only that is known.
fn matches(route: &Value) -> String {
    let path = match route.get("match") {
        None => match text(route, "/name") {
            "" => String::new(),
            name => format!("Route: {name}"),
        },
        Some(wanted) => path(wanted),
    };
    dash(&path)
}

fn path(wanted: &Value) -> String {
    let at = |pointer: &str| Some(text(wanted, pointer)).filter(|text| !text.is_empty());
    if let Some(prefix) = at("/prefix") {
        return format!("{prefix}*");
    }
    if let Some(prefix) = at("/path_separated_prefix") {
        return format!("PathPrefix:{prefix}");
    }
    at("/path")
        .map(ToOwned::to_owned)
        .or_else(|| at("/safe_regex/regex").map(|regex| format!("regex {regex}")))
        .unwrap_or_default()
}
