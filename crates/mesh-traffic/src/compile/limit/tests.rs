use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::common::ratelimit::v3::{
    LocalClusterRateLimit, rate_limit_descriptor::Entry,
};
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::Cors;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::HttpFault;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::r#type::v3::HttpStatus;
use mesh_proto::envoy::google::protobuf as wkt;

use super::*;
use crate::listener::Network;
use crate::testing::{
    chain, cluster_action, host, http_filter, listener, manager, now, prefix, put, table, to,
};
use crate::{Listener, RouteTable};

fn tokens(millis: i32) -> Option<TokenBucket> {
    Some(TokenBucket {
        max_tokens: 3,
        tokens_per_fill: None,
        fill_interval: Some(wkt::Duration {
            seconds: 0,
            nanos: millis * 1_000_000,
        }),
    })
}

fn pb() -> LocalRateLimit {
    LocalRateLimit {
        stat_prefix: "p".into(),
        token_bucket: tokens(50),
        ..Default::default()
    }
}

#[track_caller]
fn refused(pb: LocalRateLimit) -> String {
    local(&pb).unwrap_err().of("listener", "l").to_string()
}

fn entry(key: &str, value: &str) -> LocalRateLimitDescriptor {
    LocalRateLimitDescriptor {
        entries: vec![Entry {
            key: key.into(),
            value: value.into(),
        }],
        token_bucket: tokens(50),
        shadow_mode: false,
    }
}

#[test]
fn what_cannot_be_counted_is_refused_by_its_field() {
    let zero = TokenBucket {
        tokens_per_fill: Some(wkt::UInt32Value { value: 0 }),
        ..tokens(50).unwrap()
    };
    let cases = [
        (
            LocalRateLimit {
                local_cluster_rate_limit: Some(LocalClusterRateLimit {}),
                ..pb()
            },
            "local_cluster_rate_limit: is not supported",
        ),
        (
            LocalRateLimit {
                stat_prefix: String::new(),
                ..pb()
            },
            "stat_prefix: is missing",
        ),
        (
            LocalRateLimit {
                token_bucket: None,
                ..pb()
            },
            "token_bucket: is missing",
        ),
        (
            LocalRateLimit {
                token_bucket: tokens(49),
                ..pb()
            },
            "token_bucket.fill_interval: is less than 50 ms",
        ),
        (
            LocalRateLimit {
                token_bucket: Some(zero),
                ..pb()
            },
            "token_bucket.tokens_per_fill: is zero",
        ),
        (
            LocalRateLimit { stage: 11, ..pb() },
            "stage: 11 is more than 10",
        ),
        (
            LocalRateLimit {
                max_dynamic_descriptors: Some(wkt::UInt32Value { value: 70_000 }),
                ..pb()
            },
            "max_dynamic_descriptors: 70000 is not 1 to 65536",
        ),
        (
            LocalRateLimit {
                descriptors: vec![entry("a", "1"), entry("a", "1")],
                ..pb()
            },
            "descriptors[1].entries: are those of another descriptor",
        ),
        (
            LocalRateLimit {
                descriptors: vec![LocalRateLimitDescriptor {
                    shadow_mode: true,
                    ..entry("a", "1")
                }],
                ..pb()
            },
            "descriptors[0].shadow_mode: is not supported",
        ),
        (
            LocalRateLimit {
                descriptors: vec![entry("a", "")],
                local_rate_limit_per_downstream_connection: true,
                ..pb()
            },
            "descriptors[0].entries[0].value: is missing, which is not supported for limits of one connection",
        ),
        (
            LocalRateLimit {
                response_headers_to_add: vec![put("x", "1", 0); 11],
                ..pb()
            },
            "response_headers_to_add: has more than 10",
        ),
        (
            LocalRateLimit {
                enable_x_ratelimit_headers: 9,
                ..pb()
            },
            "enable_x_ratelimit_headers: 9 is none",
        ),
    ];
    for (pb, why) in cases {
        assert_eq!(refused(pb), format!("listener l: {why}"));
    }
}

#[test]
fn statuses_that_are_no_errors_become_429() {
    let of = |code| {
        let status = Some(HttpStatus { code });
        local(&LocalRateLimit { status, ..pb() })
            .unwrap()
            .statuses()
            .0
    };
    assert_eq!([of(503), of(200), of(0), of(-1)], [503, 429, 429, 429]);
    assert_eq!(local(&pb()).unwrap().statuses(), (429, None));
}

fn named(limit: &LocalRateLimit) -> HttpFilter {
    HttpFilter {
        name: FILTER.into(),
        ..http_filter(limit)
    }
}

fn with_filters(filters: Vec<HttpFilter>) -> Result<Listener, String> {
    let mut manager = manager(table(Vec::new()));
    manager.http_filters = filters;
    let pb = listener(vec![chain("", Default::default(), &manager)]);
    Listener::compile(&pb).map_err(|reject| reject.to_string())
}

fn place(filters: Vec<HttpFilter>) -> Option<LimitAt> {
    let mut listener = with_filters(filters).unwrap();
    match listener.chains.remove(0).network {
        Network::Http(manager) => manager.limit,
        Network::Tcp(_) => None,
    }
}

