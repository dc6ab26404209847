//! Clusters as rows. Pure.

use serde_json::Value;

use super::dump::Dump;
use super::{Shown, dash};
use crate::plane::kube::text;
use crate::ui::table::Table;

/// Which clusters.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Filter {
    /// Those of a service, by its host
    #[arg(long, value_name = "HOST")]
    fqdn: Option<String>,
    /// Those of a direction
    #[arg(long, value_parser = ["inbound", "outbound"], value_name = "DIRECTION")]
    direction: Option<String>,
    /// Those of a port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Those of a subset
    #[arg(long, value_name = "SUBSET")]
    subset: Option<String>,
}

/// A cluster's name, which says what it is of: `outbound|9080|v1|reviews.default.svc.cluster.local`.
struct Named<'n> {
    direction: &'n str,
    port: &'n str,
    subset: &'n str,
    host: &'n str,
}

impl<'n> Named<'n> {
    fn read(name: &'n str) -> Self {
        let mut parts = name.split('|');
        let four = (parts.next(), parts.next(), parts.next(), parts.next());
        match four {
            (Some(direction), Some(port), Some(subset), Some(host)) => Self {
                direction,
                port,
                subset,
                host,
            },
            _ => Self {
                direction: "",
                port: "",
                subset: "",
                host: name,
            },
        }
    }
}

impl Filter {
    fn takes(&self, named: &Named<'_>) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        same(&self.fqdn, named.host)
            && same(&self.direction, named.direction)
            && same(&self.subset, named.subset)
            && self.port.is_none_or(|port| named.port == port.to_string())
    }
}

pub(super) fn show(dump: &Dump, filter: &Filter) -> Shown {
    let headers = [
        "service fqdn",
        "port",
        "subset",
        "direction",
        "type",
        "destination rule",
    ];
    let mut table = Table::new(&headers);
    let mut value = Vec::new();
    for cluster in dump.clusters() {
        let named = Named::read(text(cluster, "/name"));
        if !filter.takes(&named) {
            continue;
        }
        value.push(cluster.clone());
        table.row([
            dash(named.host),
            dash(named.port),
            dash(named.subset),
            dash(named.direction),
            dash(text(cluster, "/type")),
            made_from(text(cluster, "/metadata/filter_metadata/istio/config")),
        ]);
    }
    let value = Value::Array(value);
    Shown { table, value }
}

/// `reviews.default` of `/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews`.
pub(super) fn made_from(path: &str) -> String {
    let mut parts = path.rsplit('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(_), Some(namespace)) => format!("{name}.{namespace}"),
        _ => dash(path),
    }
}
