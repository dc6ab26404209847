//! A small HTTP client for tests: one connection, HTTP/1.1 or HTTP/2, plain or TLS.
//!
//! It is hyper, so an independent peer of our own codec. It never retries.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_runtime::Tasks;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What goes wrong between a test and its peer.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Version of HTTP to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1.
    One,
    /// HTTP/2 (with prior knowledge on plain connections).
    Two,
}

/// A connection that requests are sent on, one after the other.
pub struct Client {
    sender: Sender,
    /// Certificates that the server showed, leaf first; none on plain connections.
    pub server_certificates: Vec<CertificateDer<'static>>,
    /// Ends the connection's task when dropped.
    _tasks: TasksGuard,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

struct TasksGuard(Tasks);

impl Drop for TasksGuard {
    fn drop(&mut self) {
        self.0.stopping().cancel();
    }
}

impl Client {
    /// Connects without TLS.
    ///
    /// # Errors
    /// When the peer cannot be reached or does not speak this version.
    pub async fn plain(address: SocketAddr, http: Http) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, http, Vec::new()).await
    }

    /// Connects with TLS; `name` is sent as SNI when it is a DNS name.
    ///
    /// # Errors
    /// When the peer cannot be reached, or either side refuses the other.
    pub async fn tls(
        address: SocketAddr,
        name: ServerName<'static>,
        config: ClientConfig,
        http: Http,
    ) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await?;
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let shown = shown.to_vec();
        Self::over(stream, http, shown).await
    }

    async fn over<S>(
        stream: S,
        http: Http,
        server_certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tasks = Tasks::new(&prometheus::Registry::new());
        let stopping = tasks.stopping().clone();
        let stream = TokioIo::new(stream);
        // How the connection ends shows in the requests; here nobody reads it.
        let sender = match http {
            Http::One => {
                let (sender, connection) = http1::handshake(stream).await?;
                tasks.spawn("test client", async move {
                    let _ended = stopping.run_until_cancelled(connection).await;
                });
                Sender::One(sender)
            }
            Http::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tasks.spawn("test client", async move {
                    let _ended = stopping.run_until_cancelled(connection).await;
                });
                Sender::Two(sender)
            }
        };
        Ok(Self {
            sender,
            server_certificates,
            _tasks: TasksGuard(tasks),
        })
    }

    /// Sends a request and reads its answer whole.
    ///
    /// # Errors
    /// When the connection breaks before the answer is complete.
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let request = request.map(Full::new);
        let response = match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Sends GET for a whole URI (`http://host:port/path`) with headers.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn get(
        &mut self,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Bytes>, Failure> {
        self.request(Method::GET, uri, headers, Bytes::new()).await
    }

    /// Sends POST.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn post(
        &mut self,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        self.request(Method::POST, uri, headers, body.into()).await
    }

    async fn request(
        &mut self,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let uri: hyper::Uri = uri.parse()?;
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let named = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"));
        // HTTP/1.1 sends the path and a Host header, HTTP/2 the whole URI.
        let request = match self.sender {
            Sender::One(_) => {
                if let (false, Some(authority)) = (named, uri.authority()) {
                    request = request.header("host", authority.as_str());
                }
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                request.uri(path)
            }
            Sender::Two(_) => request.uri(uri),
        };
        self.send(request.body(body)?).await
    }
}

/// Sends one GET over a connection of its own, HTTP/1.1 without TLS, to the authority of `uri`
/// (which must be an address).
///
/// # Errors
/// As [`Client::send`].
pub async fn get(uri: &str, headers: &[(&str, &str)]) -> Result<Response<Bytes>, Failure> {
    let parsed: hyper::Uri = uri.parse()?;
    let authority = parsed.authority().ok_or("the URI has no authority")?;
    let address: SocketAddr = match authority.port_u16() {
        Some(_) => authority.as_str().parse()?,
        None => format!("{authority}:80").parse()?,
    };
    let mut client = Client::plain(address, Http::One).await?;
    client.get(uri, headers).await
}
