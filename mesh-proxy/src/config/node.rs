//! Who this proxy is: the workload it stands beside, and how pilot and other proxies are told.

use std::net::IpAddr;

use clap::ValueEnum;
use mesh_model::Str;
use mesh_model::ident::{ServiceAccount, SpiffeId, TrustDomain};
use mesh_model::labels::Labels;
use mesh_proto::envoy::google::protobuf::value::Kind;
use mesh_proto::envoy::google::protobuf::{Struct, Value};
use mesh_xds::Node;

/// Cluster of machines, where nothing else is said (Istio's `CLUSTER_ID` default).
pub const CLUSTER_ID: &str = "Kubernetes";

/// What a proxy does in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Stands beside one workload.
    Sidecar,
    /// Stands alone: a gateway.
    Router,
}

impl Role {
    /// As node ids write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
        }
    }
}

/// The workload that a proxy stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// What the proxy does.
    pub role: Role,
    /// Name of the pod.
    pub name: Str,
    /// Name of the Deployment or other owner.
    pub owner: Str,
    /// The account that it runs as, with its namespace.
    pub account: ServiceAccount,
    /// Trust domain of the mesh.
    pub trust_domain: TrustDomain,
    /// Address of the pod.
    pub address: IpAddr,
    /// Labels of the pod.
    pub labels: Labels,
    /// Domain of services, for example `cluster.local`.
    pub domain: Str,
    /// How its connections come to the proxy.
    pub interception: Interception,
}

/// How a workload's connections come to its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
pub enum Interception {
    /// They are made to listeners of the proxy.
    #[default]
    #[value(name = "NONE")]
    None,
    /// They are redirected to it, see `mesh-proxy capture`.
    #[value(name = "REDIRECT")]
    Redirect,
}

impl Interception {
    /// As node metadata writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Redirect => "REDIRECT",
        }
    }
}

impl Workload {
    /// Namespace of the pod.
    #[must_use]
    pub fn namespace(&self) -> &Str {
        &self.account.namespace
    }

    /// The identity that it proves.
    #[must_use]
    pub fn identity(&self) -> SpiffeId {
        SpiffeId::of_workload(&self.trust_domain, &self.account)
    }

    /// The node id: `sidecar~IP~pod.namespace~namespace.svc.cluster.local`.
    #[must_use]
    pub fn node_id(&self) -> String {
        let (role, namespace) = (self.role.as_str(), self.namespace());
        let (address, name, domain) = (self.address, &self.name, &self.domain);
        format!("{role}~{address}~{name}.{namespace}~{namespace}.svc.{domain}")
    }

    /// The node as it is presented to an xDS server.
    #[must_use]
    pub fn node(&self) -> Node {
        let mut metadata = self.metadata();
        let more = [
            ("SERVICE_ACCOUNT", self.account.name.as_str()),
            ("INTERCEPTION_MODE", self.interception.as_str()),
            ("MESH_ID", self.trust_domain.as_str()),
            ("ISTIO_VERSION", VERSION),
        ];
        metadata
            .fields
            .extend(more.map(|(name, value)| (name.to_owned(), text(value))));
        Node {
            id: self.node_id(),
            cluster: self.cluster(),
            metadata: Some(metadata),
            user_agent_name: "mesh-proxy".to_owned(),
            ..Node::default()
        }
    }

    /// The cluster that the proxy belongs to, as Istio names it: `app.namespace`.
    #[must_use]
    pub fn cluster(&self) -> String {
        let app = self.labels.value("app").unwrap_or(&self.owner);
        format!("{app}.{}", self.namespace())
    }

    /// What other proxies are told, see [`crate::record::peer`].
    #[must_use]
    pub fn metadata(&self) -> Struct {
        let labels = self.labels.0.iter();
        let labels = Struct {
            fields: labels
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
        };
        let owner = format!(
            "kubernetes://apis/apps/v1/namespaces/{}/deployments/{}",
            self.namespace(),
            self.owner
        );
        let fields = [
            ("NAME", text(&self.name)),
            ("NAMESPACE", text(self.namespace())),
            ("WORKLOAD_NAME", text(&self.owner)),
            ("OWNER", text(&owner)),
            ("CLUSTER_ID", text(CLUSTER_ID)),
            (
                "LABELS",
                Value {
                    kind: Some(Kind::StructValue(labels)),
                },
            ),
        ];
        Struct {
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
}

/// Version that the node names; servers choose features by it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text(value: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(value.to_owned())),
    }
}

#[cfg(test)]
pub(crate) mod tests;
