//! TLS towards servers outside the mesh: roots and certificates from files, names by DNS.

use std::path::Path;
use std::sync::Arc;

use mesh_model::Str;
use mesh_pki::tls::provider;
use mesh_traffic::tls::{Identity, Roots, UpstreamTls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::upstream::target::Speak;
use crate::upstream::tls::Carries;

/// Where systems keep the roots that they trust.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// It asks for something that this proxy does not have.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A file cannot be read as PEM.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS library refuses it.
    #[error("the TLS configuration is refused: {0}")]
    Refused(String),
}

/// Makes a configuration; reads files.
pub(super) fn make(wanted: &UpstreamTls, carries: Carries) -> Result<ClientConfig, OutsideError> {
    if !wanted.servers.is_any() {
        let why = "SPIFFE IDs can only be demanded of servers that the mesh's roots vouch for";
        return Err(OutsideError::Unsupported(why));
    }
    let refused = |error: rustls::Error| OutsideError::Refused(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier(wanted)?));
    let mut config = match &wanted.identity {
        None => builder.with_no_client_auth(),
        Some(Identity::Files { chain, key }) => {
            let certificates = certificates(chain)?;
            let key = PrivateKeyDer::from_pem_file(&**key).map_err(|e| fault(key, &e))?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(refused)?
        }
        Some(Identity::Secrets(_)) => {
            let why = "certificates that are sent are shown to clients alone";
            return Err(OutsideError::Unsupported(why));
        }
        Some(Identity::Workload) => {
            let why = "the workload's certificate is shown to servers of the mesh alone";
            return Err(OutsideError::Unsupported(why));
        }
    };
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = alpn(wanted, carries);
    Ok(config)
}

fn alpn(wanted: &UpstreamTls, carries: Carries) -> Vec<Vec<u8>> {
    let own: &[&[u8]] = match carries {
        _ if !wanted.alpn.is_empty() => {
            return wanted
                .alpn
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect();
        }
        Carries::Http(Speak::Http1) => &[b"http/1.1"],
        Carries::Http(Speak::Http2) => &[b"h2"],
        Carries::Http(Speak::Either) => &[b"h2", b"http/1.1"],
        Carries::Tcp => &[],
    };
    own.iter().map(|name| name.to_vec()).collect()
}

fn verifier(wanted: &UpstreamTls) -> Result<Verifier, OutsideError> {
    let roots = match &wanted.roots {
        Roots::Unverified => None,
        Roots::File(path) => Some(path.to_string()),
        Roots::System => {
            let found = SYSTEM_ROOTS.iter().find(|path| Path::new(path).exists());
            let none = OutsideError::Unsupported("this system keeps no list of trusted roots");
            Some((*found.ok_or(none)?).to_owned())
        }
        Roots::Secret(_) => {
            let why = "roots that are sent judge clients alone";
            return Err(OutsideError::Unsupported(why));
        }
        Roots::Mesh => {
            let why = "the mesh's roots vouch for workloads, which are reached by ISTIO_MUTUAL";
            return Err(OutsideError::Unsupported(why));
        }
    };
    let names = wanted
        .dns_names
        .iter()
        .map(|name| server_name(name))
        .collect::<Result<_, _>>()?;
    let chain = match roots {
        None => None,
        Some(path) => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(certificates(&path)?);
            let built =
                WebPkiServerVerifier::builder_with_provider(store.into(), provider().clone());
            Some(built.build().map_err(|error| fault(&path, &error))?)
        }
    };
    Ok(Verifier { chain, names })
}

fn server_name(name: &Str) -> Result<ServerName<'static>, OutsideError> {
    ServerName::try_from(name.to_string()).map_err(|error| fault(name, &error))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, OutsideError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| fault(path, &error))?;
    read.collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(path, &error))
}

fn fault(path: &str, why: &dyn std::fmt::Display) -> OutsideError {
    OutsideError::File {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// Judges servers by roots, and by any of several names; the name that was asked for counts when
/// the configuration gives none.
#[derive(Debug)]
struct Verifier {
    /// `None`: any certificate is taken, as the configuration says in so many words.
    chain: Option<Arc<WebPkiServerVerifier>>,
    names: Vec<ServerName<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let judge =
            |name: &ServerName<'_>| chain.verify_server_cert(leaf, intermediates, name, ocsp, now);
        let mut last = None;
        for name in &self.names {
            match judge(name) {
                Ok(verified) => return Ok(verified),
                Err(error) => last = Some(error),
            }
        }
        last.map_or_else(|| judge(asked), Err)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests;
