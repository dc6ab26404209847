//! Who is ejected, why, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_model::service::Health;
use mesh_model::time::Clock;
use mesh_test::clock::fixed;

use super::{Cause, Detector, Host, Outcome, Rates, Rules, Streak};
use crate::endpoint::{Endpoint, Endpoints};

const SECOND: Duration = Duration::from_secs(1);

fn mk_rules() -> Rules {
    let streak = |enforced| Streak {
        length: 3,
        enforced,
    };
    Rules {
        interval: 10 * SECOND,
        base_time: 30 * SECOND,
        max_time: 70 * SECOND,
        jitter: Duration::ZERO,
        max_percent: 50,
        health_check_takes_back: true,
        always_one: false,
        split_local: false,
        errors: streak(100),
        gateway_errors: streak(0),
        local_failures: streak(100),
        rates: Rates {
            success_enforced: 0,
            success_hosts: 3,
            success_requests: 10,
            success_factor: 1000,
            failure_enforced: 0,
            failure_percent: 50,
            failure_hosts: 3,
            failure_requests: 10,
        },
        local_enforced: (0, 0),
    }
}

/// A cluster under watch; the test plays chance and time.
struct Bench {
    detector: Detector,
    endpoints: Arc<Endpoints>,
    now: Instant,
}

impl Bench {
    fn new(rules: Rules, count: u8) -> Self {
        let endpoint = |number| Endpoint {
            address: ([10, 0, 0, number], 80).into(),
            weight: 1,
            health: Health::Healthy,
            priority: 0,
            locality: Arc::default(),
            hostname: None,
            transport_match: Vec::new(),
            workload: None,
            probing: Default::default(),
        };
        let all = (0..count).map(endpoint).collect();
        let bench = Self {
            detector: Detector::new(rules),
            endpoints: Arc::new(Endpoints::new("e".into(), all)),
            now: fixed().now(),
        };
        assert_eq!(bench.look(), []);
        bench
    }

    fn host(&self, index: usize) -> Arc<Host> {
        self.detector.host(self.endpoints.all[index].address)
    }

    fn report(&self, index: usize, outcome: Outcome) -> Option<Cause> {
        let hosts = self.endpoints.all.len();
        let host = self.host(index);
        self.detector
            .report(&host, outcome, hosts, self.now, &mut || 0)
    }

    /// Fails until the endpoint is ejected, which must happen at the last of so many failures.
    #[track_caller]
    fn eject(&self, index: usize, outcome: Outcome, times: usize, cause: Cause) {
        for _ in 1..times {
            assert_eq!(self.report(index, outcome), None);
        }
        assert_eq!(self.report(index, outcome), Some(cause));
    }

    fn look(&self) -> Vec<(usize, Cause)> {
        let found = self.detector.look(&self.endpoints, self.now, &mut || 0);
        let index = |address| {
            let mut all = self.endpoints.all.iter();
            all.position(|endpoint| endpoint.address == address)
                .unwrap()
        };
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(address, cause)| (index(address), cause))
            .collect();
        found.sort_unstable_by_key(|(index, _)| *index);
        found
    }

    fn pass(&mut self, time: Duration) -> Vec<(usize, Cause)> {
        self.now += time;
        self.look()
    }

    fn is_out(&self, index: usize) -> bool {
        let address = self.endpoints.all[index].address;
        let shown = self.detector.shown(&self.endpoints);
        let is_unhealthy = shown.all[index].health != Health::Healthy;
        assert_eq!(self.detector.is_ejected(address), is_unhealthy);
        is_unhealthy
    }
}

#[test]
fn errors_in_a_row_eject_and_a_success_between_does_not_let_them() {
    let bench = Bench::new(mk_rules(), 2);
    let before = bench.detector.changes();
    for outcome in [500, 503, 200, 500, 500] {
        assert_eq!(bench.report(0, Outcome::Answer(outcome)), None);
    }
    assert!(!bench.is_out(0));
    assert_eq!(bench.report(0, Outcome::Answer(599)), Some(Cause::Errors));
    assert!(bench.is_out(0) && !bench.is_out(1));
    assert_eq!(bench.detector.shown(&bench.endpoints).usable(), 1);
    assert_ne!(bench.detector.changes(), before);
    assert_eq!(
        (bench.detector.ejected(), bench.detector.ejections()),
        (1, 1)
    );
}

#[test]
fn what_the_proxy_sees_itself_counts_as_errors_unless_it_is_split() {
    let bench = Bench::new(mk_rules(), 4);
    bench.eject(0, Outcome::Unconnected, 3, Cause::Errors);
    bench.eject(1, Outcome::TimedOut, 3, Cause::Errors);

    let rules = Rules {
        split_local: true,
        ..mk_rules()
    };
    let bench = Bench::new(rules, 4);
    bench.eject(0, Outcome::Unconnected, 3, Cause::LocalFailures);
    // An answer, good or bad, shows that the endpoint can be reached.
    for outcome in [Outcome::TimedOut, Outcome::TimedOut, Outcome::Answer(500)] {
        assert_eq!(bench.report(1, outcome), None);
    }
    for outcome in [Outcome::TimedOut, Outcome::TimedOut] {
        assert_eq!(bench.report(1, outcome), None);
    }
    assert_eq!(
        bench.report(1, Outcome::TimedOut),
        Some(Cause::LocalFailures)
    );
}

