//! What is answered at which port and path.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use prometheus::{IntCounter, Opts, Registry};

use crate::dial;
use crate::merge::{Format, merge};
use crate::probe::{Asked, ask};
use crate::settings::StatusSettings;

/// The proxy that is spoken of, in functions that answer from what is at hand.
pub struct Subject {
    /// Whether requests are taken, and the state in Envoy's words.
    pub ready: Box<dyn Fn() -> Result<&'static str, &'static str> + Send + Sync>,
    /// Its metrics in Prometheus' text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Ends the process, gracefully.
    pub quit: Box<dyn Fn() + Send + Sync>,
}

/// Which of our ports was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// Everything that the agent of Istio answers; by default 15020.
    Status,
    /// Readiness alone; by default 15021.
    Health,
    /// The proxy's own metrics; by default 15090.
    Metrics,
}

/// Where a question came in and from whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) port: Port,
    pub(crate) number: u16,
    pub(crate) peer: IpAddr,
}

/// Everything that is answered.
pub(crate) struct Pages {
    subject: Subject,
    settings: StatusSettings,
    /// Probes that the last time had no answer, by path: a change is worth a line of the log.
    silent: BTreeMap<String, AtomicBool>,
    scrapes: IntCounter,
    failures: IntCounter,
}

impl Pages {
    pub(crate) fn new(subject: Subject, settings: StatusSettings, registry: &Registry) -> Self {
        let silent = settings.probers.paths();
        let silent = silent.map(|path| (path.to_owned(), AtomicBool::new(false)));
        Self {
            silent: silent.collect(),
            // istio: the names of pilot-agent.
            scrapes: counter(
                registry,
                Opts::new(
                    "istio_agent_scrapes_total",
                    "Times that merged metrics were asked for",
                ),
            ),
            failures: counter(
                registry,
                Opts::new(
                    "istio_agent_scrape_failures_total",
                    "Times that metrics of the application were missing among them",
                )
                .const_label("type", "application"),
            ),
            subject,
            settings,
        }
    }

    pub(crate) async fn answer(&self, at: At, request: Request<Incoming>) -> Response<Pieces> {
        let (head, _) = request.into_parts();
        let (path, method) = (head.uri.path(), &head.method);
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match (at.port, path) {
            (Port::Status, "/quitquitquit") => self.quit(at.peer, method),
            (Port::Status | Port::Health, "/healthz/ready") if is_read => self.ready(),
            (Port::Metrics, "/stats/prometheus") if is_read => {
                metrics(Format::Text, vec![(self.subject.metrics)().into()])
            }
            (Port::Status, "/stats/prometheus" | "/metrics") if is_read => {
                self.merged(&head.headers).await
            }
            (Port::Status, _)
                if path.starts_with("/app-health/") || path.starts_with("/app-lifecycle/") =>
            {
                self.probe(path, at.number, &head.headers).await
            }
            _ if is_read => text(StatusCode::NOT_FOUND, "no such page\n"),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"),
        }
    }

    fn ready(&self) -> Response<Pieces> {
        match (self.subject.ready)() {
            Ok(state) => text(StatusCode::OK, format!("{state}\n")),
            Err(state) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{state}\n")),
        }
    }

    /// A process of the pod alone may end us.
    fn quit(&self, peer: IpAddr, method: &Method) -> Response<Pieces> {
        let peer = peer.to_canonical();
        if !peer.is_loopback() || dial::is_source(peer) {
            return text(StatusCode::FORBIDDEN, "only on loopback\n");
        }
        if method != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
        }
        tracing::info!("asked to stop by /quitquitquit");
        (self.subject.quit)();
        text(StatusCode::OK, "OK")
    }

    /// Our metrics and the application's. One that does not answer costs its own alone.
    async fn merged(&self, headers: &HeaderMap) -> Response<Pieces> {
        self.scrapes.inc();
        let scraped = match &self.settings.scrape {
            Some(scrape) => Box::pin(scrape.fetch(self.settings.address, headers)).await,
            None => return metrics(Format::Text, vec![(self.subject.metrics)().into()]),
        };
        match scraped {
            Ok(scraped) => {
                let own = (self.subject.metrics)();
                metrics(scraped.format, merge(own, scraped.format, scraped.text))
            }
            Err(error) => {
                self.failures.inc();
                tracing::debug!(%error, "metrics of the application are missing");
                metrics(Format::Text, vec![(self.subject.metrics)().into()])
            }
        }
    }

    async fn probe(&self, path: &str, status_port: u16, headers: &HeaderMap) -> Response<Pieces> {
        let Some(prober) = self.settings.probers.at(path) else {
            // istio: not 404, which an application could have answered.
            return text(StatusCode::BAD_REQUEST, "no such probe\n");
        };
        let asked = Asked {
            address: self.settings.address,
            status_port,
            headers,
        };
        let answered = Box::pin(ask(prober, &asked)).await;
        let was_silent = self.silent.get(path);
        let was_silent = was_silent.map(|silent| silent.swap(answered.is_err(), Ordering::Relaxed));
        match answered {
            Ok(verdict) => {
                if was_silent == Some(true) {
                    tracing::info!(path, "the application answers its probe again");
                }
                let mut response = text(verdict.status, "");
                *response.body_mut() = Pieces::from(verdict.body);
                response
            }
            Err(error) => {
                if was_silent == Some(false) {
                    tracing::warn!(path, %error, "the application does not answer its probe");
                }
                text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
            }
        }
    }
}

/// A second counter of the name counts for itself and is printed nowhere.
fn counter(registry: &Registry, options: Opts) -> IntCounter {
    #[expect(
        clippy::expect_used,
        reason = "names and labels are constants that Prometheus accepts"
    )]
    let counter = IntCounter::with_opts(options).expect("the metric's name is valid");
    if let Err(error) = registry.register(Box::new(counter.clone())) {
        tracing::debug!(%error, "counter is registered already");
    }
    counter
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Pieces> {
    let mut response = Response::new(Pieces::from(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn metrics(format: Format, pages: Vec<Bytes>) -> Response<Pieces> {
    let mut response = Response::new(Pieces(pages.into()));
    let form = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(CONTENT_TYPE, form);
    response
}

/// A body of pieces that lie apart.
pub(crate) struct Pieces(VecDeque<Bytes>);

impl From<Bytes> for Pieces {
    fn from(piece: Bytes) -> Self {
        Self(VecDeque::from([piece]))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests;
