//! The admin server: pages by path. It speaks plain text, so whoever is not on loopback gets what is
//! meant for everybody, health and metrics, and nothing else.
//!
//! A page is a function from a query to a [`Page`]; it must answer from what it has at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{Tasks, net};

/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Admin connections at once; more wait in the listen queue.
const CONNECTIONS: usize = 64;
/// istio: from here a sidecar passes on to its application what came from anywhere.
const PASSED_ON: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6)),
    IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)),
];

/// The page that lists the others.
const HELP: &str = "/help";

/// What a page answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: &'static str,
    /// Body.
    pub body: Bytes,
}

impl Page {
    /// A page of plain text.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    /// A page of JSON, indented.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        let body = format!("{value:#}\n");
        Self {
            status: 200,
            content_type: "application/json",
            body: body.into(),
        }
    }

    /// A page of metrics.
    #[must_use]
    pub fn metrics(registry: &prometheus::Registry) -> Self {
        let body = crate::metrics::text(registry).into();
        Self {
            status: 200,
            content_type: crate::metrics::CONTENT_TYPE,
            body,
        }
    }
}

/// The decoded `?name=value` pairs of a request; a name without a value has the empty one.
pub type Query = BTreeMap<String, String>;

type Provider = Arc<dyn Fn(&Query) -> Page + Send + Sync>;

/// The pages of a process.
#[derive(Clone, Default)]
pub struct Admin {
    pages: BTreeMap<(Verb, &'static str), Provider>,
    /// The pages that everybody may read.
    open: BTreeSet<&'static str>,
}

/// Who asks, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// A process of this machine, or of this pod.
    Near,
    /// Anybody.
    Far,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Get,
    Post,
}

impl Admin {
    /// No pages yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a page that everybody may read who reaches the port: health, metrics.
    #[must_use]
    pub fn open_page(
        mut self,
        path: &'static str,
        provider: impl Fn(&Query) -> Page + Send + Sync + 'static,
    ) -> Self {
        self.open.insert(path);
        self.page(path, provider)
    }

    /// Adds a page that is read, on loopback alone.
    #[must_use]
    pub fn page(
        mut self,
        path: &'static str,
        provider: impl Fn(&Query) -> Page + Send + Sync + 'static,
    ) -> Self {
        self.pages.insert((Verb::Get, path), Arc::new(provider));
        self
    }

    /// Adds a page that changes something, which only POST may do, on loopback alone.
    #[must_use]
    pub fn action(
        mut self,
        path: &'static str,
        provider: impl Fn(&Query) -> Page + Send + Sync + 'static,
    ) -> Self {
        self.pages.insert((Verb::Post, path), Arc::new(provider));
        self
    }

    /// Answers one request that came by loopback.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, query: &Query) -> Page {
        let found = |verb| {
            self.pages
                .iter()
                .find(|((v, p), _)| *v == verb && *p == path)
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let posts = *method == Method::POST;
        match (found(Verb::Get), found(Verb::Post)) {
            (_, Some((_, provider))) if posts => provider(query),
            // As with Envoy, a page that is only read may be posted to.
            (Some((_, provider)), _) if reads || posts => provider(query),
            (None, None) if path == HELP => Page::text(200, self.index()),
            (None, None) => Page::text(404, format!("invalid path. {}", self.index())),
            (None, Some(_)) => {
                let why = format!("Method {method} not allowed, POST required.\n");
                Page::text(405, why)
            }
            (Some(_), _) => Page::text(405, format!("Method {method} not allowed.\n")),
        }
    }

    fn answer_to(&self, caller: Caller, method: &Method, path: &str, query: &Query) -> Page {
        if caller == Caller::Far && !self.open.contains(path) {
            return Page::text(403, "only on loopback\n");
        }
        self.answer(method, path, query)
    }

    fn index(&self) -> String {
        let mut pages: Vec<_> = self
            .pages
            .keys()
            .map(|(verb, path)| (*path, *verb))
            .collect();
        pages.push((HELP, Verb::Get));
        pages.sort_unstable();
        let mut lines = String::from("admin commands are:\n");
        for (path, verb) in pages {
            lines.push_str(match verb {
                Verb::Get => "  ",
                Verb::Post => "  (POST) ",
            });
            lines.push_str(path);
            lines.push('\n');
        }
        lines
    }

    /// Serves the pages until the tasks are asked to stop.
    pub async fn serve(self, listener: TcpListener, tasks: Tasks) {
        let pages = Arc::new(self);
        let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            let (stream, peer) = tokio::select! {
                accepted = net::accept(&listener, "admin") => accepted,
                () = tasks.stopping().cancelled() => return,
            };
            let caller = caller(peer.ip(), stream.local_addr().map(|own| own.ip()).ok());
            let pages = pages.clone();
            let stopping = tasks.stopping().clone();
            tasks.spawn("admin connection", async move {
                let service = service_fn(move |request| {
                    let pages = pages.clone();
                    async move { Ok::<_, Infallible>(respond(&pages, caller, &request)) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "admin connection ended");
                    },
                    () = stopping.cancelled() => {}
                }
                drop(permit);
            });
        }
    }
}

/// Near is who comes from loopback to loopback, and was not passed on.
fn caller(peer: IpAddr, own: Option<IpAddr>) -> Caller {
    let near = |ip: IpAddr| ip.to_canonical().is_loopback();
    let passed_on = PASSED_ON.contains(&peer.to_canonical());
    match near(peer) && !passed_on && own.is_some_and(near) {
        true => Caller::Near,
        false => Caller::Far,
    }
}

fn respond(pages: &Admin, caller: Caller, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let query = parse_query(request.uri().query().unwrap_or_default());
    let page = pages.answer_to(caller, request.method(), request.uri().path(), &query);
    let mut response = Response::new(Full::new(page.body));
    *response.status_mut() =
        StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = hyper::header::HeaderValue::from_static(page.content_type);
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, content_type);
    response
}

/// Reads `a=b&c`; `%XX` and `+` are decoded, what is not Unicode is replaced.
fn parse_query(text: &str) -> Query {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits =
                    [bytes.next(), bytes.next()].map(|d| d.and_then(|d| (d as char).to_digit(16)));
                match digits {
                    [Some(high), Some(low)] => out.push((high * 16 + low) as u8),
                    _ => out.push(b'%'),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
