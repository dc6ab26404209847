//! What probes make of endpoints, when the next ones are due, and how endpoints are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mesh_http::{Fields, Scheme};
use mesh_model::service::Health;

use super::*;
use crate::endpoint::{Endpoint, Endpoints, ProbeTerms, Probing};
use crate::testing::mk_endpoint;

const PASS: Outcome = Outcome::Passed { degraded: false };
const TIMEOUT: Outcome = Outcome::Failed(Failed::of(Kind::Timeout));
const REFUSED: Outcome = Outcome::Failed(Failed::of(Kind::Network));
const WRONG: Outcome = Outcome::Failed(Failed::of(Kind::Active));

/// Each pause has a length of its own, in seconds.
fn mk_check() -> Check {
    let seconds = Duration::from_secs;
    Check {
        probe: Probe::Tcp(TcpProbe::default()),
        timeout: seconds(1),
        times: Times {
            interval: seconds(2),
            no_traffic: seconds(3),
            no_traffic_healthy: seconds(4),
            unhealthy: seconds(5),
            unhealthy_edge: seconds(6),
            healthy_edge: seconds(7),
            initial_jitter: Duration::ZERO,
            jitter: Duration::ZERO,
            jitter_percent: 0,
        },
        unhealthy_threshold: 2,
        healthy_threshold: 3,
        reuses_connections: true,
        port: None,
        alpn: Vec::new(),
        transport_labels: None,
        events: Events {
            files: vec!["/dev/null".into()],
            failures: false,
            successes: false,
        },
        ignores_new: false,
        keeps_removed: true,
    }
}

/// A cluster that is in use; chance is always nought.
struct Bench {
    checker: Checker,
    endpoints: Arc<Endpoints>,
}

impl Bench {
    fn new(check: Check, count: u16) -> Self {
        let bench = Self {
            checker: Checker::new(check),
            endpoints: mk_endpoints(0..count),
        };
        bench.checker.note_use();
        let _shown = bench.shown();
        bench
    }

    fn shown(&self) -> Arc<Endpoints> {
        self.checker.follow(&self.endpoints)
    }

    fn health(&self) -> Vec<Health> {
        let shown = self.shown();
        shown.all.iter().map(|endpoint| endpoint.health).collect()
    }

    fn at(&self, index: usize) -> SocketAddr {
        self.endpoints.all[index].address
    }

    /// How many seconds the probe after this one waits.
    fn take(&self, index: usize, outcome: Outcome) -> u64 {
        let pause = self.checker.take(self.at(index), outcome, &mut || 0);
        pause.unwrap().as_secs()
    }

    fn happened(&self) -> Vec<Happening> {
        let events = self.checker.events();
        events.into_iter().map(|event| event.what).collect()
    }
}

fn mk_endpoints(numbers: std::ops::Range<u16>) -> Arc<Endpoints> {
    Arc::new(Endpoints::new(
        "e".into(),
        numbers.map(mk_endpoint).collect(),
    ))
}

#[test]
fn nobody_is_healthy_before_the_first_probe_and_one_suffices_then() {
    let bench = Bench::new(mk_check(), 2);
    assert_eq!(bench.health(), [Health::Unhealthy, Health::Unhealthy]);
    assert_eq!(bench.take(0, PASS), 2);
    assert_eq!(bench.health(), [Health::Healthy, Health::Unhealthy]);
    assert_eq!(bench.happened(), [Happening::Added { first: true }]);
    assert_eq!(bench.take(1, REFUSED), 5);
    assert_eq!(bench.health(), [Health::Healthy, Health::Unhealthy]);
    let (kind, status) = (Kind::Network, 0);
    assert_eq!(
        bench.happened(),
        [Happening::Failed {
            kind,
            status,
            first: true
        }]
    );
}

#[test]
fn thresholds_count_in_a_row_and_pauses_follow_what_is_near() {
    let bench = Bench::new(mk_check(), 1);
    bench.take(0, PASS);
    assert_eq!(bench.take(0, REFUSED), 6);
    assert_eq!(bench.take(0, PASS), 2);
    assert_eq!(bench.take(0, TIMEOUT), 6);
    assert_eq!(bench.health(), [Health::Healthy]);
    assert_eq!(bench.take(0, REFUSED), 5);
    assert_eq!(bench.health(), [Health::Unhealthy]);
    assert_eq!(bench.take(0, REFUSED), 5);
    assert_eq!(bench.take(0, PASS), 7);
    assert_eq!(bench.take(0, PASS), 7);
    assert_eq!(bench.take(0, REFUSED), 5);
    assert_eq!(bench.take(0, PASS), 7);
    assert_eq!(bench.take(0, PASS), 7);
    assert_eq!(bench.health(), [Health::Unhealthy]);
    assert_eq!(bench.take(0, PASS), 2);
    assert_eq!(bench.health(), [Health::Healthy]);
}

