//! The admin server: pages by path, on an address that only the machine itself reaches.
//!
//! A page is a function from a query to a [`Page`]; it must answer from what it has at hand.

use std::collections::BTreeMap;
use std::convert::Infallible;
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

    /// Adds a page that is read.
    #[must_use]
    pub fn page(
        mut self,
        path: &'static str,
        provider: impl Fn(&Query) -> Page + Send + Sync + 'static,
    ) -> Self {
        self.pages.insert((Verb::Get, path), Arc::new(provider));
        self
    }

    /// Adds a page that changes something, which only POST may do.
    #[must_use]
    pub fn action(
        mut self,
        path: &'static str,
        provider: impl Fn(&Query) -> Page + Send + Sync + 'static,
    ) -> Self {
        self.pages.insert((Verb::Post, path), Arc::new(provider));
        self
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, query: &Query) -> Page {
        let found = |verb| {
            self.pages
                .iter()
                .find(|((v, p), _)| *v == verb && *p == path)
        };
        match (found(Verb::Get), found(Verb::Post)) {
            (Some((_, provider)), _) if matches!(*method, Method::GET | Method::HEAD) => {
                provider(query)
            }
            (_, Some((_, provider))) if *method == Method::POST => provider(query),
            (None, None) => Page::text(404, self.index()),
            _ => Page::text(405, "method not allowed\n"),
        }
    }

    fn index(&self) -> String {
        let mut lines = String::from("no such page; there are:\n");
        for (verb, path) in self.pages.keys() {
            let verb = match verb {
                Verb::Get => "GET ",
                Verb::Post => "POST",
            };
            lines.push_str(&format!("{verb} {path}\n"));
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
            let (stream, _) = tokio::select! {
                accepted = net::accept(&listener, "admin") => accepted,
                () = tasks.stopping().cancelled() => return,
            };
            let pages = pages.clone();
            let stopping = tasks.stopping().clone();
            tasks.spawn("admin connection", async move {
                let service = service_fn(move |request| {
                    let pages = pages.clone();
                    async move { Ok::<_, Infallible>(respond(&pages, &request)) }
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

fn respond(pages: &Admin, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let query = parse_query(request.uri().query().unwrap_or_default());
    let page = pages.answer(request.method(), request.uri().path(), &query);
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