#[test]
fn the_order_of_the_filters_is_kept() {
    let (cors, fault) = (
        || http_filter(&Cors::default()),
        || http_filter(&HttpFault::default()),
    );
    let router = || http_filter(&Router::default());
    assert_eq!(place(vec![cors(), router()]), None);
    let order = |filters| {
        let at = place(filters).unwrap();
        (at.own.is_some(), at.before_cors, at.before_fault)
    };
    assert_eq!(
        order(vec![named(&pb()), cors(), fault(), router()]),
        (true, true, true)
    );
    assert_eq!(
        order(vec![cors(), named(&pb()), fault(), router()]),
        (true, false, true)
    );
    assert_eq!(
        order(vec![cors(), fault(), named(&pb()), router()]),
        (true, false, false)
    );
    let empty = LocalRateLimit {
        token_bucket: None,
        ..pb()
    };
    assert_eq!(order(vec![named(&empty), router()]), (false, true, true));
    let disabled = HttpFilter {
        disabled: true,
        ..named(&pb())
    };
    assert_eq!(order(vec![disabled, router()]), (false, true, true));
}

#[test]
fn filters_that_would_not_be_heeded_are_refused() {
    let router = || http_filter(&Router::default());
    let why = |filters| with_filters(filters).unwrap_err();
    let twice = why(vec![named(&pb()), named(&pb()), router()]);
    assert!(
        twice.contains("http_filters: more than one local_ratelimit filter"),
        "{twice}"
    );
    let other = why(vec![http_filter(&pb()), router()]);
    assert!(
        other.contains("http_filters[0].name: is not \"envoy.filters.http.local"),
        "{other}"
    );
    let bad = LocalRateLimit {
        token_bucket: tokens(1),
        ..pb()
    };
    let bad = why(vec![named(&bad), router()]);
    let field = "http_filters[0].typed_config.token_bucket.fill_interval";
    assert!(bad.contains(field), "{bad}");
    let useless = LocalRateLimit {
        token_bucket: None,
        descriptors: vec![entry("a", "1")],
        ..pb()
    };
    let useless = why(vec![named(&useless), router()]);
    assert!(
        useless.contains("typed_config.token_bucket: is missing"),
        "{useless}"
    );
}

#[test]
fn the_narrowest_place_of_a_table_counts() {
    let of = |prefix: &str| {
        let limit = LocalRateLimit {
            stat_prefix: prefix.into(),
            ..pb()
        };
        pack(&limit)
    };
    let config = |any| HashMap::from([(FILTER.to_owned(), any)]);
    let off = FilterConfig {
        disabled: true,
        ..Default::default()
    };
    let plain = || to(prefix("/"), cluster_action("c"));
    let mut own = plain();
    own.typed_per_filter_config = config(of("route"));
    let mut none = plain();
    none.typed_per_filter_config = config(pack(&off));
    let mut wide = host(&["a"], vec![own, none, plain()]);
    wide.typed_per_filter_config = config(of("host"));
    let mut table = table(vec![wide, host(&["b"], vec![plain()])]);
    table.typed_per_filter_config = config(of("table"));
    let table = RouteTable::compile(&table).unwrap();
    let said = table.virtual_hosts.iter().flat_map(|host| &host.routes);
    let said = said.map(|route| match route.local_limit.as_ref().unwrap() {
        Said::Limit(limit) => limit.stat_prefix().to_string(),
        Said::Off => "off".to_owned(),
    });
    assert_eq!(said.collect::<Vec<_>>(), ["route", "off", "host", "table"]);
    assert_eq!(table.local_limits().len(), 3);
}

#[test]
fn connections_are_counted_unless_that_is_switched_off() {
    let pb = || network::LocalRateLimit {
        stat_prefix: "c".into(),
        token_bucket: tokens(100),
        ..Default::default()
    };
    let now = now();
    let limit = of_connections(&pb()).unwrap().unwrap();
    let passes = (0..5).filter(|_| limit.lets_pass(now)).count();
    assert_eq!((passes, limit.limited()), (3, 2));
    let shared = network::LocalRateLimit {
        share_key: "k".into(),
        ..pb()
    };
    let why = of_connections(&shared).unwrap_err().of("listener", "l");
    assert_eq!(
        why.to_string(),
        "listener l: typed_config.share_key: is not supported"
    );
    let mut off = pb();
    off.runtime_enabled = Some(Default::default());
    if let Some(flag) = &mut off.runtime_enabled {
        flag.default_value = Some(wkt::BoolValue { value: false });
    }
    assert!(of_connections(&off).unwrap().is_none());
}

#[test]
fn a_listener_with_another_limit_is_another_listener() {
    let of = |limit: &LocalRateLimit| {
        with_filters(vec![named(limit), http_filter(&Router::default())]).unwrap()
    };
    let other = LocalRateLimit {
        token_bucket: tokens(60),
        ..pb()
    };
    assert!(of(&pb()).same_but_routes(&of(&pb())));
    assert!(!of(&pb()).same_but_routes(&of(&other)));
}