#[test]
fn a_wrong_answer_ejects_at_once_unless_it_may_be_repeated() {
    let bench = Bench::new(mk_check(), 2);
    bench.take(0, PASS);
    bench.take(1, PASS);
    assert_eq!(bench.take(0, WRONG), 5);
    let again = Outcome::Failed(Failed {
        retriable: true,
        status: 503,
        ..Failed::of(Kind::Active)
    });
    assert_eq!(bench.take(1, again), 6);
    assert_eq!(bench.health(), [Health::Unhealthy, Health::Healthy]);
    assert_eq!(bench.take(1, again), 5);
    assert_eq!(bench.health(), [Health::Unhealthy, Health::Unhealthy]);
    let (kind, status) = (Kind::Active, 503);
    assert_eq!(
        bench.happened().last(),
        Some(&Happening::Ejected { kind, status })
    );
}

#[test]
fn a_cluster_that_nobody_uses_is_probed_seldom() {
    let endpoints = mk_endpoints(0..1);
    let checker = Checker::new(mk_check());
    let _shown = checker.follow(&endpoints);
    let at = endpoints.all[0].address;
    let take = |outcome| checker.take(at, outcome, &mut || 0).unwrap().as_secs();
    assert_eq!(take(PASS), 4);
    assert_eq!(take(REFUSED), 3);
    checker.note_use();
    assert_eq!(take(PASS), 2);
}

#[test]
fn chance_lengthens_pauses() {
    let times = Times {
        initial_jitter: Duration::from_millis(100),
        jitter: Duration::from_millis(50),
        jitter_percent: 10,
        ..mk_check().times
    };
    let checker = Checker::new(Check {
        times,
        ..mk_check()
    });
    let endpoints = mk_endpoints(0..1);
    let _shown = checker.follow(&endpoints);
    checker.note_use();
    let most = &mut || u64::MAX - 15;
    // 2^64 - 16 is 0 by modulo 200, 0 by 50 and 0 by 100, plus what is left.
    let millis = |pause: Duration| pause.as_millis();
    let first = millis(checker.first_pause(most));
    assert!((1..100).contains(&first), "{first}");
    let at = endpoints.all[0].address;
    let pause = millis(checker.take(at, PASS, most).unwrap());
    assert!((2000..2250).contains(&pause), "{pause}");
    assert_eq!(Checker::new(mk_check()).first_pause(most), Duration::ZERO);
}

#[test]
fn what_discovery_says_is_not_made_better() {
    let bench = Bench::new(mk_check(), 4);
    let said = [
        Health::Healthy,
        Health::Degraded,
        Health::Unhealthy,
        Health::Draining,
    ];
    let endpoints = bench.endpoints.all.iter().zip(said);
    let endpoints = endpoints.map(|(endpoint, health)| Endpoint {
        health,
        ..endpoint.clone()
    });
    let endpoints = Arc::new(Endpoints::new("e".into(), endpoints.collect()));
    let health = || -> Vec<Health> {
        let shown = bench.checker.follow(&endpoints);
        shown.all.iter().map(|endpoint| endpoint.health).collect()
    };
    let unhealthy = Health::Unhealthy;
    assert_eq!(
        health(),
        [unhealthy, unhealthy, unhealthy, Health::Draining]
    );
    for index in 0..4 {
        bench.take(index, PASS);
    }
    assert_eq!(health(), said);
    // Nothing is to be shown otherwise: balancers go on with what they have.
    assert!(Arc::ptr_eq(&bench.checker.follow(&endpoints), &endpoints));
    bench.take(0, Outcome::Passed { degraded: true });
    assert_eq!(health()[0], Health::Degraded);
    assert_eq!(bench.happened().last(), Some(&Happening::Degraded));
    bench.take(0, PASS);
    assert_eq!(health()[0], Health::Healthy);
    assert_eq!(
        bench.checker.flags(bench.at(2)).unwrap().discovered,
        unhealthy
    );
}

#[test]
fn who_says_so_fails_at_once_and_is_not_counted() {
    let bench = Bench::new(mk_check(), 1);
    bench.take(0, PASS);
    bench.checker.fail_at_once(bench.at(0));
    let shown = bench.shown();
    assert_eq!(shown.all[0].health, Health::Unhealthy);
    assert!(shown.all[0].probing.excluded);
    let counts = bench.checker.counts();
    assert_eq!((counts.failures, counts.passive, counts.network), (1, 1, 0));
    for _ in 0..3 {
        bench.take(0, PASS);
    }
    assert_eq!(bench.shown().all[0], bench.endpoints.all[0]);
    bench.checker.fail_at_once(([10, 9, 9, 9], 1).into());
}

