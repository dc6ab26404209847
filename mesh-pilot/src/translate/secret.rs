//! TLS on both sides of a connection between workloads, whose keys never pass here: the proxy's own
//! agent serves them under the two names that the contexts refer to. And TLS of gateways towards
//! clients from outside, whose certificates are the user's.

use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;
use mesh_proto::envoy::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};

use super::message::{self, WAIT_FOR_RESOURCE};
use crate::snapshot::view::{Certificate, Clients, Sent, ServerTls, Stored, TlsVersion};

/// Name of the workload's certificate and key.
const OWN_CERTIFICATE: &str = "default";
/// Name of the trust bundle.
const TRUST_BUNDLE: &str = "ROOTCA";
/// istio: the provider of certificates in the bootstrap file of a gRPC library.
const PROVIDER: &str = "default";
/// The static cluster of a proxy's bootstrap that leads to its agent.
const AGENT: &str = "sds-grpc";

/// What a client sidecar offers; the server's chains match on the first ones.
pub(super) const HTTP_ALPN: [&str; 5] = ["istio-h2", "istio-http/1.1", "istio", "h2", "http/1.1"];
/// What it offers where it is to speak HTTP/1 alone.
pub(super) const HTTP1_ALPN: [&str; 3] = ["istio-http/1.1", "istio", "http/1.1"];
/// What it offers where it is to speak HTTP/2 alone.
pub(super) const HTTP2_ALPN: [&str; 3] = ["istio-h2", "istio", "h2"];
/// What it offers where bytes are passed on.
pub(super) const TCP_ALPN: [&str; 2] = ["istio-peer-exchange", "istio"];
/// What a server agrees to where it reads requests: the `istio` words only mark the client.
const SERVER_ALPN: [&str; 2] = ["h2", "http/1.1"];
/// What a server agrees to where it passes bytes on.
///
/// departs from istio: never `istio-peer-exchange`, as a client that is granted it begins with its
/// own metadata, which the application would get to see. But something that a client of the mesh
/// offers must be granted, or TLS ends there (RFC 7301 3.2). ADR 0008.
const SERVER_TCP_ALPN: [&str; 3] = ["istio", "h2", "http/1.1"];

/// Mutual TLS towards a service whose endpoints run as `accounts`.
pub(super) fn upstream(
    server_name: String,
    accounts: &[SpiffeId],
    trust_domain: &TrustDomain,
    alpn: &[&str],
) -> core::TransportSocket {
    let sans = match accounts {
        // Without a matcher anybody would do.
        [] => vec![of_trust_domain(trust_domain)],
        ids => ids.iter().map(exactly).collect(),
    };
    socket(pack(&tls::UpstreamTlsContext {
        common_tls_context: Some(common(sans, alpn)),
        sni: server_name,
        ..Default::default()
    }))
}

/// The same for a gRPC library, which has certificates of providers in its bootstrap file, and refuses a context with
/// what it does not know.
pub(super) fn of_library(
    server_name: String,
    accounts: &[SpiffeId],
    trust_domain: &TrustDomain,
) -> core::TransportSocket {
    let instance = |name: &str| tls::CertificateProviderPluginInstance {
        instance_name: PROVIDER.to_owned(),
        certificate_name: name.to_owned(),
    };
    let sans = match accounts {
        [] => vec![MatchPattern::Prefix(format!("spiffe://{trust_domain}/"))],
        ids => ids
            .iter()
            .map(|id| MatchPattern::Exact(id.to_string()))
            .collect(),
    };
    #[expect(
        deprecated,
        reason = "istio sends this form, which every library reads"
    )]
    let validation = tls::CertificateValidationContext {
        ca_certificate_provider_instance: Some(instance(TRUST_BUNDLE)),
        match_subject_alt_names: sans
            .into_iter()
            .map(|pattern| StringMatcher {
                ignore_case: false,
                match_pattern: Some(pattern),
            })
            .collect(),
        ..Default::default()
    };
    let combined = tls::common_tls_context::CombinedCertificateValidationContext {
        default_validation_context: Some(validation),
        ..Default::default()
    };
    socket(pack(&tls::UpstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_certificate_provider_instance: Some(instance(OWN_CERTIFICATE)),
            validation_context_type: Some(
                tls::common_tls_context::ValidationContextType::CombinedValidationContext(combined),
            ),
            ..Default::default()
        }),
        sni: server_name,
        ..Default::default()
    }))
}

/// Mutual TLS of an inbound port that reads requests, for clients of the mesh's own trust domain.
pub(super) fn downstream(trust_domain: &TrustDomain) -> core::TransportSocket {
    server(trust_domain, &SERVER_ALPN)
}

/// The same where bytes are passed on.
pub(super) fn downstream_tcp(trust_domain: &TrustDomain) -> core::TransportSocket {
    server(trust_domain, &SERVER_TCP_ALPN)
}

fn server(trust_domain: &TrustDomain, alpn: &[&str]) -> core::TransportSocket {
    let sans = vec![of_trust_domain(trust_domain)];
    socket(pack(&tls::DownstreamTlsContext {
        common_tls_context: Some(common(sans, alpn)),
        require_client_certificate: message::yes(),
        ..Default::default()
    }))
}

/// No TLS.
pub(super) fn plaintext() -> core::TransportSocket {
    core::TransportSocket {
        name: "envoy.transport_sockets.raw_buffer".into(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(pack(
            &RawBuffer {},
        ))),
    }
}

