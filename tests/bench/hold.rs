//! Opens many connections to a proxy and holds them, so that its memory can be looked at.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use mesh_test::pki::Certified;
use mesh_test::tls::careless_client;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsConnector;

use crate::backend::{BODY, split_head};
use crate::certificates::NAME;

/// Connections that are being opened at a time.
const AT_A_TIME: usize = 64;
/// Connections begun within a millisecond.
const PER_MILLISECOND: usize = 2;
/// How long all together may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// What to hold.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// The proxy.
    #[arg(long)]
    to: SocketAddr,
    /// How many.
    #[arg(long)]
    connections: usize,
    /// Sends one request on each to this service, all answered together: while they wait, the
    /// proxy needs an upstream connection for each.
    #[arg(long)]
    host: Option<String>,
    /// Folder of certificates: speak mutual TLS, as `client`.
    #[arg(long)]
    certificates: Option<PathBuf>,
    /// The protocols that the TLS client offers.
    #[arg(long, value_delimiter = ',')]
    alpn: Vec<String>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Connections that are held.
    pub(crate) open: usize,
    /// Connections that were refused, or broke, or got no good answer.
    pub(crate) lost: u64,
    /// Why the first of them was lost.
    pub(crate) complaint: Option<String>,
}

impl Held {
    fn lose(&mut self, error: &anyhow::Error) {
        self.lost += 1;
        self.complaint.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// A connection, with or without TLS.
trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Opens the connections, says so in one line, and holds them until standard input ends.
pub(crate) async fn run(hold: Hold) -> Result<()> {
    let opener = Arc::new(Opener {
        tls: hold.tls()?,
        request: hold.host.as_ref().map(|host| {
            let path = format!("/together/{}", hold.connections);
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\r\n").into_bytes()
        }),
        to: hold.to,
        turns: Semaphore::new(AT_A_TIME),
    });
    let mut opening = JoinSet::new();
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..hold.connections {
        // Slow enough for everybody's queues: it is not speed that is measured here.
        if number % PER_MILLISECOND == 0 {
            pace.tick().await;
        }
        let opener = opener.clone();
        opening.spawn(async move { tokio::time::timeout(PATIENCE, opener.open()).await });
    }
    let mut held = Vec::with_capacity(hold.connections);
    let mut report = Held::default();
    while let Some(opened) = opening.join_next().await {
        match opened?.map_err(Into::into).flatten() {
            Ok(connection) => held.push(connection),
            Err(error) => report.lose(&error),
        }
    }
    report.open = held.len();
    let mut output = std::io::stdout();
    writeln!(output, "{}", serde_json::to_string(&report)?)?;
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
        let alpn: Vec<&[u8]> = self.alpn.iter().map(String::as_bytes).collect();
        let config = careless_client(Some(&certified), &alpn);
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
    async fn open(&self) -> Result<Box<dyn Connection>> {
        let turn = self.turns.acquire().await?;
        let socket = TcpStream::connect(self.to).await?;
        let mut connection: Box<dyn Connection> = match &self.tls {
            None => Box::new(socket),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(NAME)?, socket).await?),
        };
        if let Some(request) = &self.request {
            connection.write_all(request).await?;
            drop(turn);
            answered(&mut connection).await?;
        }
        Ok(connection)
    }
}

async fn answered(connection: &mut Box<dyn Connection>) -> Result<()> {
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
