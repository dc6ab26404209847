//! The chains of a workload's port: which connections its mode accepts, and what reads them.
//!
//! istio: `pilot/pkg/networking/core/listener_inbound`, one row for each mode and class of protocol.

use mesh_proto::envoy::envoy::config::listener::v3 as proto;
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
    let chains = Chains { view, port };
    match Carriage::of(port.protocol) {
        Carriage::Http => chains.http(),
        Carriage::Tcp => chains.tcp(),
        Carriage::Sniffed => chains.sniffed(),
        Carriage::Nothing => Vec::new(),
    }
}

struct Chains<'a> {
    view: &'a View,
    port: &'a InboundPort,
}

impl Chains<'_> {
    fn http(&self) -> Vec<proto::FilterChain> {
        let all: Vec<&str> = MESH_HTTP.into_iter().chain(MESH_TCP).collect();
        match self.port.mode {
            MtlsMode::Strict => vec![self.mutual_http(&[])],
            // TLS that is not the mesh's own is the application's business on ports that speak it;
            // on an HTTP port nothing could answer it, so no chain takes it.
            MtlsMode::Permissive => vec![self.mutual_http(&all), self.plain_http(&[])],
            MtlsMode::Disable => vec![self.plain_http(&[])],
        }
    }

    fn tcp(&self) -> Vec<proto::FilterChain> {
        match self.port.mode {
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
        match self.port.mode {
            MtlsMode::Strict => mutual(&[]).into(),
            MtlsMode::Permissive => mutual(&MESH_TCP).into_iter().chain(plain()).collect(),
            MtlsMode::Disable => plain().into(),
        }
    }

    fn mutual_http(&self, alpn: &[&str]) -> proto::FilterChain {
        proto::FilterChain {
            transport_socket: Some(secret::downstream(&self.view.mesh.trust_domain)),
            ..self.chain(wanted(TLS, alpn), self.requests())
        }
    }

    fn plain_http(&self, alpn: &[&str]) -> proto::FilterChain {
        self.chain(wanted(PLAIN, alpn), self.requests())
    }

    fn mutual_tcp(&self, alpn: &[&str]) -> proto::FilterChain {
        proto::FilterChain {
            transport_socket: Some(secret::downstream_tcp(&self.view.mesh.trust_domain)),
            ..self.chain(wanted(TLS, alpn), self.bytes())
        }
    }

    fn plain_tcp(&self, transport: &str) -> proto::FilterChain {
        self.chain(wanted(transport, &[]), self.bytes())
    }

    fn chain(
        &self,
        filter_chain_match: Option<proto::FilterChainMatch>,
        filter: proto::Filter,
    ) -> proto::FilterChain {
        proto::FilterChain {
            name: names::listener(self.port.bind),
            filter_chain_match,
            filters: vec![filter],
            ..Default::default()
        }
    }

    fn bytes(&self) -> proto::Filter {
        tcp_proxy::to(names::inbound_cluster(self.port.port))
    }

    fn requests(&self) -> proto::Filter {
        let routes = part::RouteSpecifier::RouteConfig(route::inbound::table(self.port));
        http(&hcm::HttpConnectionManager {
            server_name: SERVER_NAME.into(),
            use_remote_address: message::no(),
            forward_client_cert_details: part::ForwardClientCertDetails::AppendForward.into(),
            set_current_client_cert_details: Some(part::SetCurrentClientCertDetails {
                subject: message::yes(),
                dns: true,
                uri: true,
                ..Default::default()
            }),
            route_specifier: Some(routes),
            ..manager(names::stat_prefix("inbound", self.port.bind))
        })
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
