//! One endpoint, probed again and again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh_http::Scheme;
use mesh_traffic::Cluster;
use mesh_traffic::cluster::Transport;
use mesh_traffic::health::{
    Check, Checker, Failed, Kind, Member, Outcome, Probe, TcpProbe, found_in_order,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::exchange::Exchange;
use super::way::{Io, Way};
use super::{Inner, Prober};
use crate::upstream::target::Speak;
use crate::upstream::tls::Carries;

/// Bytes of an answer that are read; one that is longer has failed.
pub(super) const MOST: usize = 1 << 20;

/// An endpoint that is probed.
pub(super) struct Probing {
    pub(super) prober: Prober,
    pub(super) checker: Checker,
    pub(super) cluster: Arc<ArcSwap<Cluster>>,
    pub(super) address: SocketAddr,
}

/// A connection that is kept for the next probe.
struct Kept {
    /// How its endpoint was reached.
    transport: Transport,
    session: Session,
}

enum Session {
    Http(Box<Exchange>),
    Tcp(Box<dyn Io>),
}

impl Probing {
    pub(super) async fn probe_for_ever(self) {
        let mut random = fastrand::Rng::new();
        let mut kept = None;
        let mut pause = self.checker.first_pause(&mut || random.u64(..));
        loop {
            let outcome = match rest(pause, &mut kept).await {
                Some(outcome) => outcome,
                // Boxed: it is large, and most of the time there is none.
                None => match Box::pin(self.probe(&mut kept)).await {
                    Some(outcome) => outcome,
                    None => return,
                },
            };
            let Some(next) = self.note(outcome, &mut random) else {
                return;
            };
            pause = next;
        }
    }

    /// Tells what came of a probe; how long the next one waits.
    fn note(&self, outcome: Outcome, random: &mut fastrand::Rng) -> Option<Duration> {
        let fails = || self.checker.flags(self.address).map(|flags| flags.failed);
        let failed = fails();
        let pause = self
            .checker
            .take(self.address, outcome, &mut || random.u64(..))?;
        let cluster = self.cluster.load();
        let passes = matches!(outcome, Outcome::Passed { .. });
        if passes && let Some(detector) = &cluster.detector {
            detector.take_back(self.address);
        }
        if failed != fails() {
            let (cluster, endpoint) = (&*cluster.name, self.address);
            tracing::info!(cluster, %endpoint, passes, ?outcome, "endpoint's health changed");
        }
        Some(pause)
    }

    /// Probes once; `None` if the endpoint is not to be probed any more.
    async fn probe(&self, kept: &mut Option<Kept>) -> Option<Outcome> {
        let inner = &*self.prober.0;
        let _turn = inner.turns.acquire().await.ok()?;
        let member = self.checker.member(self.address)?;
        let cluster = self.cluster.load_full();
        self.checker.begin();
        let check = self.checker.check();
        let one = One {
            inner,
            checker: &self.checker,
            cluster: &cluster,
            member: &member,
        };
        let asked = tokio::time::timeout(check.timeout, one.ask(kept.take())).await;
        Some(match asked {
            Ok(Ok((outcome, still))) => {
                *kept = still.filter(|_| check.reuses_connections);
                outcome
            }
            Ok(Err(error)) => {
                let (cluster, endpoint) = (&*cluster.name, self.address);
                tracing::debug!(cluster, %endpoint, %error, "health check failed");
                Outcome::Failed(Failed::of(Kind::Network))
            }
            Err(_elapsed) => Outcome::Failed(Failed::of(Kind::Timeout)),
        })
    }
}

/// One probe.
struct One<'a> {
    inner: &'a Inner,
    checker: &'a Checker,
    cluster: &'a Cluster,
    member: &'a Member,
}

type Asked = io::Result<(Outcome, Option<Kept>)>;

