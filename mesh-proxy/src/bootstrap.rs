//! Envoy's bootstrap file: what stands in it, and whom to ask for more (`envoy.config.bootstrap.v3.Bootstrap`).
//!
//! What this proxy does not have is refused by its field, what it cannot use by resource and field; nothing of the
//! file is passed over.

pub mod flags;
mod server;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use mesh_model::Str;
use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::bootstrap::v3 as pb;
use mesh_proto::envoy::envoy::config::core::v3::address::Address;
use mesh_proto::envoy::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use mesh_proto::envoy::envoy::config::core::v3::socket_address::PortSpecifier;
use mesh_proto::envoy::envoy::config::core::v3::{self as core, Node};
use mesh_proto::json::{Descriptors, JsonError};
use mesh_xds::Kind;
use mesh_xds::client::Upsert;
use serde_json::Value;

pub use server::Server;

/// The version of resources that stand in the file.
const VERSION: &str = "static";
/// The fields that are understood, and those of the messages in them.
const FIELDS: [&str; 4] = ["node", "static_resources", "dynamic_resources", "admin"];
const PARTS: [(&str, &[&str]); 3] = [
    ("static_resources", &["listeners", "clusters", "secrets"]),
    (
        "dynamic_resources",
        &["lds_config", "cds_config", "ads_config"],
    ),
    ("admin", &["address"]),
];

/// What a bootstrap file says.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// Who this proxy says it is.
    pub node: Node,
    /// Where the admin pages are served, if they are.
    pub admin: Option<SocketAddr>,
    /// Listeners, clusters and secrets that stand in it.
    pub resources: Vec<(Kind, Upsert)>,
    /// Who is asked for more, if anybody is.
    pub server: Option<Server>,
}

/// Why a bootstrap file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadBootstrap {
    /// It is neither YAML nor JSON.
    #[error("neither YAML nor JSON: {0}")]
    Text(String),
    /// It is no bootstrap.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It asks for something that this proxy does not have.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A field makes no sense.
    #[error("{field}: {why}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

impl BadBootstrap {
    fn field(field: &str, why: impl ToString) -> Self {
        Self::Field {
            field: field.to_owned(),
            why: why.to_string(),
        }
    }
}

impl Bootstrap {
    /// Reads YAML, of which JSON is a part.
    ///
    /// # Errors
    /// [`BadBootstrap`] names the field.
    pub fn read(text: &str) -> Result<Self, BadBootstrap> {
        Self::read_as(text, None, None)
    }

    /// Reads the same for a node of this id and this cluster, where they are given.
    ///
    /// # Errors
    /// As [`Bootstrap::read`].
    pub fn read_as(
        text: &str,
        id: Option<String>,
        cluster: Option<String>,
    ) -> Result<Self, BadBootstrap> {
        let value: Value =
            serde_saphyr::from_str(text).map_err(|error| BadBootstrap::Text(error.to_string()))?;
        let descriptors = Descriptors::load()?;
        let (mut bootstrap, set) = descriptors.read_with_set::<pb::Bootstrap>(&value)?;
        refuse_others("", &set.fields(), &FIELDS)?;
        for (part, known) in PARTS {
            refuse_others(&format!("{part}."), &set.fields_in(part), known)?;
        }
        let node = bootstrap.node.get_or_insert_default();
        if let Some(id) = id {
            node.id = id;
        }
        if let Some(cluster) = cluster {
            node.cluster = cluster;
        }
        Self::of(bootstrap)
    }

    fn of(pb: pb::Bootstrap) -> Result<Self, BadBootstrap> {
        let fixed = pb.static_resources.unwrap_or_default();
        let server = pb
            .dynamic_resources
            .map(|dynamic| dynamic_server(&dynamic, &fixed))
            .transpose()?
            .flatten();
        let mut node = pb.node.unwrap_or_default();
        if server.is_some() && node.id.is_empty() {
            return Err(BadBootstrap::field(
                "node.id",
                "a server is to be told who asks",
            ));
        }
        node.user_agent_name = "mesh-proxy".to_owned();
        let admin = pb.admin.and_then(|admin| admin.address);
        let admin = admin
            .map(|address| socket("admin.address", &address))
            .transpose()?;
        Ok(Self {
            node,
            admin,
            resources: resources(&fixed)?,
            server,
        })
    }
}

