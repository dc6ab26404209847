//! Limits as they are compiled, and what they decide.

use std::time::Duration;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::RuntimeFractionalPercent;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::Action;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::action::{
    ActionSpecifier, GenericKey, RequestHeaders,
};
use mesh_proto::envoy::envoy::extensions::common::ratelimit::v3 as common;
use mesh_proto::envoy::envoy::extensions::filters::http::local_ratelimit::v3 as pb;
use mesh_proto::envoy::envoy::r#type::v3::{FractionalPercent, TokenBucket};
use mesh_proto::envoy::google::protobuf as wkt;

use super::*;
use crate::testing::{call, cluster_action, facts, host, now, prefix, put as header, table, to};
use crate::{RouteTable, decide_route};

const FILTER: &str = "envoy.filters.http.local_ratelimit";

fn percent(numerator: u32) -> Option<RuntimeFractionalPercent> {
    Some(RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator,
            denominator: 0,
        }),
        ..Default::default()
    })
}

/// So many tokens, and one more in an hour.
fn tokens(most: u32) -> Option<TokenBucket> {
    Some(TokenBucket {
        max_tokens: most,
        tokens_per_fill: None,
        fill_interval: Some(wkt::Duration {
            seconds: 3600,
            nanos: 0,
        }),
    })
}

fn limit(most: u32) -> pb::LocalRateLimit {
    pb::LocalRateLimit {
        stat_prefix: "p".into(),
        token_bucket: tokens(most),
        filter_enabled: percent(100),
        filter_enforced: percent(100),
        ..Default::default()
    }
}

fn by_header(name: &str) -> route::RateLimit {
    by(ActionSpecifier::RequestHeaders(RequestHeaders {
        header_name: name.into(),
        descriptor_key: name.into(),
        skip_if_absent: false,
    }))
}

fn by_word(word: &str) -> route::RateLimit {
    by(ActionSpecifier::GenericKey(GenericKey {
        descriptor_value: word.into(),
        ..Default::default()
    }))
}

fn by(action: ActionSpecifier) -> route::RateLimit {
    route::RateLimit {
        actions: vec![Action {
            action_specifier: Some(action),
        }],
        ..Default::default()
    }
}

fn described(key: &str, value: &str, most: u32) -> common::LocalRateLimitDescriptor {
    common::LocalRateLimitDescriptor {
        entries: vec![common::rate_limit_descriptor::Entry {
            key: key.into(),
            value: value.into(),
        }],
        token_bucket: tokens(most),
        shadow_mode: false,
    }
}

/// A table whose one route has this limit and these recipes, and whose host has those.
struct Bench {
    table: RouteTable,
    connection: OfConnection,
    start: Instant,
}

impl Bench {
    fn new(limit: &pb::LocalRateLimit) -> Self {
        Self::with(limit, Vec::new(), Vec::new())
    }

    fn with(
        limit: &pb::LocalRateLimit,
        own: Vec<route::RateLimit>,
        of_host: Vec<route::RateLimit>,
    ) -> Self {
        let mut action = cluster_action("c");
        action.rate_limits = own;
        let mut route = to(prefix("/"), action);
        route.typed_per_filter_config = [(FILTER.to_owned(), pack(limit))].into();
        let mut host = host(&["*"], vec![route]);
        host.rate_limits = of_host;
        Self {
            table: RouteTable::compile(&table(vec![host])).unwrap(),
            connection: OfConnection::default(),
            start: now(),
        }
    }

    fn limit(&self) -> Arc<LocalLimit> {
        self.table.local_limits()[0].clone()
    }

    fn decide(&self, request: &str, draw: u64) -> Decision {
        let head = call(request);
        let decision = decide_route(&self.table, &head, || 0);
        let limit = decision.local_limit().unwrap().unwrap();
        let known = Known {
            head: &head,
            client: "10.0.0.7".parse().unwrap(),
            source: "s",
            destination: Some("c"),
        };
        let connection = &self.connection;
        limit.decide(&known, Some(&decision), connection, self.start, || draw)
    }

    /// How many of ten requests pass.
    fn passes(&self, request: &str) -> usize {
        (0..10)
            .filter(|_| self.decide(request, 0).verdict == Verdict::Passes)
            .count()
    }
}

const PLAIN: &str = "GET http://a/";

#[test]
fn as_many_pass_as_the_bucket_holds() {
    let bench = Bench::new(&limit(3));
    assert_eq!(bench.passes(PLAIN), 3);
    assert_eq!(bench.decide(PLAIN, 0).verdict, Verdict::Refused);
    let wanted = Counted {
        enabled: 11,
        enforced: 8,
        limited: 8,
        passed: 3,
    };
    assert_eq!(bench.limit().counted(), wanted);
}

#[test]
fn nothing_is_counted_or_enforced_unless_that_is_said() {
    let off = pb::LocalRateLimit {
        filter_enabled: None,
        ..limit(0)
    };
    assert_eq!(
        Bench::new(&off).decide(PLAIN, 0).verdict,
        Verdict::Uncounted
    );
    let lenient = pb::LocalRateLimit {
        filter_enforced: None,
        ..limit(0)
    };
    assert_eq!(
        Bench::new(&lenient).decide(PLAIN, 0).verdict,
        Verdict::Marked
    );
    let half = pb::LocalRateLimit {
        filter_enabled: percent(50),
        ..limit(0)
    };
    let half = Bench::new(&half);
    assert_eq!(half.decide(PLAIN, 49).verdict, Verdict::Refused);
    assert_eq!(half.decide(PLAIN, 50).verdict, Verdict::Uncounted);
}

