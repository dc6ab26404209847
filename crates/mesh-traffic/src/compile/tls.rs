//! Transport sockets to what TLS asks for.

use mesh_model::Str;
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_proto::any;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::data_source::Specifier;
use mesh_proto::envoy::envoy::config::core::v3::transport_socket::ConfigType;
use mesh_proto::envoy::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as pb;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType as Validation;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use mesh_proto::envoy::envoy::r#type::matcher::v3 as matcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

use super::common::{is_true, text, unpack};
use crate::reject::{At, Compiled, Fault};
use crate::tls::{DownstreamTls, Identity, Roots, Sans, UpstreamTls, Versions};

/// Name of the secret that is the workload's own certificate (Istio's SDS).
const WORKLOAD_SECRET: &str = "default";
/// Name of the secret that is the mesh's trust bundle (Istio's SDS).
const ROOT_SECRET: &str = "ROOTCA";

pub(super) fn downstream(pb: Option<&core::TransportSocket>) -> Compiled<Option<DownstreamTls>> {
    let Some(any) = typed(pb)? else {
        return Ok(None);
    };
    let context: pb::DownstreamTlsContext = unpack(any).at("transport_socket")?;
    let common = context.common_tls_context.unwrap_or_default();
    let compiled = || -> Compiled<DownstreamTls> {
        let peer = Peer::of(&common)?;
        if !peer.dns_names.is_empty() {
            return Err(Fault::new(
                "validation_context.match_typed_subject_alt_names",
                "only URI names of clients can be matched",
            ));
        }
        Ok(DownstreamTls {
            versions: versions(common.tls_params.as_ref())?,
            identity: identity(&common)?.ok_or_else(|| Fault::missing("tls_certificates"))?,
            require_client_certificate: is_true(context.require_client_certificate.as_ref()),
            roots: peer.roots,
            clients: peer.sans,
            alpn: alpn(&common),
        })
    };
    compiled()
        .at("transport_socket.common_tls_context")
        .map(Some)
}

pub(super) fn upstream(pb: Option<&core::TransportSocket>) -> Compiled<Option<UpstreamTls>> {
    let Some(any) = typed(pb)? else {
        return Ok(None);
    };
    let context: pb::UpstreamTlsContext = unpack(any).at("transport_socket")?;
    for (asked, field) in [
        (context.auto_host_sni, "auto_host_sni"),
        (context.auto_sni_san_validation, "auto_sni_san_validation"),
    ] {
        if asked {
            return Err(Fault::unsupported(field)).at("transport_socket");
        }
    }
    let common = context.common_tls_context.unwrap_or_default();
    let compiled = || -> Compiled<UpstreamTls> {
        let peer = Peer::of(&common)?;
        let identity = identity(&common)?;
        if matches!(identity, Some(Identity::Secrets(_))) {
            return Err(Fault::unsupported("tls_certificate_sds_secret_configs"));
        }
        if matches!(peer.roots, Roots::Secret(_)) {
            return Err(Fault::unsupported("validation_context_sds_secret_config"));
        }
        Ok(UpstreamTls {
            identity,
            roots: peer.roots,
            servers: peer.sans,
            dns_names: peer.dns_names,
            sni: text(&context.sni),
            alpn: alpn(&common),
        })
    };
    compiled()
        .at("transport_socket.common_tls_context")
        .map(Some)
}

/// The socket's configuration; `None` for plain bytes.
fn typed(pb: Option<&core::TransportSocket>) -> Compiled<Option<&mesh_proto::Any>> {
    let Some(socket) = pb else { return Ok(None) };
    match &socket.config_type {
        Some(ConfigType::TypedConfig(any)) if any::is::<RawBuffer>(any) => Ok(None),
        Some(ConfigType::TypedConfig(any)) => Ok(Some(any)),
        None if socket.name.ends_with("raw_buffer") => Ok(None),
        None => Err(Fault::missing("typed_config")).at("transport_socket"),
    }
}

fn alpn(common: &pb::CommonTlsContext) -> Vec<Str> {
    common.alpn_protocols.iter().map(Str::from).collect()
}

