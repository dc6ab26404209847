//! `Secret` to [`Secret`].

use mesh_pki::credential::{ClientRoots, Credential};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::data_source::Specifier;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as pb;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3::secret::Type;

use super::tls::refuse_pins;
use crate::reject::{At, Compiled, Fault};
use crate::secret::{Content, Secret};

pub(crate) fn compile(pb: &pb::Secret) -> Compiled<Secret> {
    let content = match &pb.r#type {
        Some(Type::TlsCertificate(pair)) => certificate(pair).at("tls_certificate")?,
        Some(Type::ValidationContext(context)) => roots(context).at("validation_context")?,
        Some(Type::SessionTicketKeys(_)) => return Err(Fault::unsupported("session_ticket_keys")),
        Some(Type::GenericSecret(_)) => return Err(Fault::unsupported("generic_secret")),
        None => return Err(Fault::new("", "has no content")),
    };
    Ok(Secret {
        name: pb.name.as_str().into(),
        content,
    })
}

fn certificate(pair: &pb::TlsCertificate) -> Compiled<Content> {
    let chain = inline("certificate_chain", pair.certificate_chain.as_ref())?;
    let key = inline("private_key", pair.private_key.as_ref())?;
    let credential = Credential::from_pem(chain, key);
    let credential = credential.map_err(|error| Fault::new("", error.to_string()))?;
    Ok(Content::Certificate(credential))
}

fn roots(context: &pb::CertificateValidationContext) -> Compiled<Content> {
    refuse_pins(context)?;
    let pem = inline("trusted_ca", context.trusted_ca.as_ref())?;
    let roots = ClientRoots::from_pem(pem);
    let roots = roots.map_err(|error| Fault::new("trusted_ca", error.to_string()))?;
    Ok(Content::Roots(roots))
}

fn inline<'a>(field: &str, source: Option<&'a core::DataSource>) -> Compiled<&'a [u8]> {
    match source.and_then(|source| source.specifier.as_ref()) {
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes),
        Some(Specifier::InlineString(text)) => Ok(text.as_bytes()),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) => {
            Err(Fault::new(field, "is not in the secret itself"))
        }
        None => Err(Fault::missing(field)),
    }
}
