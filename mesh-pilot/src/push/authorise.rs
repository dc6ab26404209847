//! May this connection be that proxy? The whole rule of the discovery server; it reads values only.

use mesh_model::ident::{ServiceAccount, SpiffeId, TrustDomain};
use mesh_model::name::NamespacedName;
use mesh_proto::envoy::google::protobuf::value::Kind;
use mesh_xds::Node;

use crate::snapshot::view::Software;
use crate::snapshot::{ProxyId, ProxyKind, World};

/// Why a proxy gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The connection proved no identity.
    #[error("the connection has no client certificate with a SPIFFE ID")]
    NoIdentity,
    /// The identity is of another mesh, or no workload's.
    #[error("{peer} is no workload of the trust domain {trust_domain}")]
    ForeignIdentity {
        /// Who connected.
        peer: SpiffeId,
        /// Whose workloads are served.
        trust_domain: TrustDomain,
    },
    /// The node's id has not the form that Istio's proxies use.
    #[error("node id {0:?} is not of the form sidecar|router~IP~POD.NAMESPACE~DOMAIN")]
    NodeId(String),
    /// The node says that it is somebody else.
    #[error("{peer} claims to run as {claimed}")]
    Claim {
        /// Who connected.
        peer: SpiffeId,
        /// Namespace and account that the node's metadata or id name.
        claimed: String,
    },
    /// The pod runs as another account.
    #[error("{peer} claims to be pod {pod}, which runs as {account}")]
    OtherPod {
        /// Who connected.
        peer: SpiffeId,
        /// The pod that it named.
        pod: NamespacedName,
        /// The account that the pod runs as.
        account: ServiceAccount,
    },
    /// The pod is not known, or not yet.
    #[error("pod {0} is not known yet")]
    UnknownPod(NamespacedName),
}

impl Refused {
    /// The status that ends the stream: a proxy that is refused for good need not hurry back.
    #[must_use]
    pub fn status(&self) -> tonic::Status {
        let text = self.to_string();
        match self {
            Self::NoIdentity => tonic::Status::unauthenticated(text),
            Self::NodeId(_) => tonic::Status::invalid_argument(text),
            Self::ForeignIdentity { .. } | Self::Claim { .. } | Self::OtherPod { .. } => {
                tonic::Status::permission_denied(text)
            }
            Self::UnknownPod(_) => tonic::Status::unavailable(text),
        }
    }
}

/// A proxy that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised {
    /// Which proxy.
    pub proxy: ProxyId,
    /// The account that it proved.
    pub account: ServiceAccount,
    /// What it says that it is made of.
    pub software: Software,
}

/// Lets a proxy in under its own pod's name, and under no other.
///
/// # Errors
/// [`Refused`] when what the node claims is not what its certificate proves.
pub fn authorise(
    world: &World,
    trust_domain: &TrustDomain,
    node: &Node,
    peer: Option<&SpiffeId>,
) -> Result<Authorised, Refused> {
    let peer = peer.ok_or(Refused::NoIdentity)?;
    let foreign = || Refused::ForeignIdentity {
        peer: peer.clone(),
        trust_domain: trust_domain.clone(),
    };
    if peer.trust_domain() != trust_domain {
        return Err(foreign());
    }
    let account = peer.service_account().ok_or_else(foreign)?;
    let mut proxy = parse_id(&node.id).ok_or_else(|| Refused::NodeId(node.id.clone()))?;
    if proxy.kind == ProxyKind::Sidecar {
        proxy.kind = kind_of_sidecar(node);
    }
    claims_match(node, &proxy, peer, &account)?;
    match world.registry.workloads.get(&proxy.workload) {
        None => Err(Refused::UnknownPod(proxy.workload)),
        Some(pod) if pod.service_account != account => Err(Refused::OtherPod {
            peer: peer.clone(),
            pod: proxy.workload,
            account: pod.service_account.clone(),
        }),
        Some(_) => Ok(Authorised {
            proxy,
            account,
            software: match node.user_agent_name.as_str() {
                "envoy" => Software::Envoy,
                _ => Software::Mesh,
            },
        }),
    }
}

/// istio: namespace and account of the node's metadata must be the certificate's.
fn claims_match(
    node: &Node,
    proxy: &ProxyId,
    peer: &SpiffeId,
    account: &ServiceAccount,
) -> Result<(), Refused> {
    let namespace = metadata(node, "NAMESPACE").unwrap_or_default();
    let name = metadata(node, "SERVICE_ACCOUNT").unwrap_or_default();
    let same = account.namespace == namespace
        && account.name == name
        && proxy.workload.namespace == account.namespace;
    if same {
        return Ok(());
    }
    let claimed = format!(
        "{namespace}/{name} (pod {}); NAMESPACE and SERVICE_ACCOUNT of its metadata must be \
         those of the certificate",
        proxy.workload
    );
    Err(Refused::Claim {
        peer: peer.clone(),
        claimed,
    })
}

/// istio: a gRPC library calls itself a sidecar that wants the generator `grpc`.
///
/// departs from istio: a proxy that does not say how its connections come has listeners of its own,
/// as in the local mesh, where Istio takes them for redirected.
fn kind_of_sidecar(node: &Node) -> ProxyKind {
    if metadata(node, "GENERATOR") == Some("grpc") {
        return ProxyKind::Proxyless;
    }
    match metadata(node, "INTERCEPTION_MODE") {
        Some("REDIRECT") => ProxyKind::Captured,
        _ => ProxyKind::Sidecar,
    }
}

fn metadata<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.metadata.as_ref()?.fields.get(key)?.kind {
        Some(Kind::StringValue(text)) => Some(text),
        _ => None,
    }
}

/// istio: `type~ip~name.namespace~domain`.
fn parse_id(id: &str) -> Option<ProxyId> {
    let mut parts = id.split('~');
    let (kind, _address, name, _domain) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let kind = match kind {
        "sidecar" => ProxyKind::Sidecar,
        "router" => ProxyKind::Router,
        _ => return None,
    };
    let (name, namespace) = name.rsplit_once('.')?;
    Some(ProxyId {
        workload: NamespacedName {
            namespace: namespace.into(),
            name: name.into(),
        },
        kind,
    })
}

#[cfg(test)]
mod tests;