fn identity(common: &pb::CommonTlsContext) -> Compiled<Option<Identity>> {
    const SECRETS: &str = "tls_certificate_sds_secret_configs";
    match common.tls_certificate_sds_secret_configs.as_slice() {
        [secret] if secret.name == WORKLOAD_SECRET => return Ok(Some(Identity::Workload)),
        [] => {}
        secrets => {
            let names = secrets.iter().map(|secret| sent(SECRETS, secret));
            return names
                .collect::<Compiled<_>>()
                .map(Identity::Secrets)
                .map(Some);
        }
    }
    match common.tls_certificates.as_slice() {
        [] => Ok(None),
        [pair] => Ok(Some(Identity::Files {
            chain: file("certificate_chain", pair.certificate_chain.as_ref())
                .at_index("tls_certificates", 0)?,
            key: file("private_key", pair.private_key.as_ref()).at_index("tls_certificates", 0)?,
        })),
        _ => Err(Fault::new(
            "tls_certificates",
            "more than one certificate is not supported",
        )),
    }
}

/// The name of a secret that comes by the stream that everything comes by.
fn sent(field: &str, secret: &pb::SdsSecretConfig) -> Compiled<Str> {
    use core::config_source::ConfigSourceSpecifier as Source;
    let source = secret.sds_config.as_ref();
    match source.and_then(|source| source.config_source_specifier.as_ref()) {
        Some(Source::Ads(_)) if !secret.name.is_empty() => Ok(secret.name.as_str().into()),
        Some(_) | None => {
            let why = format!(
                "there is no secret {:?} but by ADS, and {WORKLOAD_SECRET:?} and {ROOT_SECRET:?}",
                secret.name
            );
            Err(Fault::new(field, why))
        }
    }
}

/// TLS before 1.2 is not spoken, whatever is asked for.
fn versions(params: Option<&pb::TlsParameters>) -> Compiled<Versions> {
    use pb::tls_parameters::TlsProtocol as Version;
    let Some(params) = params else {
        return Ok(Versions::All);
    };
    let read = |field: &str, version: i32| {
        let version = Version::try_from(version);
        version.map_err(|_| Fault::new(field, "is no version of TLS"))
    };
    let least = read(
        "tls_params.tls_minimum_protocol_version",
        params.tls_minimum_protocol_version,
    )?;
    let most = read(
        "tls_params.tls_maximum_protocol_version",
        params.tls_maximum_protocol_version,
    )?;
    match (least, most) {
        (Version::TlSv13, Version::TlsAuto | Version::TlSv13) => Ok(Versions::Only13),
        (Version::TlSv13, _) | (_, Version::TlSv10 | Version::TlSv11) => Err(Fault::new(
            "tls_params",
            "leaves no version of TLS that is spoken",
        )),
        (_, Version::TlSv12) => Ok(Versions::Only12),
        (_, Version::TlsAuto | Version::TlSv13) => Ok(Versions::All),
    }
}

fn file(field: &str, source: Option<&core::DataSource>) -> Compiled<Str> {
    match source.and_then(|source| source.specifier.as_ref()) {
        Some(Specifier::Filename(path)) if !path.is_empty() => Ok(path.into()),
        Some(_) => Err(Fault::new(field, "only files are supported")),
        None => Err(Fault::missing(field)),
    }
}

/// Whom the other side must be.
struct Peer {
    roots: Roots,
    sans: Sans,
    dns_names: Vec<Str>,
}

impl Peer {
    fn of(common: &pb::CommonTlsContext) -> Compiled<Self> {
        let (context, secret) = match &common.validation_context_type {
            None => (None, None),
            Some(Validation::ValidationContext(context)) => (Some(context), None),
            Some(Validation::ValidationContextSdsSecretConfig(secret)) => (None, Some(secret)),
            Some(Validation::CombinedValidationContext(both)) => (
                both.default_validation_context.as_ref(),
                both.validation_context_sds_secret_config.as_ref(),
            ),
            Some(
                Validation::ValidationContextCertificateProvider(_)
                | Validation::ValidationContextCertificateProviderInstance(_),
            ) => {
                return Err(Fault::unsupported(
                    "validation_context_certificate_provider",
                ));
            }
        };
        let mut peer = Self {
            roots: roots(context, secret)?,
            sans: Sans::default(),
            dns_names: Vec::new(),
        };
        if let Some(context) = context {
            peer.names(context).at("validation_context")?;
        }
        Ok(peer)
    }

