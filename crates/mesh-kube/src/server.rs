//! The API server: requests with deadlines, answers as bytes, failures as facts.
//!
//! kube finds the server, proves who we are and renews the proof; what the answers mean is not its
//! business. Its own reading of answers is not used: it writes what it cannot read to the log.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;

use crate::fault::Fault;

/// How long an answer may take, the whole of it.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);
/// How long a watch may be silent before it is doubted; servers send bookmarks each minute.
const SILENCE: Duration = Duration::from_secs(100);
/// Largest answer that is read.
const ANSWER_BYTES: usize = 256 << 20;
/// Longest line of a watch: far beyond what the API server stores as one object.
const LINE_BYTES: usize = 16 << 20;
/// Largest error that is read.
const ERROR_BYTES: usize = 64 << 10;

/// Access to an API server.
#[derive(Clone)]
pub(crate) struct Server {
    client: Client,
}

impl Server {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// kube's own client, for what is no request and answer.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Reads what is at a path.
    pub(crate) async fn read(&self, path: &str) -> Result<Bytes, Fault> {
        self.exchange(Method::GET, path, "", Vec::new()).await
    }

    /// Sends a body of the given type to a path.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<Bytes, Fault> {
        self.exchange(method, path, content_type, body).await
    }

    /// Begins to watch what is at a path.
    pub(crate) async fn watch(&self, path: &str) -> Result<Lines, Fault> {
        let request = request(Method::GET, path, "", Vec::new())?;
        let answer = within(ANSWER, self.answer(request)).await?;
        Ok(Lines {
            body: answer.into_body(),
            buffer: BytesMut::new(),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<Bytes, Fault> {
        let request = request(method, path, content_type, body)?;
        within(ANSWER, async {
            let answer = self.answer(request).await?;
            collect(answer.into_body(), ANSWER_BYTES).await
        })
        .await
    }

    /// The head of a good answer; what is wrong with any other.
    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|error| Fault::unreachable(&error))?;
        let status = answer.status();
        if status.is_success() && status != StatusCode::NO_CONTENT {
            return Ok(answer);
        }
        let said = collect(answer.into_body(), ERROR_BYTES).await;
        Err(Fault::answered(status.as_u16(), &said.unwrap_or_default()))
    }
}

/// A watch that is running.
pub(crate) struct Lines {
    body: Body,
    buffer: BytesMut,
}

impl Lines {
    /// The next line, or `None` at the end: by time, by silence, or because the connection broke.
    /// Half a line at the end is no line. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            if let Some(line) = self.buffered() {
                return Ok(Some(line));
            }
            if self.buffer.len() > LINE_BYTES {
                let text = format!("a line of more than {LINE_BYTES} bytes");
                return Err(Fault::refused(text));
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            match frame {
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "watch broke off");
                    return Ok(None);
                }
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }

    /// A line that is there already.
    pub(crate) fn buffered(&mut self) -> Option<Bytes> {
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
            let mut line = self.buffer.split_to(end + 1);
            line.truncate(end);
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(line.freeze());
            }
        }
    }
}

fn request(
    method: Method,
    path: &str,
    content_type: &'static str,
    body: Vec<u8>,
) -> Result<Request<Body>, Fault> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, "application/json");
    if !content_type.is_empty() {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    let request = request.body(Body::from(body));
    request.map_err(|error| Fault::refused(format!("no request can be made: {error}")))
}

pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(Fault::Unreachable(format!("no answer within {limit:?}"))))
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes, Fault> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::unreachable(&error))?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if all.len() + data.len() > most {
            let text = format!("an answer of more than {most} bytes");
            return Err(Fault::refused(text));
        }
        all.extend_from_slice(data);
    }
    Ok(all.freeze())
}