#[test]
fn new_endpoints_do_not_count_where_that_is_wanted() {
    let bench = Bench::new(
        Check {
            ignores_new: true,
            ..mk_check()
        },
        1,
    );
    let excluded = || bench.shown().all[0].probing.excluded;
    assert!(excluded());
    assert!(bench.checker.flags(bench.at(0)).unwrap().pending);
    bench.take(0, REFUSED);
    assert!(!excluded());
}

#[test]
fn who_passes_stays_when_discovery_forgets_it_until_it_fails() {
    let mut bench = Bench::new(mk_check(), 3);
    bench.take(0, PASS);
    bench.take(1, PASS);
    let before = bench.endpoints.clone();
    bench.endpoints = mk_endpoints(0..1);
    let addresses = |bench: &Bench| -> Vec<_> {
        let shown = bench.shown();
        shown.all.iter().map(|endpoint| endpoint.address).collect()
    };
    // The third had not passed.
    assert_eq!(
        addresses(&bench),
        [before.all[0].address, before.all[1].address]
    );
    let removed = before.all[1].address;
    assert!(bench.checker.flags(removed).unwrap().removed);
    assert_eq!(
        bench
            .checker
            .take(removed, WRONG, &mut || 0)
            .unwrap()
            .as_secs(),
        5
    );
    assert_eq!(addresses(&bench), [before.all[0].address]);
    assert_eq!(bench.checker.take(removed, PASS, &mut || 0), None);
    assert_eq!(bench.checker.member(removed), None);
}

#[test]
fn who_is_forgotten_goes_at_once_where_health_does_not_matter() {
    let check = Check {
        keeps_removed: false,
        ..mk_check()
    };
    let mut bench = Bench::new(check, 2);
    bench.take(1, PASS);
    bench.endpoints = mk_endpoints(0..1);
    assert_eq!(bench.shown().all.len(), 1);
    assert_eq!(bench.checker.members().len(), 1);
}

#[test]
fn a_check_is_warm_when_everybody_was_asked_once() {
    let mut bench = Bench::new(mk_check(), 2);
    let rings = Arc::new(AtomicU32::new(0));
    let rung = rings.clone();
    bench.checker.tell(move || {
        rung.fetch_add(1, Ordering::Relaxed);
    });
    assert!(!bench.checker.is_warm());
    bench.take(0, PASS);
    assert!(!bench.checker.is_warm());
    bench.take(1, REFUSED);
    assert!(bench.checker.is_warm());
    assert_eq!(rings.load(Ordering::Relaxed), 2);
    bench.endpoints = mk_endpoints(0..3);
    bench.shown();
    assert!(bench.checker.is_warm());
    assert!(!Checker::new(mk_check()).is_warm());
    let nobody = Checker::new(mk_check());
    let _shown = nobody.follow(&mk_endpoints(0..0));
    assert!(nobody.is_warm());
}

#[test]
fn the_same_check_goes_on_and_another_begins_anew() {
    let bench = Bench::new(mk_check(), 1);
    bench.take(0, PASS);
    let same = Checker::new(mk_check()).following(&bench.checker);
    assert_eq!(same, bench.checker);
    assert_eq!(same.id(), bench.checker.id());
    let other = Check {
        healthy_threshold: 9,
        ..mk_check()
    };
    let other = Checker::new(other).following(&bench.checker);
    assert_ne!(other, bench.checker);
    assert!(!other.is_warm());
}

#[test]
fn endpoints_say_where_and_whether_they_are_probed() {
    let mut check = mk_check();
    let with = |terms: ProbeTerms| Endpoint {
        probing: Probing {
            terms: Some(Arc::new(terms)),
            excluded: false,
        },
        ..mk_endpoint(1)
    };
    assert_eq!(check.address_of(&mk_endpoint(1)), mk_endpoint(1).address);
    check.port = Some(8);
    assert_eq!(check.address_of(&mk_endpoint(1)).port(), 8);
    let terms = ProbeTerms {
        port: Some(9),
        address: Some(([10, 1, 1, 1], 7).into()),
        ..Default::default()
    };
    assert_eq!(check.address_of(&with(terms)), ([10, 1, 1, 1], 9).into());
    let off = with(ProbeTerms {
        off: true,
        ..Default::default()
    });
    let endpoints = Arc::new(Endpoints::new("e".into(), vec![off]));
    let checker = Checker::new(check);
    assert_eq!(checker.follow(&endpoints).all[0].health, Health::Healthy);
    assert_eq!(checker.members(), []);
    assert!(checker.is_warm());
}

