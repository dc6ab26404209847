//! Opens many connections to a proxy and holds them, so that its memory can be looked at.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use mesh_test::pki::Certified;
use mesh_test::tls::careless_client;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::backend::{BODY, split_head};
use crate::certificates::NAME;

/// Connections that are being opened at a time.
const AT_A_TIME: usize = 64;

/// What to hold.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// The proxy.
    #[arg(long)]
    to: SocketAddr,
    /// How many.
    #[arg(long)]
    connections: usize,
    /// Sends one request on each to this service, and reads its answer.
    #[arg(long)]
    host: Option<String>,
    /// Folder of certificates: speak mutual TLS, as `client`.
    #[arg(long)]
    certificates: Option<PathBuf>,
    /// The protocol that the TLS client asks for.
    #[arg(long, default_value = "http/1.1")]
    alpn: String,
}

/// A held connection.
trait Held: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Held for T {}

/// Opens the connections, says so in one line, and holds them until standard input ends.
pub(crate) async fn run(hold: Hold) -> Result<()> {
    let opener = Arc::new(Opener {
        tls: hold.tls()?,
        request: hold.host.as_ref().map(|host| {
            let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\r\n");
            request.into_bytes()
        }),
        to: hold.to,
        turns: Semaphore::new(AT_A_TIME),
    });
    let mut opening = JoinSet::new();
    for _ in 0..hold.connections {
        let opener = opener.clone();
        opening.spawn(async move { opener.open().await });
    }
    let mut held = Vec::with_capacity(hold.connections);
    let mut lost = 0;
    while let Some(opened) = opening.join_next().await {
        match opened? {
            Ok(connection) => held.push(connection),
            Err(_) => lost += 1,
        }
    }
    let mut output = std::io::stdout();
    writeln!(output, "{} {lost}", held.len())?;
    output.flush()?;
    // Nothing is expected on the connections: they need no attention while the thread waits.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(held);
    Ok(())
}

impl Hold {
    fn tls(&self) -> Result<Option<TlsConnector>> {
        let Some(folder) = &self.certificates else {
            return Ok(None);
        };
        let (chain, _) = crate::relay::certified(folder, "client")?;
        let key = folder.join("client.key");
        let key_pem = std::fs::read_to_string(&key).with_context(|| key.display().to_string())?;
        let certified = Certified { chain, key_pem };
        let config = careless_client(Some(&certified), &[self.alpn.as_bytes()]);
        Ok(Some(Arc::new(config).into()))
    }
}

struct Opener {
    to: SocketAddr,
    tls: Option<TlsConnector>,
    request: Option<Vec<u8>>,
    turns: Semaphore,
}

impl Opener {
    async fn open(&self) -> Result<Box<dyn Held>> {
        let _turn = self.turns.acquire().await?;
        let socket = TcpStream::connect(self.to).await?;
        let mut connection: Box<dyn Held> = match &self.tls {
            None => Box::new(socket),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(NAME)?, socket).await?),
        };
        if let Some(request) = &self.request {
            connection.write_all(request).await?;
            answered(&mut connection).await?;
        }
        Ok(connection)
    }
}

async fn answered(connection: &mut Box<dyn Held>) -> Result<()> {
    let mut answer = Vec::new();
    loop {
        if let Some((head, body)) = split_head(&answer) {
            ensure!(
                head.get(9..12) == Some(b"200"),
                "{}",
                String::from_utf8_lossy(head)
            );
            if body.len() >= BODY {
                return Ok(());
            }
        }
        ensure!(connection.read_buf(&mut answer).await? > 0, "closed");
    }
}
