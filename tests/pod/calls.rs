//! What a pod asks of others: requests, and connections for bytes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long somebody who was connected to may be silent.
const SILENCE: Duration = Duration::from_secs(3);

/// A request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Call {
    /// Where to.
    pub(crate) url: String,
    /// Fields to send.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

impl Call {
    /// GET for a URL.
    pub(crate) fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            headers: BTreeMap::new(),
        }
    }
}

/// What was answered.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    /// The status.
    pub(crate) status: u16,
    /// The fields.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: String,
}

/// A client as programs have it: keeps connections, and says a request twice only when the connection
/// was closed before any of it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Client<HttpConnector, Full<Bytes>>);

impl Default for Caller {
    fn default() -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        Self(client.pool_timer(TokioTimer::new()).build_http())
    }
}

impl Caller {
    /// Sends GET and reads the answer whole.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answered, String> {
        let mut request = Request::get(&call.url);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::default())
            .map_err(|why| why.to_string())?;
        let exchange = async {
            let (head, body) = self.0.request(request).await.map_err(whole)?.into_parts();
            let body = body.collect().await.map_err(whole)?.to_bytes();
            Ok(Answered {
                status: head.status.as_u16(),
                headers: head
                    .headers
                    .iter()
                    .map(|(name, value)| {
                        (
                            name.to_string(),
                            String::from_utf8_lossy(value.as_bytes()).into_owned(),
                        )
                    })
                    .collect(),
                body: String::from_utf8_lossy(&body).into_owned(),
            })
        };
        let exchange = tokio::time::timeout(PATIENCE, exchange);
        exchange
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
    }
}

/// An error with all its causes.
fn whole(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Connects, says something, and gives the first that comes back.
pub(crate) async fn open(address: &str, said: &str) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(said.as_bytes()).await?;
        let mut heard = vec![0; 1024];
        let length = stream.read(&mut heard).await?;
        heard.truncate(length);
        if heard.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&heard).into_owned())
    };
    let exchange = tokio::time::timeout(SILENCE, exchange).await;
    let heard = exchange.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    heard.map_err(|error: std::io::Error| format!("{address}: {:?}", error.kind()))
}