#[test]
fn each_probe_can_be_written_down() {
    let mut check = mk_check();
    (check.events.failures, check.events.successes) = (true, true);
    let bench = Bench::new(check, 1);
    for outcome in [PASS, PASS, REFUSED] {
        bench.take(0, outcome);
    }
    let (kind, status, first) = (Kind::Network, 0, false);
    assert_eq!(
        bench.happened(),
        [
            Happening::Added { first: true },
            Happening::Passed,
            Happening::Failed {
                kind,
                status,
                first
            }
        ]
    );
    assert_eq!(bench.happened(), []);
}

#[test]
fn what_must_come_may_have_other_things_between() {
    let wanted = [b"ab".to_vec(), b"b".to_vec()];
    for (bytes, found) in [
        (&b"xabxb"[..], true),
        (b"abb", true),
        (b"ab", false),
        (b"bab", false),
        (b"", false),
    ] {
        assert_eq!(found_in_order(bytes, &wanted), found, "{bytes:?}");
    }
    assert!(found_in_order(b"", &[]));
}

fn mk_http() -> HttpProbe {
    HttpProbe {
        host: None,
        path: "/healthz".into(),
        method: "GET",
        send: Vec::new(),
        receive: Vec::new(),
        looks_at: Some(1024),
        http2: false,
        ops: Vec::new(),
        expected: std::iter::once(200..201).collect(),
        retriable: std::iter::once(503..504).collect(),
        service: None,
    }
}

fn mk_answer(status: u16, fields: &[(&str, &str)]) -> Answer {
    let mut all = Fields::new();
    for (name, value) in fields {
        all.append(name, value).unwrap();
    }
    Answer {
        status,
        fields: all,
        ..Answer::default()
    }
}

fn judged(probe: HttpProbe, answer: &Answer) -> Outcome {
    let check = Check {
        probe: Probe::Http(Box::new(probe)),
        ..mk_check()
    };
    Checker::new(check).judge(answer)
}

#[test]
fn answers_are_judged_by_status_fields_and_body() {
    let failed = |status, retriable, excludes| {
        Outcome::Failed(Failed {
            retriable,
            excludes,
            status,
            ..Failed::of(Kind::Active)
        })
    };
    let at_once = ("x-envoy-immediate-health-check-fail", "true");
    let degraded = Outcome::Passed { degraded: true };
    for (status, fields, expected) in [
        (200, vec![], PASS),
        (200, vec![at_once], PASS),
        (200, vec![("x-envoy-degraded", "")], degraded),
        (204, vec![], failed(204, false, false)),
        (503, vec![], failed(503, true, false)),
        (500, vec![at_once], failed(500, false, true)),
    ] {
        let answer = mk_answer(status, &fields);
        assert_eq!(judged(mk_http(), &answer), expected, "{status} {fields:?}");
    }
    let wants = HttpProbe {
        receive: vec![b"ok".to_vec()],
        ..mk_http()
    };
    let mut answer = mk_answer(200, &[]);
    assert_eq!(judged(wants.clone(), &answer), failed(200, false, false));
    answer.body = b"all ok".to_vec();
    assert_eq!(judged(wants, &answer), PASS);
}

#[test]
fn a_call_serves_only_if_everything_of_it_says_so() {
    let probe = GrpcProbe {
        service: "s".into(),
        authority: None,
        ops: Vec::new(),
    };
    assert_eq!(probe.body(), b"\0\0\0\0\x03\x0a\x01s");
    let head = probe
        .head("a", Scheme::Http, Duration::from_millis(1500))
        .unwrap();
    assert_eq!(head.path, "/grpc.health.v1.Health/Check");
    assert_eq!(head.fields.get_str("grpc-timeout"), Some("1500m"));
    let check = Check {
        probe: Probe::Grpc(probe),
        ..mk_check()
    };
    let checker = Checker::new(check);
    let answer = |status, body: &[u8], grpc_status: Option<&str>| {
        let trailers = grpc_status.map(|status| mk_answer(0, &[("grpc-status", status)]).fields);
        checker.judge(&Answer {
            body: body.to_vec(),
            trailers,
            ..mk_answer(status, &[("content-type", "application/grpc")])
        })
    };
    let serving = b"\0\0\0\0\x02\x08\x01";
    assert_eq!(answer(200, serving, Some("0")), PASS);
    for (status, body, grpc_status) in [
        (200, &b"\0\0\0\0\x02\x08\x02"[..], Some("0")),
        (200, b"\0\0\0\0\0", Some("0")),
        (200, b"", Some("0")),
        (200, serving, Some("12")),
        (200, serving, None),
        (503, serving, Some("0")),
        (200, b"\x01\0\0\0\x02\x08\x01", Some("0")),
    ] {
        assert_eq!(answer(status, body, grpc_status), WRONG, "{body:?}");
    }
}
