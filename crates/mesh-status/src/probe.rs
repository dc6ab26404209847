//! Asks the application what the kubelet asked us.

mod grpc;
mod http_get;
mod redirect;

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};

use crate::dial;
use crate::probers::{Action, Prober};

/// What the kubelet is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why the application has no verdict of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the application cannot be reached: {0}")]
    Connect(io::Error),
    #[error("the application does not speak TLS: {0}")]
    Handshake(io::Error),
    #[error("the application does not answer by HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    #[error("the application sent us on ten times")]
    Redirects,
    #[error("{0}")]
    Grpc(String),
    #[error("the application does not answer within {0} s")]
    Late(u64),
}

/// Where the application is, and with which words the kubelet asked for it.
pub(crate) struct Asked<'a> {
    /// The application's address.
    pub(crate) address: IpAddr,
    /// The port at which we were asked.
    pub(crate) status_port: u16,
    /// The kubelet's headers.
    pub(crate) headers: &'a HeaderMap,
}

/// Asks within the prober's time. Nothing goes on when it is cancelled.
pub(crate) async fn ask(prober: &Prober, asked: &Asked<'_>) -> Result<Verdict, Failed> {
    let question = async {
        match &prober.action {
            Action::Http(get) => http_get::ask(get, asked).await,
            Action::Tcp { port } => {
                let accepted = dial::connect(SocketAddr::new(asked.address, *port)).await;
                accepted.map(|_| ok()).map_err(Failed::Connect)
            }
            Action::Grpc { port, service } => {
                let address = SocketAddr::new(asked.address, *port);
                let agent = asked.headers.get(USER_AGENT);
                grpc::ask(address, service, agent).await.map(|()| ok())
            }
        }
    };
    match tokio::time::timeout(prober.timeout, Box::pin(question)).await {
        Ok(answered) => answered,
        Err(_) => Err(Failed::Late(prober.timeout.as_secs())),
    }
}

fn ok() -> Verdict {
    Verdict {
        status: StatusCode::OK,
        body: Bytes::new(),
    }
}
