//! All stages of a request, with no runtime and no codec.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mesh_http::{ErrorCode, Fields, RequestHead, ResponseHead, Version};
use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_traffic::{Cluster, Config};

use super::{Event, Exchange, Limit, Next, Worker};
use crate::config::live::LiveConfig;
use crate::http::connect::Connected;
use crate::http::connection::{Connection, Peer};
use crate::http::exchange::OwnMetadata;
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::Arrival;
use crate::http::respond::{Reply, ReplyBody};
use crate::http::stage::Wait;
use crate::testing::{Mk, action_of, mk_cluster, mk_config, table, to_cluster};
use crate::upstream::balance::Balancers;

const A: ([u8; 4], u16) = ([10, 0, 0, 1], 9080);
const B: ([u8; 4], u16) = ([10, 0, 0, 2], 9080);

/// A request on its way through the stages; the test plays codec, network and time.
struct Bench {
    live: LiveConfig,
    exchange: Exchange,
    balancers: Balancers,
    random: fastrand::Rng,
    own: OwnMetadata,
}

impl Bench {
    fn new(mk: &Mk, clusters: Vec<Cluster>) -> Self {
        let address: SocketAddr = ([127, 0, 0, 9], 9080).into();
        let config = mk_config(vec![mk.listener(address)], Vec::new(), clusters);
        Self::with(config, mk.mutual_tls)
    }

    fn with(config: Config, authenticated: bool) -> Self {
        let listener = config.listeners.values().next().unwrap().clone();
        let live = LiveConfig::new(config);
        let peer = authenticated.then(|| Peer {
            identity: mesh_model::ident::SpiffeId::parse(
                "spiffe://cluster.local/ns/default/sa/client",
            )
            .unwrap(),
            text: "spiffe://cluster.local/ns/default/sa/client".into(),
            certificate_hash: "ab12".into(),
        });
        let connection = Connection {
            chain: 0,
            client: ([10, 9, 8, 7], 5555).into(),
            local: listener.address,
            tls: authenticated,
            agreed: None,
            sni: None,
            peer,
            own_identity: Some("spiffe://cluster.local/ns/default/sa/own".into()),
            limits: Default::default(),
            element: Default::default(),
            certificate: None,
            listener,
        };
        Self {
            exchange: Exchange::new(live.current(), Rc::new(connection), SystemClock.now()),
            live,
            balancers: Balancers::default(),
            random: fastrand::Rng::with_seed(7),
            own: OwnMetadata::new("own-id", "own-value").unwrap(),
        }
    }

    fn on(&mut self, event: Event) -> Next {
        let mut worker = Worker {
            live: &self.live,
            balancers: &self.balancers,
            random: &mut self.random,
            now: self.exchange.started + Duration::from_millis(12),
            own: &self.own,
            clock: &SystemClock,
        };
        self.exchange.advance(&mut worker, event)
    }

    #[track_caller]
    fn connects_to(&mut self, event: Event) -> SocketAddr {
        match self.on(event) {
            Next::Wait(Wait::Connect(target)) => target.address,
            other => panic!("no connection is asked for: {other:?}"),
        }
    }

    #[track_caller]
    fn sends(&mut self, connected: Connected) -> RequestHead {
        match self.on(Event::Connected(Ok(connected))) {
            Next::Wait(Wait::Answer) => *self.exchange.take_outgoing(),
            other => panic!("nothing is sent: {other:?}"),
        }
    }

    #[track_caller]
    fn replies(&mut self, event: Event) -> Reply {
        match self.on(event) {
            Next::Respond(reply) => reply,
            Next::Wait(wait) => panic!("no reply: {wait:?}"),
        }
    }
}

fn arrives(version: Version, authority: &str, fields: &[(&str, &str)]) -> Event {
    Event::Arrived(mk_arrival(version, authority, fields))
}

