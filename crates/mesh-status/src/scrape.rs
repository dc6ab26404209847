//! The application's metrics: where they are, and how they are fetched.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::dial;
use crate::exchange::{Version, exchange};
use crate::merge::Format;

/// The longest page of metrics that is passed on; it is held in memory while it is.
const MOST_METRICS: usize = 16 * 1024 * 1024;
/// How long Prometheus waits unless it says so.
const SCRAPE_TIMEOUT: f64 = 10.0;
/// The longest that is believed.
const LONGEST_TIMEOUT: f64 = 60.0;
/// The part of the time that the application has, so that ours still arrive when it does not answer.
const SHARE: f64 = 0.8;
/// How Prometheus says how long it waits.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// What is asked for when nothing that was asked for can be merged.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain;version=0.0.4");
/// Forms of which pages can be put one after the other.
const MERGEABLE: [&str; 4] = [
    "application/openmetrics-text",
    "text/plain",
    "text/*",
    "*/*",
];

/// Where the application's metrics are, by the pod's annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scrape {
    port: u16,
    path: Uri,
}

/// Why the annotations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadScrape {
    /// They are no JSON of this form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The port is no number.
    #[error("{0:?} is no port")]
    Port(String),
    /// We would ask ourselves for ever.
    #[error("port {0} is the sidecar's")]
    Own(u16),
    /// The path cannot be asked for.
    #[error("{0:?} is no path")]
    Path(String),
}

/// Metrics of the application.
pub(crate) struct Scraped {
    pub(crate) format: Format,
    pub(crate) text: Vec<u8>,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missed {
    #[error("the application cannot be reached: {0}")]
    Connect(#[from] io::Error),
    #[error("the application does not answer by HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("the application answers {0}")]
    Status(StatusCode),
    #[error("the application's page is longer than {MOST_METRICS} bytes")]
    TooLong,
    #[error("the application answers in a form that cannot be merged")]
    Form,
    #[error("the application does not answer in time")]
    Late,
}

/// With Istio's members.
#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    scrape: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    port: String,
}

impl Scrape {
    /// What is to be scraped, if anything.
    pub(crate) fn parse(text: &str, own: &[u16]) -> Result<Option<Self>, BadScrape> {
        let raw: Raw = serde_json::from_str(text)?;
        if raw.scrape == "false" {
            return Ok(None);
        }
        // istio: the defaults of pilot-agent, which are Prometheus'.
        let port = match raw.port.as_str() {
            "" => 80,
            port => match port.parse().ok().filter(|port| *port > 0) {
                Some(port) => port,
                None => return Err(BadScrape::Port(raw.port)),
            },
        };
        if own.contains(&port) {
            return Err(BadScrape::Own(port));
        }
        let path = match raw.path.as_str() {
            "" => "/metrics".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        match path.parse() {
            Ok(path) => Ok(Some(Self { port, path })),
            Err(_) => Err(BadScrape::Path(path)),
        }
    }

    /// Fetches them as whoever asked us with these headers would, in less time than he waits.
    pub(crate) async fn fetch(&self, pod: IpAddr, headers: &HeaderMap) -> Result<Scraped, Missed> {
        let fetched = tokio::time::timeout(patience(headers), self.fetch_now(pod, headers));
        fetched.await.unwrap_or(Err(Missed::Late))
    }

    async fn fetch_now(&self, pod: IpAddr, headers: &HeaderMap) -> Result<Scraped, Missed> {
        let stream = self.connect(pod).await?;
        let answer = exchange(
            Box::new(stream),
            Version::Http1,
            self.request(headers),
            MOST_METRICS,
        );
        let answer = answer.await?;
        if answer.status != StatusCode::OK {
            return Err(Missed::Status(answer.status));
        }
        if answer.cut {
            return Err(Missed::TooLong);
        }
        let format = Format::of(answer.headers.get(CONTENT_TYPE));
        let format = format.filter(|_| !answer.headers.contains_key(CONTENT_ENCODING));
        Ok(Scraped {
            format: format.ok_or(Missed::Form)?,
            text: answer.body,
        })
    }

    /// istio: the application is scraped on loopback. Prometheus would have reached the pod's
    /// address, so an application that listens there alone is found as well.
    async fn connect(&self, pod: IpAddr) -> io::Result<TcpStream> {
        let loopback = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ];
        let mut first = None;
        for address in loopback.into_iter().chain([pod]) {
            match dial::connect(SocketAddr::new(address, self.port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }

    fn request(&self, asked: &HeaderMap) -> Request<Empty<bytes::Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        let host = format!("localhost:{}", self.port);
        if let Ok(host) = HeaderValue::try_from(host) {
            headers.insert(HOST, host);
        }
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(ACCEPT, acceptable(asked));
        for name in [USER_AGENT, TIMEOUT_HEADER] {
            if let Some(value) = asked.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        request
    }
}

/// What of Accept can be merged. Protobuf, which Prometheus may prefer, cannot.
fn acceptable(asked: &HeaderMap) -> HeaderValue {
    let accepted = asked.get_all(ACCEPT).iter();
    let ranges = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| {
            let form = range.split(';').next().unwrap_or_default().trim();
            MERGEABLE.contains(&form.to_ascii_lowercase().as_str())
        });
    let ranges: Vec<&str> = ranges.collect();
    match HeaderValue::try_from(ranges.join(",")) {
        Ok(value) if !value.is_empty() => value,
        _ => TEXT,
    }
}

fn patience(asked: &HeaderMap) -> Duration {
    let told = asked
        .get(TIMEOUT_HEADER)
        .and_then(|value| value.to_str().ok());
    let told = told.and_then(|seconds| seconds.parse::<f64>().ok());
    let told = told.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    let seconds = told.unwrap_or(SCRAPE_TIMEOUT).min(LONGEST_TIMEOUT);
    Duration::from_secs_f64(seconds * SHARE)
}

#[cfg(test)]
mod tests;
