//! Clusters: for each service's port and subset, and for each port of the proxy's own workload.

mod balance;
pub(super) mod captured;
mod guards;
mod proxyless;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_api::networking::destination_rule::ConnectionPool;
use mesh_model::net::Protocol;
use mesh_model::service::{Service, ServicePort};
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::cluster::v3 as proto;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbPolicy, TransportSocketMatch,
};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::endpoint::v3 as endpoint;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3 as http;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3::http_protocol_options::UpstreamProtocolOptions;
use mesh_proto::envoy::google::protobuf::{Duration, Struct};

use super::{message, names, secret};
use crate::snapshot::rules::{ClientTls, PolicyBlocks, SubsetPolicy};
use crate::snapshot::view::{Application, Carriage, InboundPort, Software, View, VisibleService};

/// istio: meshConfig.connectTimeout, `mesh/v1alpha1/config.proto`.
const CONNECT_TIMEOUT: Duration = Duration {
    seconds: 10,
    nanos: 0,
};
/// Where a cluster keeps its HTTP options.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Adds the clusters of a service: one per port, and per port and subset.
pub(super) fn outbound(
    view: &View,
    service: &VisibleService,
    out: &mut BTreeMap<String, proto::Cluster>,
) {
    let subsets = service.policy.iter().flat_map(|policy| &policy.subsets);
    for port in service.tcp_ports() {
        let whole = Target {
            view,
            service,
            port,
            subset: None,
        };
        out.insert(whole.name(), whole.cluster());
        for subset in subsets.clone() {
            let part = Target {
                subset: Some(subset),
                ..whole
            };
            out.insert(part.name(), part.cluster());
        }
    }
}

/// What an outbound cluster leads to.
#[derive(Clone, Copy)]
struct Target<'a> {
    view: &'a View,
    service: &'a VisibleService,
    port: &'a ServicePort,
    subset: Option<&'a SubsetPolicy>,
}

