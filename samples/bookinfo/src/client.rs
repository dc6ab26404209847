//! Calls another service, over connections that are kept and used again.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// Idle connections kept to one service.
const IDLE: usize = 32;
/// Longest answer that is read.
const MAX_BODY: usize = 1024 * 1024;

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("not connected")]
    Connect(#[source] std::io::Error),
    #[error("connection broke")]
    Http(#[from] hyper::Error),
    #[error("answer too long or cut off")]
    Body,
    #[error("not a request")]
    Request(#[from] http::Error),
}

type Connection = SendRequest<Empty<Bytes>>;

/// A service that is called by host and port.
pub(crate) struct Upstream {
    authority: String,
    idle: Mutex<Vec<Connection>>,
    tasks: Tasks,
}

impl Upstream {
    /// Does not connect yet.
    pub(crate) fn new(authority: String, tasks: &Tasks) -> Self {
        Self {
            authority,
            idle: Mutex::new(Vec::new()),
            // Idle connections must not hold up the end of the process, so nobody waits for them.
            tasks: tasks.group(),
        }
    }

    /// Asks for `path`; the answer must be there, whole, before `limit` is over.
    pub(crate) async fn get(
        &self,
        path: &str,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<Response<Bytes>, CallError> {
        let called = tokio::time::timeout(limit, self.exchange(path, headers)).await;
        let answer = called.unwrap_or(Err(CallError::Timeout(limit)));
        if let Err(error) = &answer {
            tracing::debug!(upstream = self.authority, path, %error, "call failed");
        }
        answer
    }

    /// As [`Upstream::get`], for JSON: the value of a 200, or else the status to show (500 when
    /// there was no answer, or no JSON in it).
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<T, StatusCode> {
        let answer = self.get(path, headers, limit).await;
        let answer = answer.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        if answer.status() != StatusCode::OK {
            return Err(answer.status());
        }
        serde_json::from_slice(answer.body()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn exchange(
        &self,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response<Bytes>, CallError> {
        // A kept connection may have been closed at the other end meanwhile; a GET that found
        // it so is sent once more, on a new one (RFC 9110, 9.2.2).
        if let Some(kept) = self.take_idle().await {
            let sent = self.send(kept, path, headers).await;
            if !matches!(sent, Err(CallError::Http(_))) {
                return sent;
            }
        }
        let fresh = self.connect().await?;
        self.send(fresh, path, headers).await
    }

    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let mut kept = self.idle.lock().pop()?;
            if kept.ready().await.is_ok() {
                return Some(kept);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, CallError> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(CallError::Connect)?;
        stream.set_nodelay(true).map_err(CallError::Connect)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn("upstream connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok(sender)
    }

    async fn send(
        &self,
        mut connection: Connection,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response<Bytes>, CallError> {
        let mut request = Request::get(path).body(Empty::new())?;
        *request.headers_mut() = headers.clone();
        let host = HeaderValue::from_str(&self.authority).map_err(http::Error::from)?;
        request.headers_mut().insert(HOST, host);
        let (head, body) = connection.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let body = body.map_err(|_| CallError::Body)?.to_bytes();
        let mut idle = self.idle.lock();
        if idle.len() < IDLE && !connection.is_closed() {
            idle.push(connection);
        }
        Ok(Response::from_parts(head, body))
    }

    #[cfg(test)]
    pub(crate) fn idle_connections(&self) -> usize {
        self.idle.lock().len()
    }
}

#[cfg(test)]
mod tests;
