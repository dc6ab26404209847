//! Connections to the application in our own pod.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use mesh_pki::tls::{ALPN_H2, ALPN_HTTP11, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// istio: what comes from here is never redirected, whatever it is sent to.
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same of IPv6; `mesh-proxy capture` adds it to the loopback interface.
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);

/// Whether an address is the one that connections to the application come from. Those who are
/// passed on to us have it too, so it is no sign of a process of the pod.
pub(crate) fn is_source(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address == SOURCE_V4,
        IpAddr::V6(address) => address == SOURCE_V6,
    }
}

/// Connects to a port of our own pod, past the redirection.
pub(crate) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let (socket, source) = match to {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::from(SOURCE_V4)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::from(SOURCE_V6)),
    };
    match socket.bind(SocketAddr::new(source, 0)) {
        Ok(()) => {}
        // Without capture nobody has added the address, and nobody redirects either.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
        Err(error) => return Err(error),
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Speaks TLS with whoever is there, as the kubelet does: a probe asks whether the application
/// lives, not who it is.
pub(crate) async fn secure(stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    static CONNECTOR: LazyLock<Result<TlsConnector, rustls::Error>> = LazyLock::new(connector);
    let name = ServerName::from(stream.peer_addr()?.ip());
    match &*CONNECTOR {
        Ok(connector) => connector.connect(name, stream).await,
        Err(error) => Err(io::Error::other(error.clone())),
    }
}

fn connector() -> Result<TlsConnector, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP11.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Believes every server.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