impl Target<'_> {
    fn subset_name(&self) -> &str {
        self.subset.map_or("", |s| s.name.as_str())
    }

    fn host(&self) -> &str {
        self.service.service.hostname.as_str()
    }

    fn name(&self) -> String {
        names::outbound_cluster(self.port.port, self.subset_name(), self.host())
    }

    fn cluster(&self) -> proto::Cluster {
        let blocks = match &self.service.policy {
            Some(policy) => policy.blocks_for(self.subset, self.port.port),
            None => PolicyBlocks::default(),
        };
        let pool = blocks.pool.as_deref();
        let told = proto::Cluster {
            connect_timeout: Some(CONNECT_TIMEOUT),
            typed_extension_protocol_options: self.protocol_options(pool),
            metadata: Some(self.metadata()),
            name: self.name(),
            ..Default::default()
        };
        let told = guards::bounded(&blocks, told);
        if self.view.is_chosen_by_client(&self.service.service) {
            return self.where_called(told, blocks.tls);
        }
        let (transport_socket_matches, transport_socket) = self.transport(blocks.tls);
        let told = proto::Cluster {
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
            eds_cluster_config: Some(EdsClusterConfig {
                eds_config: Some(message::ads()),
                service_name: self.name(),
            }),
            lb_policy: balance::policy(blocks.balancer()).into(),
            lb_config: balance::config(&blocks),
            common_lb_config: Some(balance::common(self.view, &blocks)),
            outlier_detection: blocks.outliers.as_deref().map(guards::outlier_detection),
            transport_socket_matches,
            transport_socket,
            ..told
        };
        if self.view.is_proxyless() {
            let mutual = self.is_mutual_for_all(blocks.tls);
            return proxyless::known(told, mutual.then(|| self.mutual_of_library()));
        }
        told
    }

    /// The cluster of a service whose clients choose the endpoint. There is one transport for all:
    /// mutual TLS where every endpoint takes it.
    fn where_called(&self, told: proto::Cluster, tls: Option<ClientTls>) -> proto::Cluster {
        proto::Cluster {
            transport_socket: self.is_mutual_for_all(tls).then(|| self.mutual()),
            ..captured::where_called(told)
        }
    }

    /// Whether there is mutual TLS, where there is one transport for all.
    fn is_mutual_for_all(&self, tls: Option<ClientTls>) -> bool {
        let endpoints = &self.service.endpoints;
        match tls {
            None => !endpoints.is_empty() && endpoints.iter().all(|e| e.mutual_tls),
            Some(ClientTls::IstioMutual) => true,
            Some(ClientTls::Disable) => false,
        }
    }

    /// Either a choice per endpoint or one transport for all.
    fn transport(
        &self,
        tls: Option<ClientTls>,
    ) -> (Vec<TransportSocketMatch>, Option<core::TransportSocket>) {
        match tls {
            None => (per_endpoint(self.mutual()), None),
            Some(ClientTls::Disable) => (Vec::new(), None),
            Some(ClientTls::IstioMutual) => (Vec::new(), Some(self.mutual())),
        }
    }

    fn mutual(&self) -> core::TransportSocket {
        let sni = names::sni(self.port.port, self.subset_name(), self.host());
        let trust_domain = &self.view.mesh.trust_domain;
        secret::upstream(sni, &self.service.accounts, trust_domain, self.offered())
    }

    /// What is offered in ALPN.
    fn offered(&self) -> &'static [&'static str] {
        let protocol = self.port.protocol;
        match (Carriage::of(protocol), self.view.software) {
            (Carriage::Tcp, _) => &secret::TCP_ALPN,
            (_, Software::Mesh) => &secret::HTTP_ALPN,
            (_, Software::Envoy) if protocol.is_http2() => &secret::HTTP2_ALPN,
            (_, Software::Envoy) => &secret::HTTP1_ALPN,
        }
    }

    /// Between sidecars ALPN decides; where the application is known to speak HTTP/2 alone, it is said.
    ///
    /// An Envoy takes no choice by ALPN where an endpoint may have no TLS: it is told one version, as Istio does.
    fn protocol_options(&self, pool: Option<&ConnectionPool>) -> Options {
        use http::http_protocol_options::AutoHttpConfig;
        let protocol = self.port.protocol;
        if !Carriage::of(protocol).may_be_http() {
            return Options::new();
        }
        let chosen = match (protocol.is_http2(), self.view.software) {
            (true, Software::Envoy) => http2(pool),
            (false, Software::Envoy) => return options(None, pool),
            _ if as_client(pool) => downstream(pool),
            (true, Software::Mesh) => http2(pool),
            (false, Software::Mesh) => UpstreamProtocolOptions::AutoConfig(AutoHttpConfig {
                http2_protocol_options: streams(pool),
                ..Default::default()
            }),
        };
        options(Some(chosen), pool)
    }

    fn mutual_of_library(&self) -> core::TransportSocket {
        let sni = names::sni(self.port.port, self.subset_name(), self.host());
        secret::of_library(sni, &self.service.accounts, &self.view.mesh.trust_domain)
    }

    fn metadata(&self) -> core::Metadata {
        let mut fields = services_field([&*self.service.service]);
        if let Some(policy) = self.service.policy.as_ref() {
            let path = message::text(policy.config.as_str());
            fields.fields.insert("config".into(), path);
        }
        if let Some(subset) = self.subset {
            let name = message::text(subset.name.as_str());
            fields.fields.insert("subset".into(), name);
        }
        message::metadata([("istio", fields)])
    }
}

/// istio: auto mTLS chooses by what each endpoint's metadata says.
fn per_endpoint(mutual: core::TransportSocket) -> Vec<TransportSocketMatch> {
    vec![
        TransportSocketMatch {
            name: "tlsMode-istio".into(),
            r#match: Some(message::structure([("tlsMode", message::text("istio"))])),
            transport_socket: Some(mutual),
        },
        TransportSocketMatch {
            name: "tlsMode-disabled".into(),
            r#match: Some(Struct::default()),
            transport_socket: Some(secret::plaintext()),
        },
    ]
}