#[test]
fn requests_that_are_described_take_from_their_own_bucket_as_well() {
    let both = pb::LocalRateLimit {
        descriptors: vec![described("x-user", "one", 2), described("x-user", "two", 4)],
        ..limit(5)
    };
    let bench = Bench::with(&both, vec![by_header("x-user")], Vec::new());
    assert_eq!(bench.passes("GET http://a/\nx-user: one"), 2);
    // Three are left in the common one.
    assert_eq!(bench.passes("GET http://a/\nx-user: two"), 3);
    assert_eq!(bench.passes(PLAIN), 0);
}

#[test]
fn the_common_bucket_may_be_for_the_others_alone() {
    let apart = pb::LocalRateLimit {
        descriptors: vec![described("x-user", "one", 2)],
        always_consume_default_token_bucket: Some(wkt::BoolValue { value: false }),
        ..limit(5)
    };
    let bench = Bench::with(&apart, vec![by_header("x-user")], Vec::new());
    assert_eq!(bench.passes("GET http://a/\nx-user: one"), 2);
    assert_eq!(bench.passes("GET http://a/\nx-user: other"), 5);
}

#[test]
fn a_descriptor_without_a_value_has_a_bucket_for_each() {
    let each = pb::LocalRateLimit {
        descriptors: vec![described("x-user", "", 1), described("x-user", "vip", 6)],
        ..limit(100)
    };
    let bench = Bench::with(&each, vec![by_header("x-user")], Vec::new());
    for (user, passes) in [("a", 1), ("b", 1), ("vip", 6)] {
        let request = format!("GET http://a/\nx-user: {user}");
        assert_eq!(bench.passes(&request), passes, "{user}");
    }
}

#[test]
fn the_filters_own_recipes_count_before_the_routes() {
    let own = pb::LocalRateLimit {
        descriptors: vec![described("generic_key", "mine", 1)],
        rate_limits: vec![by_word("mine")],
        ..limit(100)
    };
    let bench = Bench::with(&own, vec![by_word("other")], Vec::new());
    assert_eq!(bench.passes(PLAIN), 1);
}

#[test]
fn the_hosts_recipes_count_as_the_filter_says() {
    let heeding = |option: i32, own: Vec<route::RateLimit>| {
        let limit = pb::LocalRateLimit {
            descriptors: vec![described("generic_key", "host", 1)],
            vh_rate_limits: option,
            ..limit(100)
        };
        Bench::with(&limit, own, vec![by_word("host")]).passes(PLAIN)
    };
    let other = || vec![by_word("other")];
    let (unless, include, ignore) = (0, 1, 2);
    assert_eq!([heeding(unless, vec![]), heeding(unless, other())], [1, 10]);
    assert_eq!(
        [heeding(include, vec![]), heeding(include, other())],
        [1, 1]
    );
    assert_eq!(
        [heeding(ignore, vec![]), heeding(ignore, other())],
        [10, 10]
    );
}

#[test]
fn recipes_of_other_stages_are_for_other_filters() {
    let staged = pb::LocalRateLimit {
        descriptors: vec![described("generic_key", "w", 1)],
        stage: 1,
        ..limit(100)
    };
    let later = route::RateLimit {
        stage: Some(wkt::UInt32Value { value: 1 }),
        ..by_word("w")
    };
    let passes = |recipe| Bench::with(&staged, vec![recipe], Vec::new()).passes(PLAIN);
    assert_eq!((passes(by_word("w")), passes(later)), (10, 1));
}

#[test]
fn a_connection_may_have_buckets_of_its_own() {
    let each = pb::LocalRateLimit {
        local_rate_limit_per_downstream_connection: true,
        ..limit(2)
    };
    let mut bench = Bench::new(&each);
    assert_eq!(bench.passes(PLAIN), 2);
    bench.connection = OfConnection::default();
    assert_eq!(bench.passes(PLAIN), 2);
    // What belonged to a configuration that is gone is forgotten.
    let before = bench.table;
    bench.table = Bench::new(&each).table;
    drop(before);
    assert_eq!(bench.passes(PLAIN), 2);
    assert_eq!(bench.connection.0.borrow().len(), 1);
}

#[test]
fn a_change_elsewhere_fills_no_bucket() {
    let before = Bench::new(&limit(3));
    assert_eq!(before.passes(PLAIN), 3);
    let after = |most| Bench {
        table: Bench::new(&limit(most)).table.following(&before.table),
        connection: OfConnection::default(),
        start: before.start,
    };
    assert_eq!(after(3).passes(PLAIN), 0);
    assert_eq!(after(4).passes(PLAIN), 4);
    assert_eq!(after(3).limit().counted().passed, 3);
}

#[test]
fn answers_and_requests_are_written_into_as_the_limit_says() {
    let telling = pb::LocalRateLimit {
        request_headers_to_add_when_not_enforced: vec![header("x-too-many", "yes", 0)],
        response_headers_to_add: vec![header("x-limit", "%REQ(x-user)%", 0)],
        enable_x_ratelimit_headers: 1,
        enable_retry_after_header: true,
        ..limit(0)
    };
    let limit = Bench::new(&telling).limit();
    let mut request = call("GET http://a/\nx-user: one");
    limit.mark(&mut request, &facts());
    assert_eq!(request.fields.get_str("x-too-many"), Some("yes"));
    let mut answer = ResponseHead {
        status: 429,
        ..ResponseHead::default()
    };
    let window = Window {
        most: 7,
        remaining: 0,
        next: Duration::from_millis(2500),
    };
    limit.tell(&mut answer, (&request, &facts()), window);
    limit.show(&mut answer, window);
    let fields = ["x-limit", RETRY_AFTER, LIMIT, REMAINING, RESET];
    let found = fields.map(|name| answer.fields.get_str(name).unwrap_or("-"));
    assert_eq!(found, ["one", "3", "7", "0", "2"]);
}
