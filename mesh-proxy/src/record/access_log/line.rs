//! What logs say of a request that is over, and of a connection that was passed on.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use mesh_model::Str;
use mesh_traffic::access_log::AccessLogs;
use mesh_traffic::template::{Ended, Points, Subject, UpstreamFacts};
use mesh_traffic::{AccessLog, Flags, Network};

use crate::http::connection::Connection;
use crate::http::shape::facts;
use crate::record::{Record, Upstream};

/// Prints lines, one after another, into the same memory.
#[derive(Debug, Default)]
pub struct Line {
    text: Vec<u8>,
    host_name: Str,
    random: fastrand::Rng,
}

/// A connection whose bytes were passed on, or were to be.
pub struct Passed {
    /// The connection.
    pub connection: Connection,
    /// When it began.
    pub since: Instant,
    /// How long it lasted.
    pub duration: Duration,
    /// The cluster that it was for.
    pub cluster: Option<Str>,
    /// The last endpoint that was tried.
    pub endpoint: Option<SocketAddr>,
    /// Our own address on the connection to it.
    pub local: Option<SocketAddr>,
    /// Endpoints that were tried.
    pub attempts: u32,
    /// What was special about it.
    pub flags: Flags,
    /// What went wrong; empty when nothing did.
    pub failure: String,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
}

impl Passed {
    /// A connection that has just begun; `None` where it is not logged.
    pub(crate) fn begin(connection: Connection, now: Instant) -> Option<Box<Self>> {
        if logs_of(&connection).is_none_or(|logs| logs.is_empty()) {
            return None;
        }
        Some(Box::new(Self {
            connection,
            since: now,
            duration: Duration::ZERO,
            cluster: None,
            endpoint: None,
            local: None,
            attempts: 0,
            flags: Flags::NONE,
            failure: String::new(),
            received: 0,
            sent: 0,
        }))
    }

    fn ended<'a>(&'a self, now: SystemTime, host_name: &'a str) -> Ended<'a> {
        let endpoint = self.endpoint.map(|address| UpstreamFacts {
            address,
            name: None,
            local: self.local,
            version: None,
            peer: None,
            service_time: None,
        });
        Ended {
            start: now.checked_sub(self.duration).unwrap_or(now),
            points: Points {
                response_ends: Some(self.duration),
                ..Points::default()
            },
            route: "",
            host_name,
            status: 0,
            grpc_status: None,
            health_check: false,
            flags: self.flags,
            details: "",
            failure: &self.failure,
            upstream: endpoint,
            attempts: self.attempts,
            received: self.received,
            sent: self.sent,
            request_head: 0,
            response_head: 0,
        }
    }
}

/// The logs of a connection whose bytes are passed on.
fn logs_of(connection: &Connection) -> Option<&AccessLogs> {
    match &connection.listener.chains.get(connection.chain)?.network {
        Network::Tcp(proxy) => Some(&proxy.access_log),
        Network::Http(_) => None,
    }
}

impl Line {
    /// Has printed nothing yet.
    #[must_use]
    pub fn new(host_name: Str) -> Self {
        Self {
            host_name,
            ..Self::default()
        }
    }

    /// Prints a record for each of these logs that takes it.
    pub fn of(&mut self, record: &Record<'_>, logs: &[AccessLog], write: impl FnMut(&Str, &[u8])) {
        let ended = ended(record, &self.host_name);
        let cluster = record.cluster.map(|cluster| &*cluster.name);
        let subject = Subject {
            facts: facts(record.connection, cluster),
            request: Some(record.request),
            response: record.answer,
            trailers: record.trailers,
            ended: Some(&ended),
        };
        print(&mut self.text, &mut self.random, &subject, logs, write);
    }

    /// Prints a connection that was passed on, likewise.
    pub fn of_passed(&mut self, passed: &Passed, now: SystemTime, write: impl FnMut(&Str, &[u8])) {
        let Some(logs) = logs_of(&passed.connection) else {
            return;
        };
        let ended = passed.ended(now, &self.host_name);
        let subject = Subject {
            facts: facts(&passed.connection, passed.cluster.as_deref()),
            request: None,
            response: None,
            trailers: None,
            ended: Some(&ended),
        };
        print(&mut self.text, &mut self.random, &subject, logs, write);
    }
}

fn print(
    text: &mut Vec<u8>,
    random: &mut fastrand::Rng,
    subject: &Subject<'_>,
    logs: &[AccessLog],
    mut write: impl FnMut(&Str, &[u8]),
) {
    for log in logs {
        if log.takes(subject, &mut || random.u64(..)) {
            text.clear();
            log.format.write(subject, text);
            write(&log.path, text);
        }
    }
}

fn ended<'a>(record: &'a Record<'_>, host_name: &'a str) -> Ended<'a> {
    let (response, bytes) = (&record.response, &record.bytes);
    Ended {
        start: record.start_time,
        points: Points {
            response_ends: Some(record.duration),
            ..record.points
        },
        route: record.route,
        host_name,
        status: response.status,
        grpc_status: response.grpc_status,
        health_check: is_health_check(record),
        flags: response.flags,
        details: response.details,
        failure: &response.transport_failure,
        upstream: record.upstream.as_ref().map(upstream),
        attempts: record.attempts,
        received: bytes.request_body,
        sent: bytes.response_body,
        request_head: bytes.request_head,
        response_head: bytes.response_head,
    }
}

/// Whether the listener's filter takes it for a health check.
fn is_health_check(record: &Record<'_>) -> bool {
    let connection = record.connection;
    let chain = connection.listener.chains.get(connection.chain);
    match chain.map(|chain| &chain.network) {
        Some(Network::Http(manager)) => {
            let filter = manager.health.as_deref();
            filter.is_some_and(|filter| filter.takes(record.request))
        }
        Some(Network::Tcp(_)) | None => false,
    }
}

fn upstream<'a>(upstream: &'a Upstream<'_>) -> UpstreamFacts<'a> {
    UpstreamFacts {
        address: upstream.address,
        name: upstream.name.map(|name| &**name),
        local: upstream.local,
        version: upstream.version,
        peer: upstream.identity.map(|peer| &**peer),
        service_time: upstream.service_time,
    }
}