/// The cluster of the application behind one of the workload's ports.
pub(super) fn inbound(view: &View, port: &InboundPort) -> proto::Cluster {
    let metadata = services_field(port.services.iter().map(|own| &*own.service));
    // istio: of what a DestinationRule says of the workload's own service, this alone holds here.
    let blocks = PolicyBlocks {
        pool: own_pool(view, port),
        ..PolicyBlocks::default()
    };
    let told = proto::Cluster {
        connect_timeout: Some(CONNECT_TIMEOUT),
        typed_extension_protocol_options: application_options(
            port.protocol,
            blocks.pool.as_deref(),
        ),
        metadata: Some(message::metadata([("istio", metadata)])),
        name: names::inbound_cluster(port.port),
        ..Default::default()
    };
    let told = guards::bounded(&blocks, told);
    match port.app {
        Application::At(address) => at(told, address),
        Application::WhereCalled => captured::handed_over(view, told),
    }
}

/// The bounds that the first service with any has for the port.
fn own_pool(view: &View, port: &InboundPort) -> Option<Arc<ConnectionPool>> {
    port.services.iter().find_map(|own| {
        let visible = view.service(&own.service.hostname)?;
        visible.blocks("", own.port).pool
    })
}

fn at(told: proto::Cluster, address: SocketAddr) -> proto::Cluster {
    let application = endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: Some(message::address(address)),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    proto::Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(endpoint::ClusterLoadAssignment {
            cluster_name: told.name.clone(),
            endpoints: vec![endpoint::LocalityLbEndpoints {
                lb_endpoints: vec![application],
                ..Default::default()
            }],
            ..Default::default()
        }),
        lb_policy: LbPolicy::RoundRobin.into(),
        ..told
    }
}

fn services_field<'a>(services: impl IntoIterator<Item = &'a Service>) -> Struct {
    let entries = services.into_iter().map(|service| {
        message::object([
            ("host", message::text(service.hostname.as_str())),
            ("name", message::text(service.name.name.as_str())),
            ("namespace", message::text(service.name.namespace.as_str())),
        ])
    });
    message::structure([("services", message::list(entries.collect()))])
}

type Options = HashMap<String, mesh_proto::Any>;

/// Towards the application there is no ALPN: HTTP/1.1 unless it is known to speak HTTP/2.
fn application_options(protocol: Protocol, pool: Option<&ConnectionPool>) -> Options {
    let chosen = match protocol.is_http2() {
        _ if as_client(pool) => Some(downstream(pool)),
        true => Some(http2(pool)),
        false => None,
    };
    options(chosen, pool)
}

/// Whether endpoints are spoken to in the version of HTTP that the client speaks.
fn as_client(pool: Option<&ConnectionPool>) -> bool {
    let http = pool.and_then(|pool| pool.http.as_ref());
    http.is_some_and(|http| http.use_client_protocol)
}

fn streams(pool: Option<&ConnectionPool>) -> Option<core::Http2ProtocolOptions> {
    let options = guards::of_streams(pool);
    (options != core::Http2ProtocolOptions::default()).then_some(options)
}

fn downstream(pool: Option<&ConnectionPool>) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::UseDownstreamProtocolConfig(
        http::http_protocol_options::UseDownstreamHttpConfig {
            http2_protocol_options: streams(pool),
            ..Default::default()
        },
    )
}

fn http2(pool: Option<&ConnectionPool>) -> UpstreamProtocolOptions {
    use http::http_protocol_options::ExplicitHttpConfig;
    use http::http_protocol_options::explicit_http_config::ProtocolConfig;
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(guards::of_streams(
            pool,
        ))),
    })
}

fn options(chosen: Option<UpstreamProtocolOptions>, pool: Option<&ConnectionPool>) -> Options {
    use http::http_protocol_options::ExplicitHttpConfig;
    use http::http_protocol_options::explicit_http_config::ProtocolConfig;
    let common = guards::of_connections(pool);
    if chosen.is_none() && common.is_none() {
        return Options::new();
    }
    // One of these must be there.
    let http1 = || {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config: Some(ProtocolConfig::HttpProtocolOptions(Default::default())),
        })
    };
    let message = http::HttpProtocolOptions {
        common_http_protocol_options: common,
        upstream_protocol_options: Some(chosen.unwrap_or_else(http1)),
        ..Default::default()
    };
    HashMap::from([(HTTP_OPTIONS.to_owned(), pack(&message))])
}