/// Refuses the first field that is set and not known.
fn refuse_others(at: &str, set: &[String], known: &[&str]) -> Result<(), BadBootstrap> {
    let other = set.iter().find(|field| !known.contains(&field.as_str()));
    other.map_or(Ok(()), |field| {
        Err(BadBootstrap::Unsupported(format!("{at}{field}")))
    })
}

/// What stands in the file: secrets and clusters first, for listeners name them.
fn resources(fixed: &pb::bootstrap::StaticResources) -> Result<Vec<(Kind, Upsert)>, BadBootstrap> {
    let secrets = fixed
        .secrets
        .iter()
        .map(|one| (Kind::Secret, &one.name, pack(one)));
    let clusters = fixed
        .clusters
        .iter()
        .map(|one| (Kind::Cluster, &one.name, pack(one)));
    let listeners = fixed.listeners.iter().enumerate().map(|(index, one)| {
        // Envoy gives listeners a name that have none.
        let mut one = one.clone();
        if one.name.is_empty() {
            one.name = format!("listener_{index}");
        }
        (Kind::Listener, one.name.clone(), pack(&one))
    });
    let named = secrets.chain(clusters);
    let named = named.map(|(kind, name, any)| (kind, name.clone(), any));
    let all: Vec<(Kind, Upsert)> = named.chain(listeners).map(upsert).collect();
    let mut seen = BTreeSet::new();
    for (kind, upsert) in &all {
        if !seen.insert((*kind, upsert.name.clone())) {
            let why = format!("there is more than one of the name {:?}", upsert.name);
            return Err(BadBootstrap::field(list_of(*kind), why));
        }
    }
    Ok(all)
}

/// The field in which resources of a kind stand.
#[must_use]
pub fn list_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Cluster => "static_resources.clusters",
        Kind::Secret => "static_resources.secrets",
        Kind::Listener | Kind::Endpoint | Kind::Route => "static_resources.listeners",
    }
}

fn upsert((kind, name, any): (Kind, String, Any)) -> (Kind, Upsert) {
    let upsert = Upsert {
        name,
        version: VERSION.to_owned(),
        any,
    };
    (kind, upsert)
}

fn dynamic_server(
    dynamic: &pb::bootstrap::DynamicResources,
    fixed: &pb::bootstrap::StaticResources,
) -> Result<Option<Server>, BadBootstrap> {
    let sources = [
        (
            "dynamic_resources.cds_config",
            Kind::Cluster,
            &dynamic.cds_config,
        ),
        (
            "dynamic_resources.lds_config",
            Kind::Listener,
            &dynamic.lds_config,
        ),
    ];
    let mut all_of = Vec::new();
    for (field, kind, source) in sources {
        if let Some(source) = source {
            ads(field, source)?;
            all_of.push(kind);
        }
    }
    match &dynamic.ads_config {
        Some(config) => Server::new(config, fixed, all_of).map(Some),
        None if all_of.is_empty() => Ok(None),
        None => Err(BadBootstrap::field(
            "dynamic_resources.ads_config",
            "is not set, and other sources ask for it",
        )),
    }
}

/// A source must be the one server that is asked for everything.
fn ads(field: &str, source: &core::ConfigSource) -> Result<(), BadBootstrap> {
    match source.config_source_specifier {
        Some(ConfigSourceSpecifier::Ads(_)) => Ok(()),
        _ => Err(BadBootstrap::Unsupported(format!(
            "{field}: any source but ads"
        ))),
    }
}

/// `IP:PORT` of an address.
fn socket(field: &str, address: &core::Address) -> Result<SocketAddr, BadBootstrap> {
    let Some(Address::SocketAddress(socket)) = &address.address else {
        return Err(BadBootstrap::Unsupported(format!(
            "{field}: any but socket_address"
        )));
    };
    let ip: IpAddr = socket
        .address
        .parse()
        .map_err(|error| BadBootstrap::field(field, format!("{:?}: {error}", socket.address)))?;
    Ok(SocketAddr::new(ip, port(field, socket)?))
}

fn port(field: &str, socket: &core::SocketAddress) -> Result<u16, BadBootstrap> {
    match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(port)
            .map_err(|_| BadBootstrap::field(field, format!("{port} is no port"))),
        _ => Err(BadBootstrap::field(field, "port_value is not set")),
    }
}

/// The name by which the proxy is known where a workload's is wanted.
pub(crate) fn name_of(node: &Node) -> Str {
    match node.id.as_str() {
        "" => "mesh-proxy".into(),
        id => id.into(),
    }
}

#[cfg(test)]
mod tests;