fn mk_arrival(version: Version, authority: &str, fields: &[(&str, &str)]) -> Arrival {
    let mut head = RequestHead {
        version,
        method: "GET".into(),
        authority: authority.into(),
        path: "/reviews/1".into(),
        ..RequestHead::default()
    };
    for (name, value) in fields {
        head.fields.append(name, value).unwrap();
    }
    Arrival {
        head: Box::new(head),
        hosts: 1,
        bodiless: true,
    }
}

fn fresh() -> Connected {
    Connected {
        reused: false,
        idle: Duration::ZERO,
        version: Version::Http11,
        mutual_tls: false,
        peer: None,
        local: None,
    }
}

fn answer(status: u16, fields: &[(&str, &str)]) -> Event {
    let mut all = Fields::new();
    for (name, value) in fields {
        all.append(name, value).unwrap();
    }
    let head = ResponseHead {
        version: Version::Http11,
        status,
        fields: all,
    };
    Event::Answered(Ok(head))
}

fn outbound(retries: bool) -> Mk {
    let mut route = to_cluster("reviews");
    if !retries {
        action_of(&mut route).retry_policy = None;
    }
    Mk {
        routes: Some(table("9080", vec![route])),
        ..Mk::default()
    }
}

fn inbound() -> Mk {
    let routes = Some(table("inbound", vec![to_cluster("reviews")]));
    Mk {
        inbound: true,
        mutual_tls: true,
        plaintext: false,
        routes,
        ..Mk::default()
    }
}

fn two() -> Vec<Cluster> {
    vec![mk_cluster("reviews", &[A.into(), B.into()])]
}

#[test]
fn a_request_passes_all_stages_to_its_answer() {
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(
        Version::Http11,
        "reviews:9080",
        &[("connection", "x-a"), ("x-a", "1")],
    ));
    let head = bench.sends(fresh());
    assert_eq!(
        (head.authority.as_str(), head.path.as_str()),
        ("reviews:9080", "/reviews/1")
    );
    assert!(!head.fields.contains("x-a") && !head.fields.contains("connection"));
    assert_eq!(head.fields.get_str("x-request-id").unwrap().len(), 36);
    assert_eq!(head.fields.get_str("x-forwarded-proto"), Some("http"));
    let reply = bench.replies(answer(200, &[("keep-alive", "5"), ("x-app", "1")]));
    assert_eq!((reply.head.status, reply.body), (200, ReplyBody::Upstream));
    assert!(!reply.head.fields.contains("keep-alive"));
    assert_eq!(reply.head.fields.get_str("server"), Some("istio-envoy"));
    assert!(reply.head.fields.contains("x-envoy-upstream-service-time"));
}

#[test]
fn a_refused_connection_moves_on_to_another_endpoint() {
    let mut bench = Bench::new(&outbound(true), two());
    let first = bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    let refused = || Event::Connected(Err(Failure::safe(FailureKind::ConnectFailed)));
    let second = bench.connects_to(refused());
    assert_ne!(first, second);
}

#[test]
fn another_attempt_sees_who_has_come_and_who_has_gone_meanwhile() {
    const C: ([u8; 4], u16) = ([10, 0, 0, 3], 9080);
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    let mut later = (*bench.live.current()).clone();
    let cluster = mk_cluster("reviews", &[C.into()]);
    later.clusters.insert("reviews".into(), Arc::new(cluster));
    bench.live.replace(later);
    let refused = Event::Connected(Err(Failure::safe(FailureKind::ConnectFailed)));
    assert_eq!(bench.connects_to(refused), C.into());
}

#[test]
fn an_endpoint_that_was_tried_is_avoided_wherever_it_stands_now() {
    for (first, other) in [(A, B), (B, A)] {
        let cluster = |addresses: &[SocketAddr]| vec![mk_cluster("reviews", addresses)];
        let mut bench = Bench::new(&outbound(true), cluster(&[first.into()]));
        bench.connects_to(arrives(Version::Http11, "reviews", &[]));
        let mut later = (*bench.live.current()).clone();
        for now in cluster(&[other.into(), first.into()]) {
            later.clusters.insert("reviews".into(), Arc::new(now));
        }
        bench.live.replace(later);
        let refused = Event::Connected(Err(Failure::safe(FailureKind::ConnectFailed)));
        assert_eq!(bench.connects_to(refused), other.into());
    }
}

