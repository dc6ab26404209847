//! The floor: a relay of bytes that reads nothing of what it carries, with mutual TLS where told.
//!
//! What a proxy costs above this is what its understanding of the protocol costs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certificates::NAME;

/// What to relay.
#[derive(Debug, Args)]
pub(crate) struct Relay {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Where to connect to.
    #[arg(long)]
    to: SocketAddr,
    /// Bytes of the buffer of each direction.
    #[arg(long)]
    buffer: usize,
    /// Folder of certificates: accept `client` with mutual TLS, as `server`.
    #[arg(long)]
    tls_in: Option<PathBuf>,
    /// Folder of certificates: connect to `server` with mutual TLS, as `client`.
    #[arg(long)]
    tls_out: Option<PathBuf>,
}

/// The two ways with TLS.
struct Ends {
    to: SocketAddr,
    buffer: usize,
    accept: Option<TlsAcceptor>,
    connect: Option<TlsConnector>,
}

/// Relays until the process ends.
pub(crate) async fn run(relay: Relay) -> Result<()> {
    let ends = Arc::new(Ends {
        to: relay.to,
        buffer: relay.buffer,
        accept: relay.tls_in.as_deref().map(acceptor).transpose()?,
        connect: relay.tls_out.as_deref().map(connector).transpose()?,
    });
    let listener = TcpListener::bind(relay.listen).await?;
    let mut carried = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        let ends = ends.clone();
        carried.spawn(async move {
            // A connection that breaks is the load generator's to count.
            let _broken = ends.carry(client).await;
        });
        while carried.try_join_next().is_some() {}
    }
}

impl Ends {
    async fn carry(&self, client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        let server = TcpStream::connect(self.to).await?;
        server.set_nodelay(true)?;
        match (&self.accept, &self.connect) {
            (None, None) => self.copy(client, server).await,
            (Some(accept), None) => self.copy(accept.accept(client).await?, server).await,
            (None, Some(connect)) => {
                let name = ServerName::try_from(NAME)?;
                self.copy(client, connect.connect(name, server).await?)
                    .await
            }
            (Some(_), Some(_)) => anyhow::bail!("TLS on both sides is no part of any scenario"),
        }
    }

    async fn copy<A, B>(&self, mut client: A, mut server: B) -> Result<()>
    where
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        copy_bidirectional_with_sizes(&mut client, &mut server, self.buffer, self.buffer).await?;
        Ok(())
    }
}

fn acceptor(folder: &Path) -> Result<TlsAcceptor> {
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(folder)?)).build()?;
    let (chain, key) = certified(folder, "server")?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    // As everywhere here: each connection pays for its handshake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config).into())
}

fn connector(folder: &Path) -> Result<TlsConnector> {
    let (chain, key) = certified(folder, "client")?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots(folder)?)
        .with_client_auth_cert(chain, key)?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config).into())
}

fn roots(folder: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    Ok(roots)
}

/// Chain and key of `<name>.both.pem`.
pub(crate) fn certified(
    folder: &Path,
    name: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let file = folder.join(format!("{name}.both.pem"));
    let read = || -> Result<_> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&file)?.collect();
        Ok((chain?, PrivateKeyDer::from_pem_file(&file)?))
    };
    read().with_context(|| file.display().to_string())
}