#[test]
fn gateway_errors_are_counted_apart() {
    let mut rules = mk_rules();
    rules.gateway_errors = Streak {
        length: 2,
        enforced: 100,
    };
    rules.errors.length = 0;
    let bench = Bench::new(rules, 4);
    for status in [502, 500, 503, 501, 504] {
        assert_eq!(bench.report(0, Outcome::Answer(status)), None);
    }
    bench.eject(1, Outcome::Answer(502), 2, Cause::GatewayErrors);
    bench.eject(2, Outcome::BrokenOff, 2, Cause::GatewayErrors);
}

#[test]
fn an_outlier_is_only_noted_where_nothing_is_enforced() {
    let mut rules = mk_rules();
    rules.errors.enforced = 0;
    let bench = Bench::new(rules, 2);
    for _ in 0..10 {
        assert_eq!(bench.report(0, Outcome::Answer(500)), None);
    }
    assert_eq!(bench.detector.ejections(), 0);
}

#[test]
fn no_more_are_ejected_than_may_be() {
    let bench = Bench::new(mk_rules(), 3);
    bench.eject(0, Outcome::Answer(500), 3, Cause::Errors);
    for _ in 0..3 {
        assert_eq!(bench.report(1, Outcome::Answer(500)), None);
    }
    assert_eq!(bench.detector.overflows(), 1);
    assert!(!bench.is_out(1));

    let mut rules = Rules {
        max_percent: 10,
        ..mk_rules()
    };
    let bench = Bench::new(rules, 3);
    for _ in 0..3 {
        assert_eq!(bench.report(0, Outcome::Answer(500)), None);
    }
    rules.always_one = true;
    let bench = Bench::new(rules, 3);
    bench.eject(0, Outcome::Answer(500), 3, Cause::Errors);
}

#[test]
fn each_further_time_takes_longer_up_to_a_bound_and_good_behaviour_is_remembered() {
    let mut bench = Bench::new(mk_rules(), 2);
    for seconds in [30, 60, 70, 70] {
        bench.eject(0, Outcome::Answer(500), 3, Cause::Errors);
        // Less than an interval before its time is over, it is still out.
        bench.pass((seconds - 9) * SECOND);
        assert!(bench.is_out(0), "{seconds}");
        bench.pass(10 * SECOND);
        assert!(!bench.is_out(0), "{seconds}");
        assert_eq!(bench.detector.ejected(), 0);
    }
    for _ in 0..10 {
        bench.pass(10 * SECOND);
    }
    bench.eject(0, Outcome::Answer(500), 3, Cause::Errors);
    bench.pass(31 * SECOND);
    assert!(!bench.is_out(0));
}

#[test]
fn the_least_successful_is_ejected_at_the_end_of_an_interval() {
    let mut rules = mk_rules();
    rules.errors.length = 0;
    rules.rates.success_enforced = 100;
    let mut bench = Bench::new(rules, 4);
    for request in 0..20 {
        for index in 0..4 {
            let fails = index == 2 && request % 2 == 0;
            let status = if fails { 500 } else { 200 };
            bench.report(index, Outcome::Answer(status));
        }
    }
    assert_eq!(bench.pass(9 * SECOND), []);
    assert_eq!(bench.pass(SECOND), [(2, Cause::SuccessRate)]);
    // What was counted is counted no more.
    assert_eq!(bench.pass(10 * SECOND), []);
}

#[test]
fn too_few_requests_or_endpoints_are_not_compared() {
    let mut rules = mk_rules();
    rules.errors.length = 0;
    rules.rates.success_enforced = 100;
    rules.rates.failure_enforced = 100;
    for (hosts, requests) in [(2, 20), (4, 9)] {
        let mut bench = Bench::new(rules, hosts);
        for _ in 0..requests {
            for index in 0..usize::from(hosts) {
                let status = if index == 0 { 500 } else { 200 };
                bench.report(index, Outcome::Answer(status));
            }
        }
        assert_eq!(bench.pass(10 * SECOND), [], "{hosts} {requests}");
    }
}

#[test]
fn who_fails_too_often_is_ejected_even_if_all_do() {
    let mut rules = mk_rules();
    rules.errors.length = 0;
    rules.rates.failure_enforced = 100;
    let mut bench = Bench::new(rules, 4);
    for request in 0..20 {
        for index in 0..4 {
            let fails = request % 2 == 0;
            let status = if fails { 500 } else { 200 };
            bench.report(index, Outcome::Answer(status));
        }
    }
    // Half of them may be out.
    let ejected = bench.pass(10 * SECOND);
    assert_eq!(ejected.len(), 2);
    assert!(
        ejected
            .iter()
            .all(|(_, cause)| *cause == Cause::FailurePercentage)
    );
}

#[test]
fn an_endpoint_that_is_no_more_is_forgotten() {
    let mut bench = Bench::new(mk_rules(), 3);
    bench.eject(2, Outcome::Answer(500), 3, Cause::Errors);
    let all = bench.endpoints.all.iter().take(2).cloned().collect();
    bench.endpoints = Arc::new(Endpoints::new("e".into(), all));
    bench.pass(10 * SECOND);
    assert_eq!(bench.detector.ejected(), 0);
    assert!(Arc::ptr_eq(
        &bench.detector.shown(&bench.endpoints),
        &bench.endpoints
    ));
}

#[test]
fn another_version_of_the_cluster_goes_on_with_what_is_known() {
    let bench = Bench::new(mk_rules(), 2);
    bench.eject(0, Outcome::Answer(500), 3, Cause::Errors);
    let later = Detector::new(mk_rules()).following(&bench.detector);
    assert!(later == bench.detector);
    assert_eq!(later.ejected(), 1);
}