#[test]
fn retries_come_to_an_end() {
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    let refused = || Event::Connected(Err(Failure::safe(FailureKind::ConnectFailed)));
    bench.connects_to(refused());
    assert!(matches!(bench.on(refused()), Next::Wait(Wait::Pause(_))));
    bench.connects_to(Event::Paused);
    let reply = bench.replies(refused());
    assert_eq!(reply.head.status, 503);
    assert_eq!(bench.exchange.attempts.made(), 3);
    assert_eq!(
        bench.exchange.failure.as_ref().unwrap().kind,
        FailureKind::ConnectFailed
    );
}

#[test]
fn a_route_without_retries_fails_at_once() {
    let mut bench = Bench::new(&outbound(false), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    let reply = bench.replies(Event::Connected(Err(Failure::safe(
        FailureKind::ConnectFailed,
    ))));
    assert_eq!(reply.head.status, 503);
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_request() {
    let mut bench = Bench::new(&outbound(false), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    bench.sends(Connected {
        reused: true,
        ..fresh()
    });
    bench.connects_to(Event::Answered(Err(Failure::if_idempotent(
        FailureKind::UpstreamClosed,
    ))));
    assert_eq!(bench.exchange.attempts.reuse_within("GET"), None);
    assert_eq!(bench.exchange.attempts.made(), 1);
    bench.sends(fresh());
    // The same on a connection of its own is the application's fault.
    let reply = bench.replies(Event::Answered(Err(Failure::if_idempotent(
        FailureKind::UpstreamClosed,
    ))));
    assert_eq!(reply.head.status, 503);
}

#[test]
fn a_post_that_may_have_run_is_not_repeated_and_takes_no_connection_that_was_long_idle() {
    let closed = || Event::Answered(Err(Failure::if_idempotent(FailureKind::UpstreamClosed)));
    let post = || {
        let mut arrival = mk_arrival(Version::Http11, "reviews", &[]);
        arrival.head.method = "POST".into();
        Event::Arrived(arrival)
    };
    let mut bench = Bench::new(&outbound(false), two());
    bench.connects_to(post());
    bench.sends(Connected {
        reused: true,
        idle: Duration::from_millis(20),
        ..fresh()
    });
    assert_eq!(bench.replies(closed()).head.status, 503);
    let mut bench = Bench::new(&outbound(false), two());
    bench.connects_to(post());
    bench.sends(Connected {
        reused: true,
        idle: Duration::from_secs(30),
        ..fresh()
    });
    assert_eq!(bench.replies(closed()).head.status, 503);
    let longest = |method| bench.exchange.attempts.reuse_within(method);
    assert!(longest("POST") < longest("GET"));
    assert!(bench.exchange.attempts.may_have_run());
}

fn died() -> Event {
    Event::Answered(Err(Failure::if_idempotent(FailureKind::UpstreamClosed)))
}

#[test]
fn an_idempotent_request_whose_connection_died_is_tried_once_more_on_another_endpoint() {
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    bench.sends(fresh());
    bench.connects_to(died());
    assert_eq!(bench.exchange.attempts.made(), 2);
    bench.sends(fresh());
    assert_eq!(bench.replies(died()).head.status, 503);
}

#[test]
fn an_application_that_died_under_an_idempotent_request_is_told_to_a_peer_by_a_reset_of_its_own() {
    let told = |version, method: &str| {
        let mut bench = Bench::new(&inbound(), vec![mk_cluster("reviews", &[A.into()])]);
        let mut arrival = mk_arrival(version, "reviews", &[]);
        arrival.head.method = method.into();
        bench.connects_to(Event::Arrived(arrival));
        bench.sends(fresh());
        bench.replies(died()).body
    };
    let lost = ReplyBody::Reset(ErrorCode::CONNECT_ERROR);
    assert_eq!(told(Version::Http2, "GET"), lost);
    assert_ne!(told(Version::Http2, "POST"), lost);
    assert_ne!(told(Version::Http11, "GET"), lost);
}

#[test]
fn a_body_that_cannot_be_sent_again_is_not() {
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    bench.sends(fresh());
    bench.exchange.can_repeat = false;
    let refused = Failure::safe(FailureKind::UpstreamRefusedStream);
    assert_eq!(
        bench.replies(Event::Answered(Err(refused))).head.status,
        503
    );
}

#[test]
fn failures_have_envoys_statuses() {
    let mut bench = Bench::new(&outbound(true), Vec::new());
    assert_eq!(
        bench
            .replies(arrives(Version::Http11, "reviews", &[]))
            .head
            .status,
        503
    );
    assert_eq!(bench.exchange.failure.unwrap().kind, FailureKind::NoCluster);
    let mut bench = Bench::new(&outbound(true), vec![mk_cluster("reviews", &[])]);
    assert_eq!(
        bench
            .replies(arrives(Version::Http11, "reviews", &[]))
            .head
            .status,
        503
    );
    assert_eq!(
        bench.exchange.failure.unwrap().kind,
        FailureKind::NoHealthyUpstream
    );
    let nowhere = Mk {
        rds: "no-such-table",
        ..Mk::default()
    };
    let mut bench = Bench::new(&nowhere, two());
    assert_eq!(
        bench
            .replies(arrives(Version::Http11, "reviews", &[]))
            .head
            .status,
        404
    );
    let mut bench = Bench::new(&outbound(true), two());
    assert_eq!(
        bench
            .replies(arrives(Version::Http10, "reviews", &[]))
            .head
            .status,
        426
    );
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    bench.sends(fresh());
    assert_eq!(bench.replies(Event::Expired(Limit::Route)).head.status, 504);
}

#[test]
fn a_grpc_client_reads_the_failure_in_its_own_words() {
    let mut bench = Bench::new(&outbound(true), vec![mk_cluster("reviews", &[])]);
    let call = arrives(
        Version::Http2,
        "reviews",
        &[("content-type", "application/grpc")],
    );
    let reply = bench.replies(call);
    assert_eq!(reply.head.status, 200);
    assert_eq!(reply.head.fields.get_str("grpc-status"), Some("14"));
    assert_eq!(
        reply.head.fields.get_str("grpc-message"),
        Some("no healthy upstream")
    );
}

#[test]
fn an_application_that_is_away_is_told_to_a_peer_as_a_refused_stream() {
    let refused = || Event::Connected(Err(Failure::safe(FailureKind::ConnectFailed)));
    let mut bench = Bench::new(&inbound(), vec![mk_cluster("reviews", &[])]);
    let none = bench.replies(arrives(Version::Http2, "reviews", &[]));
    assert_eq!(
        (none.head.status, none.body),
        (503, ReplyBody::Own("no healthy upstream".into()))
    );
    let one = || vec![mk_cluster("reviews", &[A.into()])];
    for (version, expect) in [(Version::Http2, true), (Version::Http11, false)] {
        let mut bench = Bench::new(&inbound(), one());
        bench.connects_to(arrives(version, "reviews", &[]));
        let mut next = bench.on(refused());
        while let Next::Wait(wait) = next {
            next = bench.on(if matches!(wait, Wait::Pause(_)) {
                Event::Paused
            } else {
                refused()
            });
        }
        let Next::Respond(reply) = next else { panic!() };
        let refused = ReplyBody::Reset(ErrorCode::REFUSED_STREAM);
        assert_eq!(reply.body == refused, expect, "{version:?}");
    }
}

#[test]
fn peers_metadata_is_believed_and_never_shown_to_the_application() {
    let sent = [
        ("x-envoy-peer-metadata-id", "their-id"),
        ("x-envoy-peer-metadata", "theirs"),
    ];
    let mut bench = Bench::new(&inbound(), two());
    bench.connects_to(arrives(Version::Http2, "reviews", &sent));
    assert_eq!(bench.exchange.peer_metadata.value, b"theirs");
    let head = bench.sends(fresh());
    assert!(!head.fields.contains("x-envoy-peer-metadata"));
    let reply = bench.replies(answer(200, &[]));
    assert_eq!(
        reply.head.fields.get_str("x-envoy-peer-metadata"),
        Some("own-value")
    );
}

#[test]
fn metadata_of_a_client_without_a_certificate_counts_for_nothing() {
    let sent = [
        ("x-envoy-peer-metadata-id", "their-id"),
        ("x-envoy-peer-metadata", "theirs"),
    ];
    let plain = Mk {
        mutual_tls: false,
        plaintext: true,
        ..inbound()
    };
    let mut bench = Bench::new(&plain, two());
    bench.connects_to(arrives(Version::Http11, "reviews", &sent));
    assert_eq!(bench.exchange.peer_metadata, super::PeerMetadata::default());
    let reply = {
        bench.sends(fresh());
        bench.replies(answer(200, &[]))
    };
    assert!(!reply.head.fields.contains("x-envoy-peer-metadata"));
}

#[test]
fn our_metadata_goes_to_peers_over_mutual_tls_alone() {
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(
        Version::Http11,
        "reviews",
        &[("x-envoy-peer-metadata-id", "forged")],
    ));
    let head = bench.sends(Connected {
        mutual_tls: true,
        ..fresh()
    });
    assert_eq!(
        head.fields.get_str("x-envoy-peer-metadata-id"),
        Some("own-id")
    );
    let theirs = [
        ("x-envoy-peer-metadata-id", "id"),
        ("x-envoy-peer-metadata", "theirs"),
    ];
    let reply = bench.replies(answer(200, &theirs));
    assert!(!reply.head.fields.contains("x-envoy-peer-metadata"));
    assert_eq!(bench.exchange.upstream_metadata.value, b"theirs");
    let mut bench = Bench::new(&outbound(true), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    assert!(
        !bench
            .sends(fresh())
            .fields
            .contains("x-envoy-peer-metadata-id")
    );
}

#[test]
fn a_listeners_own_address_becomes_the_name_of_its_service() {
    let mk = || Mk {
        authority: Some("reviews.default.svc.cluster.local:9080"),
        ..outbound(true)
    };
    for host in ["127.0.0.9:9080", "127.0.0.9"] {
        let mut bench = Bench::new(&mk(), two());
        bench.connects_to(arrives(Version::Http11, host, &[]));
        assert_eq!(
            bench.exchange.request.authority,
            "reviews.default.svc.cluster.local:9080"
        );
    }
    let mut bench = Bench::new(&mk(), two());
    bench.connects_to(arrives(Version::Http11, "127.0.0.9:80", &[]));
    assert_eq!(bench.exchange.request.authority, "127.0.0.9:80");
}

#[test]
fn an_answer_that_the_policy_repeats_is_repeated() {
    let mut route = to_cluster("reviews");
    if let Some(policy) = &mut action_of(&mut route).retry_policy {
        policy.retry_on = "5xx".into();
    }
    let mk = Mk {
        routes: Some(table("9080", vec![route])),
        ..Mk::default()
    };
    let mut bench = Bench::new(&mk, two());
    let first = bench.connects_to(arrives(Version::Http11, "reviews", &[]));
    bench.sends(fresh());
    assert!(matches!(
        bench.on(answer(503, &[])),
        Next::Wait(Wait::Pause(_))
    ));
    assert_ne!(bench.connects_to(Event::Paused), first);
    bench.sends(fresh());
    assert_eq!(bench.replies(answer(200, &[])).head.status, 200);
}

mod authorization;
mod limits;
mod pages;