/// TLS of a gateway towards clients from outside.
pub(super) fn edge(wanted: &ServerTls, trust_domain: &TrustDomain) -> core::TransportSocket {
    let (secrets, files) = match &wanted.certificate {
        Certificate::Workload => return downstream(trust_domain),
        Certificate::Sent(names) => (names.iter().map(|name| sent(name)).collect(), Vec::new()),
        Certificate::Files { chain, key } => {
            let pair = tls::TlsCertificate {
                certificate_chain: Some(file(chain)),
                private_key: Some(file(key)),
                ..Default::default()
            };
            (Vec::new(), vec![pair])
        }
    };
    let version = |version: Option<TlsVersion>| match version {
        None => tls::tls_parameters::TlsProtocol::TlsAuto,
        Some(TlsVersion::V12) => tls::tls_parameters::TlsProtocol::TlSv12,
        Some(TlsVersion::V13) => tls::tls_parameters::TlsProtocol::TlSv13,
    };
    let common = tls::CommonTlsContext {
        tls_params: Some(tls::TlsParameters {
            tls_minimum_protocol_version: version(wanted.least.or(Some(TlsVersion::V12))).into(),
            tls_maximum_protocol_version: version(wanted.most).into(),
            ..Default::default()
        }),
        tls_certificates: files,
        tls_certificate_sds_secret_configs: secrets,
        alpn_protocols: SERVER_ALPN.map(str::to_owned).into(),
        validation_context_type: wanted.roots.as_ref().map(roots),
        ..Default::default()
    };
    let required = match wanted.clients {
        Clients::Anybody | Clients::Known => message::no(),
        Clients::Certified => message::yes(),
    };
    socket(pack(&tls::DownstreamTlsContext {
        common_tls_context: Some(common),
        require_client_certificate: required,
        ..Default::default()
    }))
}

fn roots(stored: &Stored) -> tls::common_tls_context::ValidationContextType {
    use tls::common_tls_context::ValidationContextType as Validation;
    match stored {
        Stored::File(path) => Validation::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: Some(file(path)),
            ..Default::default()
        }),
        Stored::Sent(name) => Validation::CombinedValidationContext(
            tls::common_tls_context::CombinedCertificateValidationContext {
                default_validation_context: Some(tls::CertificateValidationContext::default()),
                validation_context_sds_secret_config: Some(sent(name)),
                ..Default::default()
            },
        ),
    }
}

/// A secret that comes by the stream that everything comes by.
fn sent(name: &str) -> tls::SdsSecretConfig {
    tls::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(message::ads()),
    }
}

fn file(path: &str) -> core::DataSource {
    core::DataSource {
        specifier: Some(core::data_source::Specifier::Filename(path.to_owned())),
        ..Default::default()
    }
}

/// The resource of a secret that a gateway may have.
pub(super) fn resource(name: &str, secret: &Sent) -> tls::Secret {
    let inline = |text: &str| core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(text.into())),
        ..Default::default()
    };
    let content = match secret {
        Sent::Certificate(credential) => tls::secret::Type::TlsCertificate(tls::TlsCertificate {
            certificate_chain: Some(inline(credential.chain())),
            private_key: Some(inline(credential.key())),
            ..Default::default()
        }),
        Sent::Roots(roots) => {
            tls::secret::Type::ValidationContext(tls::CertificateValidationContext {
                trusted_ca: Some(inline(roots.pem())),
                ..Default::default()
            })
        }
    };
    tls::Secret {
        name: name.to_owned(),
        r#type: Some(content),
    }
}

fn socket(context: mesh_proto::Any) -> core::TransportSocket {
    core::TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(context)),
    }
}

fn common(sans: Vec<tls::SubjectAltNameMatcher>, alpn: &[&str]) -> tls::CommonTlsContext {
    let validation = tls::common_tls_context::CombinedCertificateValidationContext {
        default_validation_context: Some(tls::CertificateValidationContext {
            match_typed_subject_alt_names: sans,
            ..Default::default()
        }),
        validation_context_sds_secret_config: Some(secret(TRUST_BUNDLE)),
        ..Default::default()
    };
    tls::CommonTlsContext {
        tls_params: Some(tls::TlsParameters {
            tls_minimum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv12.into(),
            tls_maximum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv13.into(),
            ..Default::default()
        }),
        tls_certificate_sds_secret_configs: vec![secret(OWN_CERTIFICATE)],
        alpn_protocols: alpn.iter().map(|&p| p.to_owned()).collect(),
        validation_context_type: Some(
            tls::common_tls_context::ValidationContextType::CombinedValidationContext(validation),
        ),
        ..Default::default()
    }
}

fn secret(name: &str) -> tls::SdsSecretConfig {
    let grpc = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: AGENT.to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let api = core::ApiConfigSource {
        api_type: core::api_config_source::ApiType::Grpc.into(),
        transport_api_version: core::ApiVersion::V3.into(),
        grpc_services: vec![grpc],
        set_node_on_first_message_only: true,
        ..Default::default()
    };
    tls::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(core::ConfigSource {
            initial_fetch_timeout: Some(WAIT_FOR_RESOURCE),
            resource_api_version: core::ApiVersion::V3.into(),
            config_source_specifier: Some(
                core::config_source::ConfigSourceSpecifier::ApiConfigSource(api),
            ),
            ..Default::default()
        }),
    }
}

fn exactly(identity: &SpiffeId) -> tls::SubjectAltNameMatcher {
    uri(MatchPattern::Exact(identity.to_string()))
}

fn of_trust_domain(trust_domain: &TrustDomain) -> tls::SubjectAltNameMatcher {
    uri(MatchPattern::Prefix(format!("spiffe://{trust_domain}/")))
}

fn uri(pattern: MatchPattern) -> tls::SubjectAltNameMatcher {
    tls::SubjectAltNameMatcher {
        san_type: tls::subject_alt_name_matcher::SanType::Uri.into(),
        matcher: Some(StringMatcher {
            ignore_case: false,
            match_pattern: Some(pattern),
        }),
        oid: String::new(),
    }
}