impl One<'_> {
    async fn ask(&self, kept: Option<Kept>) -> Asked {
        let check = self.checker.check();
        let transport = match &check.transport_labels {
            Some(labels) => self.cluster.transport_for(labels),
            None => self.cluster.transport_to(&self.member.endpoint),
        };
        let kept = kept.filter(|kept| kept.transport == *transport);
        let session = kept.map(|kept| kept.session);
        let way = Way {
            at: self.member.at,
            source: self.cluster.source_for(self.member.at.ip()),
            transport,
            alpn: &check.alpn,
            within: self.cluster.connect_timeout,
        };
        let (outcome, session) = match &check.probe {
            Probe::Tcp(probe) => self.ask_tcp(probe, &way, session).await?,
            Probe::Http(_) | Probe::Grpc(_) => self.ask_http(check, &way, session).await?,
        };
        let kept = session.map(|session| Kept {
            transport: transport.clone(),
            session,
        });
        Ok((outcome, kept))
    }

    async fn ask_http(
        &self,
        check: &Check,
        way: &Way<'_>,
        session: Option<Session>,
    ) -> io::Result<(Outcome, Option<Session>)> {
        let scheme = match way.transport {
            Transport::Plain => Scheme::Http,
            Transport::Tls(_) => Scheme::Https,
        };
        let (head, body, keeps, http2) = match &check.probe {
            Probe::Http(probe) => {
                let head = probe.head(self.authority(probe.host.as_deref()), scheme);
                (head, probe.send.clone(), probe.keeps(), probe.http2)
            }
            Probe::Grpc(probe) => {
                let authority = self.authority(probe.authority.as_deref());
                let head = probe.head(authority, scheme, check.timeout);
                (head, probe.body(), None, true)
            }
            Probe::Tcp(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let head = head.map_err(io::Error::other)?;
        let mut exchange = match session {
            Some(Session::Http(exchange)) => exchange,
            Some(Session::Tcp(_)) | None => {
                let speak = if http2 { Speak::Http2 } else { Speak::Http1 };
                let io = way.open(&self.inner.tls, Carries::Http(speak)).await?;
                Box::new(Exchange::new(io, http2, self.inner.clock.clone()))
            }
        };
        let answer = exchange.ask(&head, &body, keeps).await?;
        let outcome = self.checker.judge(&answer);
        let kept = exchange.takes_more().then_some(Session::Http(exchange));
        Ok((outcome, kept))
    }

    /// The host that is asked for: the endpoint's, or the check's, or the cluster's name.
    fn authority<'a>(&'a self, of_check: Option<&'a str>) -> &'a str {
        let terms = self.member.endpoint.probing.terms.as_deref();
        let own = terms.and_then(|terms| terms.hostname.as_deref());
        own.or(of_check).unwrap_or(&self.cluster.name)
    }

    async fn ask_tcp(
        &self,
        probe: &TcpProbe,
        way: &Way<'_>,
        session: Option<Session>,
    ) -> io::Result<(Outcome, Option<Session>)> {
        let passed = Outcome::Passed { degraded: false };
        let mut io = match session {
            Some(Session::Tcp(io)) => io,
            Some(Session::Http(_)) | None => way.open(&self.inner.tls, Carries::Tcp).await?,
        };
        if probe.receive.is_empty() {
            // Only whether there is a connection was asked.
            return Ok((passed, None));
        }
        io.write_all(&probe.send).await?;
        io.flush().await?;
        let mut came = Vec::new();
        while !found_in_order(&came, &probe.receive) {
            if came.len() >= MOST {
                return Err(io::Error::other("the answer is too long"));
            }
            if io.read_buf(&mut came).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((passed, Some(Session::Tcp(io))))
    }
}

/// Waits for the next probe; what came of it if the endpoint said so before.
async fn rest(pause: Duration, kept: &mut Option<Kept>) -> Option<Outcome> {
    if pause.is_zero() {
        return None;
    }
    let over = tokio::time::sleep(pause);
    tokio::pin!(over);
    if let Some(Kept { session, .. }) = kept {
        tokio::select! {
            () = &mut over => return None,
            () = session.ended() => {}
        }
        // As in Envoy, a connection of bytes that is closed between probes is a failure.
        let fails = matches!(session, Session::Tcp(_));
        *kept = None;
        if fails {
            return Some(Outcome::Failed(Failed::of(Kind::Network)));
        }
    }
    over.await;
    None
}

impl Session {
    /// Comes to an end when the connection does.
    async fn ended(&mut self) {
        match self {
            Self::Http(exchange) => exchange.idle().await,
            Self::Tcp(io) => {
                let mut ignored = [0; 64];
                while matches!(io.read(&mut ignored).await, Ok(read) if read > 0) {}
            }
        }
    }
}