    fn names(&mut self, context: &pb::CertificateValidationContext) -> Compiled<()> {
        refuse_pins(context)?;
        for (index, san) in context.match_typed_subject_alt_names.iter().enumerate() {
            let kind = SanType::try_from(san.san_type).unwrap_or(SanType::Unspecified);
            let added = match kind {
                SanType::Uri => self.uri(san.matcher.as_ref()),
                SanType::Dns => self.dns(san.matcher.as_ref()),
                SanType::Unspecified | SanType::Email | SanType::IpAddress | SanType::OtherName => {
                    Err(Fault::unsupported("san_type"))
                }
            };
            added.at_index("match_typed_subject_alt_names", index)?;
        }
        for (index, san) in context.match_subject_alt_names.iter().enumerate() {
            self.uri(Some(san))
                .at_index("match_subject_alt_names", index)?;
        }
        Ok(())
    }

    fn uri(&mut self, matcher: Option<&matcher::StringMatcher>) -> Compiled<()> {
        match matcher.and_then(|m| m.match_pattern.as_ref()) {
            Some(MatchPattern::Exact(id)) => {
                let id = SpiffeId::parse(id).map_err(|e| Fault::new("exact", e.to_string()))?;
                self.sans.exact.push(id);
                Ok(())
            }
            Some(MatchPattern::Prefix(prefix)) => {
                self.sans.prefixes.push(trust_domain_prefix(prefix)?);
                Ok(())
            }
            Some(_) => Err(Fault::new("matcher", "only exact and prefix are supported")),
            None => Err(Fault::missing("matcher")),
        }
    }

    fn dns(&mut self, matcher: Option<&matcher::StringMatcher>) -> Compiled<()> {
        match matcher.and_then(|m| m.match_pattern.as_ref()) {
            Some(MatchPattern::Exact(name)) => {
                self.dns_names.push(name.into());
                Ok(())
            }
            Some(_) => Err(Fault::new(
                "matcher",
                "only exact is supported for DNS names",
            )),
            None => Err(Fault::missing("matcher")),
        }
    }
}

/// A prefix that is a whole trust domain: verifiers know those, and would let too many in if they
/// took a longer one for the trust domain that it begins with.
fn trust_domain_prefix(prefix: &str) -> Compiled<Str> {
    let domain = prefix
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.strip_suffix('/'))
        .and_then(|domain| TrustDomain::parse(domain).ok());
    let domain = domain.ok_or_else(|| {
        let why = format!("{prefix:?} is not of the form spiffe://<trust domain>/");
        Fault::new("prefix", why)
    })?;
    Ok(format!("spiffe://{domain}/").into())
}

/// Checks that would be skipped if they were ignored.
pub(super) fn refuse_pins(context: &pb::CertificateValidationContext) -> Compiled<()> {
    let checks = [
        (
            !context.verify_certificate_spki.is_empty(),
            "verify_certificate_spki",
        ),
        (
            !context.verify_certificate_hash.is_empty(),
            "verify_certificate_hash",
        ),
        (context.crl.is_some(), "crl"),
        (
            context.custom_validator_config.is_some(),
            "custom_validator_config",
        ),
        (
            context.trust_chain_verification != 0,
            "trust_chain_verification",
        ),
        (
            context.allow_expired_certificate,
            "allow_expired_certificate",
        ),
    ];
    match checks.iter().find(|(asked, _)| *asked) {
        Some((_, field)) => Err(Fault::unsupported(*field)),
        None => Ok(()),
    }
}

fn roots(
    context: Option<&pb::CertificateValidationContext>,
    secret: Option<&pb::SdsSecretConfig>,
) -> Compiled<Roots> {
    match secret {
        Some(secret) if secret.name == ROOT_SECRET => return Ok(Roots::Mesh),
        Some(secret) => {
            let name = sent("validation_context_sds_secret_config", secret)?;
            return Ok(Roots::Secret(name));
        }
        None => {}
    }
    let Some(context) = context else {
        return Ok(Roots::Unverified);
    };
    if context.system_root_certs.is_some() {
        return Ok(Roots::System);
    }
    match &context.trusted_ca {
        Some(source) => file("trusted_ca", Some(source))
            .at("validation_context")
            .map(Roots::File),
        None => Ok(Roots::Unverified),
    }
}
