//! The chains of a workload's port: which connections its mode accepts, and what reads them.
//!
//! istio: `pilot/pkg/networking/core/listener_inbound`, one row for each mode and class of protocol.

use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::RouteConfiguration;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as part;

use super::{HTTP_WORDS, SERVER_NAME, http, manager};
use crate::snapshot::view::{Carriage, InboundPort, MtlsMode, View};
use crate::translate::{message, names, route, secret, tcp_proxy};

/// What clients of the mesh say in ALPN, and nobody else, where they send requests.
const MESH_HTTP: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What they say where they pass bytes on.
const MESH_TCP: [&str; 2] = ["istio-peer-exchange", "istio"];

/// How the transport inspector calls TLS.
const TLS: &str = "tls";
/// How it calls everything else.
const PLAIN: &str = "raw_buffer";

/// The chains of a port.
pub(in crate::translate) fn inbound(view: &View, port: &InboundPort) -> Vec<proto::FilterChain> {
    let name = names::listener(port.bind);
    let chains = Chains {
        view,
        mode: port.mode,
        names: [&name, &name],
        cluster: names::inbound_cluster(port.port),
        stat_prefix: names::stat_prefix("inbound", port.bind),
        routes: route::inbound::table(port),
    };
    match Carriage::of(port.protocol) {
        Carriage::Http => chains.http(),
        Carriage::Tcp => chains.tcp(),
        Carriage::Sniffed => chains.sniffed(),
        Carriage::Nothing => Vec::new(),
    }
}

/// The chains of all ports that nobody declares.
pub(in crate::translate) fn undeclared(view: &View, mode: MtlsMode) -> Vec<proto::FilterChain> {
    let cluster = names::INBOUND_PASSTHROUGH.to_owned();
    let chains = Chains {
        view,
        mode,
        names: [names::INBOUND_CATCHALL, names::VIRTUAL_INBOUND],
        stat_prefix: format!("{cluster};"),
        cluster,
        routes: route::inbound::undeclared(),
    };
    chains.sniffed()
}

/// What the chains of a port have in common.
struct Chains<'a> {
    view: &'a View,
    mode: MtlsMode,
    /// Of those that read requests, and of those that pass bytes on.
    names: [&'a str; 2],
    cluster: String,
    stat_prefix: String,
    routes: RouteConfiguration,
}

impl Chains<'_> {
    fn http(&self) -> Vec<proto::FilterChain> {
        match self.mode {
            MtlsMode::Strict => vec![self.mutual_http(&[])],
            // departs from istio (ADR 0015): which asks for the words of sidecars in ALPN, and leaves all other TLS without a
            // chain. A client of the mesh that is none, as a gRPC library, says h2 alone; and TLS that is not the
            // mesh's own nothing behind an HTTP port could answer.
            MtlsMode::Permissive => vec![self.mutual_http(&[]), self.plain_http(&[])],
            MtlsMode::Disable => vec![self.plain_http(&[])],
        }
    }

    fn tcp(&self) -> Vec<proto::FilterChain> {
        match self.mode {
            MtlsMode::Strict => vec![self.mutual_tcp(&[])],
            MtlsMode::Permissive => vec![
                self.mutual_tcp(&MESH_TCP),
                self.plain_tcp(TLS),
                self.plain_tcp(PLAIN),
            ],
            // Nothing is asked of the bytes: an application that speaks first is heard at once.
            MtlsMode::Disable => vec![self.plain_tcp("")],
        }
    }

    fn sniffed(&self) -> Vec<proto::FilterChain> {
        let plain = || {
            [
                self.plain_http(&HTTP_WORDS),
                self.plain_tcp(TLS),
                self.plain_tcp(PLAIN),
            ]
        };
        let mutual = |tcp: &[&str]| [self.mutual_http(&MESH_HTTP), self.mutual_tcp(tcp)];
        match self.mode {
            MtlsMode::Strict => mutual(&[]).into(),
            MtlsMode::Permissive => mutual(&MESH_TCP).into_iter().chain(plain()).collect(),
            MtlsMode::Disable => plain().into(),
        }
    }

    fn mutual_http(&self, alpn: &[&str]) -> proto::FilterChain {
        proto::FilterChain {
            transport_socket: Some(secret::downstream(&self.view.mesh.trust_domain)),
            ..self.requests(wanted(TLS, alpn))
        }
    }

    fn plain_http(&self, alpn: &[&str]) -> proto::FilterChain {
        self.requests(wanted(PLAIN, alpn))
    }

    fn mutual_tcp(&self, alpn: &[&str]) -> proto::FilterChain {
        proto::FilterChain {
            transport_socket: Some(secret::downstream_tcp(&self.view.mesh.trust_domain)),
            ..self.bytes(wanted(TLS, alpn))
        }
    }

    fn plain_tcp(&self, transport: &str) -> proto::FilterChain {
        self.bytes(wanted(transport, &[]))
    }

    fn bytes(&self, filter_chain_match: Option<proto::FilterChainMatch>) -> proto::FilterChain {
        let [_, name] = self.names;
        proto::FilterChain {
            name: name.to_owned(),
            filter_chain_match,
            filters: vec![tcp_proxy::to(self.cluster.clone())],
            ..Default::default()
        }
    }

    fn requests(&self, filter_chain_match: Option<proto::FilterChainMatch>) -> proto::FilterChain {
        let manager = hcm::HttpConnectionManager {
            server_name: SERVER_NAME.into(),
            use_remote_address: message::no(),
            forward_client_cert_details: part::ForwardClientCertDetails::AppendForward.into(),
            set_current_client_cert_details: Some(part::SetCurrentClientCertDetails {
                subject: message::yes(),
                dns: true,
                uri: true,
                ..Default::default()
            }),
            route_specifier: Some(part::RouteSpecifier::RouteConfig(self.routes.clone())),
            ..manager(self.stat_prefix.clone())
        };
        let [name, _] = self.names;
        proto::FilterChain {
            name: name.to_owned(),
            filter_chain_match,
            filters: vec![http(&manager)],
            ..Default::default()
        }
    }
}

fn wanted(transport: &str, alpn: &[&str]) -> Option<proto::FilterChainMatch> {
    let asks = !transport.is_empty() || !alpn.is_empty();
    asks.then(|| proto::FilterChainMatch {
        transport_protocol: transport.into(),
        application_protocols: alpn.iter().map(|&word| word.to_owned()).collect(),
        ..Default::default()
    })
}
