//! Route tables and requests by chance, of a vocabulary so small that they often meet.

use bytes::Bytes;
use fastrand::Rng;
use hyper::Request;
use serde_json::{Map, Value, json};

use super::backend::CLUSTERS;

/// The header that an answer carries whose cluster was drawn.
pub(super) const SPLIT: &str = "x-split";

const DOMAINS: [&str; 12] = [
    "shop.test",
    "www.shop.test",
    "*.shop.test",
    "*-a.shop.test",
    "shop.*",
    "www.*",
    "shop.test:8080",
    "*.test",
    "api.shop.test",
    "*:8080",
    "SHOP.example",
    "*",
];
const HOSTS: [&str; 12] = [
    "shop.test",
    "SHOP.Test",
    "www.shop.test",
    "api.shop.test",
    "b-a.shop.test",
    "-a.shop.test",
    "shop.test:8080",
    "shop.example",
    "shop.example:8080",
    "www.example.org",
    "other.test",
    "a",
];
const PATHS: [&str; 16] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/ab",
    "/A",
    "/a/b/c",
    "/a%2Fb",
    "/b",
    "/b/",
    "/items/7",
    "/items/77/parts",
    "/items/x",
    "/a.b",
    "/very/long/path/that/goes/on",
    "/a;v=1",
];
const REGEXES: [&str; 7] = [
    "/items/[0-9]+",
    "/items/([0-9]+)(/.*)?",
    "/a.*",
    ".*b",
    "/(a|b)/?",
    "/[^/]+",
    "/a\\.b",
];
const QUERIES: [&str; 12] = [
    "",
    "?",
    "?q=1",
    "?q=2&r=3",
    "?r=3&q=1",
    "?q",
    "?q=",
    "?Q=1",
    "?q=1&q=2",
    "?q=%31",
    "?r=abc",
    "?s=1?x=/a",
];
const NAMES: [&str; 5] = ["x-kind", "x-user", "x-number", "cookie", "X-Kind"];
const VALUES: [&str; 12] = [
    "plain",
    "Plain",
    "",
    "second",
    "alice",
    "bob",
    "7",
    "-3",
    "12",
    "a=b; c=d",
    "plain,second",
    " x ",
];
/// What paths become by the matches of a regex.
const REWRITES: [(&str, &str); 5] = [
    ("^/items/([0-9]+)", "/i/\\1"),
    ("/a", "/z"),
    ("/([^/]+)/([^/]+)", "/\\2/\\1"),
    ("[ab]", "<\\0>"),
    ("^/$", "/root"),
];
const VALUE_REGEXES: [&str; 4] = ["al.*", "[0-9]+", "(plain|bob)", ".*"];
const METHODS: [&str; 5] = ["GET", "GET", "POST", "PUT", "DELETE"];
/// Values that headers are set to.
const FORMATS: [&str; 12] = [
    "word",
    "%PROTOCOL%",
    "%REQ(x-user)%",
    "%REQ(:path)%",
    "%REQ(:METHOD)%-%REQ(x-none?x-kind)%",
    "%REQ(x-kind):3%",
    "100%%",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "%REQ(x-none)%",
    "a%REQ(:authority)%b",
    "%UPSTREAM_CLUSTER%",
    "",
];

/// A route table.
pub(super) struct Table {
    /// A `RouteConfiguration`.
    pub(super) text: Value,
}

impl Table {
    pub(super) fn draw(random: &mut Rng) -> Self {
        let mut domains = DOMAINS.to_vec();
        random.shuffle(&mut domains);
        let count = random.usize(1..=4);
        let mut hosts = Vec::new();
        for index in 0..count {
            let own: Vec<_> = domains.drain(..random.usize(1..=3)).collect();
            hosts.push(host(random, index, &own));
        }
        // Most requests shall meet a host.
        let everything = |host: &Value| host["domains"].as_array().unwrap().contains(&json!("*"));
        if random.u8(..4) > 0 && !hosts.iter().any(everything) {
            hosts.push(host(random, count, &["*"]));
        }
        let mut text = json!({ "name": "table", "virtual_hosts": hosts });
        operations(random, &mut text, 6);
        if random.u8(..5) == 0 {
            text["most_specific_header_mutations_wins"] = true.into();
        }
        if random.u8(..5) == 0 {
            text["ignore_port_in_host_matching"] = true.into();
        }
        Self { text }
    }
}

fn host(random: &mut Rng, index: usize, domains: &[&str]) -> Value {
    let routes: Vec<Value> = (0..random.usize(1..=6))
        .map(|at| route(random, at))
        .collect();
    let mut host = json!({ "name": format!("host-{index}"), "domains": domains, "routes": routes });
    operations(random, &mut host, 5);
    if random.u8(..6) == 0 {
        host["include_request_attempt_count"] = true.into();
    }
    if random.u8(..6) == 0 {
        host["include_attempt_count_in_response"] = true.into();
    }
    if random.u8(..12) == 0 {
        host["require_tls"] = "ALL".into();
    }
    host
}

fn route(random: &mut Rng, index: usize) -> Value {
    let (matches, by) = matches(random);
    let mut route = json!({ "name": format!("route-{index}"), "match": matches });
    match random.u8(..10) {
        0 => route["direct_response"] = respond(random),
        1 | 2 => route["redirect"] = redirect(random, by),
        _ => {
            let (forward, split) = forward(random, by);
            route["route"] = forward;
            if split {
                let header = json!({ "key": SPLIT, "value": "yes" });
                route["response_headers_to_add"] = json!([{ "header": header }]);
            }
        }
    }
    operations(random, &mut route, 3);
    route
}

/// By what a route matches paths.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Prefix,
    Other,
}

fn matches(random: &mut Rng) -> (Value, By) {
    let path = pick(random, &PATHS);
    let (mut matches, by) = match random.u8(..8) {
        0..=2 => (json!({ "prefix": path }), By::Prefix),
        3 => (json!({ "prefix": "/" }), By::Prefix),
        4 => (json!({ "path": path }), By::Other),
        5 | 6 => (
            json!({ "safe_regex": { "regex": pick(random, &REGEXES) } }),
            By::Other,
        ),
        _ => {
            let path = path.trim_end_matches('/');
            let path = if path.is_empty() || path.contains(';') {
                "/a"
            } else {
                path
            };
            (json!({ "path_separated_prefix": path }), By::Prefix)
        }
    };
    if random.u8(..6) == 0 && matches.get("safe_regex").is_none() {
        matches["case_sensitive"] = false.into();
    }
    if random.u8(..3) == 0 {
        let headers: Vec<_> = (0..random.usize(1..=2))
            .map(|_| header_match(random))
            .collect();
        matches["headers"] = headers.into();
    }
    if random.u8(..4) == 0 {
        let queries: Vec<_> = (0..random.usize(1..=2))
            .map(|_| query_match(random))
            .collect();
        matches["query_parameters"] = queries.into();
    }
    if random.u8(..16) == 0 {
        let numerator = 100;
        let value = json!({ "numerator": numerator, "denominator": "HUNDRED" });
        matches["runtime_fraction"] = json!({ "default_value": value, "runtime_key": "a.b" });
    }
    if random.u8(..24) == 0 {
        matches["grpc"] = json!({});
    }
    (matches, by)
}

fn string_match(random: &mut Rng) -> Value {
    // An empty part of a text matches everything, which Envoy refuses.
    let word = || {
        let full: Vec<_> = VALUES
            .iter()
            .filter(|value| !value.is_empty())
            .copied()
            .collect();
        full
    };
    let full = word();
    let mut matches = match random.u8(..6) {
        0 | 1 => json!({ "exact": pick(random, &VALUES) }),
        2 => json!({ "prefix": &pick(random, &full)[..1] }),
        3 => json!({ "suffix": pick(random, &full) }),
        4 => json!({ "contains": pick(random, &full) }),
        _ => return json!({ "safe_regex": { "regex": pick(random, &VALUE_REGEXES) } }),
    };
    if random.u8(..4) == 0 {
        matches["ignore_case"] = true.into();
    }
    matches
}

fn header_match(random: &mut Rng) -> Value {
    let name = match random.u8(..8) {
        0 => ":method",
        1 => ":path",
        2 => ":authority",
        _ => pick(random, &NAMES),
    };
    let mut matches = json!({ "name": name });
    match (name, random.u8(..5)) {
        (":method", _) => matches["string_match"] = json!({ "exact": pick(random, &METHODS) }),
        (":path", _) => matches["string_match"] = json!({ "prefix": pick(random, &PATHS) }),
        (":authority", _) => matches["string_match"] = json!({ "exact": pick(random, &HOSTS) }),
        (_, 0) => matches["present_match"] = random.bool().into(),
        (_, 1) => {
            matches["range_match"] = json!({ "start": random.i64(-5..5), "end": random.i64(5..20) })
        }
        _ => matches["string_match"] = string_match(random),
    }
    if random.u8(..5) == 0 {
        matches["invert_match"] = true.into();
    }
    if random.u8(..6) == 0 {
        matches["treat_missing_header_as_empty"] = true.into();
    }
    matches
}

fn query_match(random: &mut Rng) -> Value {
    let name = pick(random, &["q", "r", "Q", "s"]);
    match random.u8(..3) {
        0 => json!({ "name": name, "present_match": random.bool() }),
        1 => {
            json!({ "name": name, "string_match": { "exact": pick(random, &["1", "3", "", "abc"]) } })
        }
        _ => json!({ "name": name, "string_match": { "safe_regex": { "regex": "[0-9]+" } } }),
    }
}

fn forward(random: &mut Rng, by: By) -> (Value, bool) {
    let mut action = json!({ "timeout": "15s" });
    let mut split = false;
    match random.u8(..5) {
        0 => {
            let weights = match random.u8(..3) {
                0 => [0, 100],
                1 => [7, 0],
                _ => {
                    split = true;
                    [30, 70]
                }
            };
            let of = CLUSTERS[2..].iter().zip(weights);
            let clusters = of.map(|(name, weight)| json!({ "name": name, "weight": weight }));
            let mut clusters: Vec<Value> = clusters.collect();
            if !split {
                clusters
                    .iter_mut()
                    .for_each(|cluster| operations(random, cluster, 4));
            }
            action["weighted_clusters"] = json!({ "clusters": clusters });
        }
        _ => action["cluster"] = CLUSTERS[random.usize(..2)].into(),
    }
    match random.u8(..6) {
        0 if by == By::Prefix => {
            action["prefix_rewrite"] = pick(random, &["/", "/new", "/new/", "/n?x=1"]).into();
        }
        // This one takes the first slash away.
        1 if random.u8(..6) == 0 => {
            action["regex_rewrite"] = json!({ "pattern": { "regex": "b*" }, "substitution": "x" });
        }
        1 => action["regex_rewrite"] = rewrite(random),
        _ => {}
    }
    match random.u8(..10) {
        0 => action["host_rewrite_literal"] = pick(random, &["new.test", "NEW.test:81"]).into(),
        1 => action["host_rewrite_header"] = pick(random, &["x-user", "x-none"]).into(),
        2 => {
            action["host_rewrite_path_regex"] = json!({
                "pattern": { "regex": "^/items/([^/?]+).*$" }, "substitution": "\\1.items.test",
            });
        }
        _ => {}
    }
    if random.u8(..5) == 0 {
        action["append_x_forwarded_host"] = true.into();
    }
    (action, split)
}

fn rewrite(random: &mut Rng) -> Value {
    let (regex, substitution) = *random.choice(&REWRITES).unwrap();
    json!({ "pattern": { "regex": regex }, "substitution": substitution })
}

fn redirect(random: &mut Rng, by: By) -> Value {
    let mut action = Map::new();
    if random.bool() {
        action.insert(
            "host_redirect".into(),
            pick(random, &["else.test", "else.test:99"]).into(),
        );
    }
    match random.u8(..4) {
        0 => drop(action.insert("https_redirect".into(), true.into())),
        1 => drop(action.insert("scheme_redirect".into(), "https".into())),
        _ => {}
    }
    if random.u8(..3) == 0 {
        let port = *random.choice(&[80, 443, 8443]).unwrap();
        action.insert("port_redirect".into(), port.into());
    }
    match random.u8(..5) {
        0 => drop(action.insert(
            "path_redirect".into(),
            pick(random, &["/else", "/else?x=1"]).into(),
        )),
        1 if by == By::Prefix => {
            action.insert("prefix_rewrite".into(), pick(random, &["/", "/new"]).into());
        }
        2 => drop(action.insert("regex_rewrite".into(), rewrite(random))),
        _ => {}
    }
    if random.u8(..4) == 0 {
        action.insert("strip_query".into(), true.into());
    }
    if random.bool() {
        let code = [
            "FOUND",
            "SEE_OTHER",
            "TEMPORARY_REDIRECT",
            "PERMANENT_REDIRECT",
        ];
        action.insert("response_code".into(), pick(random, &code).into());
    }
    action.into()
}

fn respond(random: &mut Rng) -> Value {
    let status = *random.choice(&[200, 204, 403, 503]).unwrap();
    match random.bool() {
        true => json!({ "status": status }),
        false => json!({ "status": status, "body": { "inline_string": "said here" } }),
    }
}

/// What is added to requests and answers and taken from them, for one in so many.
fn operations(random: &mut Rng, of: &mut Value, one_in: u8) {
    for (list, fields) in [
        ("request_headers_to_add", true),
        ("response_headers_to_add", false),
    ] {
        if random.u8(..one_in) == 0 {
            let added: Vec<_> = (0..random.usize(1..=2))
                .map(|_| addition(random, fields))
                .collect();
            match of.get_mut(list).and_then(Value::as_array_mut) {
                Some(before) => before.extend(added),
                None => of[list] = added.into(),
            }
        }
    }
    if random.u8(..one_in) == 0 {
        of["request_headers_to_remove"] = json!([pick(random, &["x-user", "X-Kind", "x-none"])]);
    }
    if random.u8(..one_in) == 0 {
        of["response_headers_to_remove"] = json!([pick(random, &["x-remove", "x-kind", "server"])]);
    }
}

fn addition(random: &mut Rng, of_request: bool) -> Value {
    let names: &[&str] = match of_request {
        true => &["x-user", "x-kind", "x-new", "X-New"],
        false => &["x-kind", "x-new", "x-remove", "X-More"],
    };
    let header = json!({ "key": pick(random, names), "value": pick(random, &FORMATS) });
    let mut addition = json!({ "header": header });
    if random.bool() {
        let actions = [
            "APPEND_IF_EXISTS_OR_ADD",
            "ADD_IF_ABSENT",
            "OVERWRITE_IF_EXISTS_OR_ADD",
            "OVERWRITE_IF_EXISTS",
        ];
        addition["append_action"] = pick(random, &actions).into();
    }
    if random.u8(..6) == 0 {
        addition["keep_empty_value"] = true.into();
    }
    addition
}

fn pick<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    random.choice(of).copied().unwrap()
}

/// A request.
pub(super) struct Ask {
    method: &'static str,
    host: String,
    target: String,
    headers: Vec<(&'static str, &'static str)>,
}

impl Ask {
    pub(super) fn draw(random: &mut Rng) -> Self {
        let headers = (0..random.usize(..4)).map(|_| {
            let name = pick(random, &["x-kind", "x-user", "x-number", "cookie"]);
            (name, pick(random, &VALUES))
        });
        let mut headers: Vec<_> = headers.collect();
        if random.u8(..12) == 0 {
            headers.push((
                "content-type",
                pick(random, &["application/grpc", "application/grpc+proto"]),
            ));
        }
        if random.u8(..12) == 0 {
            headers.push(("x-forwarded-proto", pick(random, &["http", "https"])));
        }
        Self {
            method: pick(random, &METHODS),
            host: pick(random, &HOSTS).to_owned(),
            target: format!("{}{}", pick(random, &PATHS), pick(random, &QUERIES)),
            headers,
        }
    }

    /// The request itself.
    pub(super) fn request(&self) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.target)
            .header("host", &self.host);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        request.body(Bytes::new()).unwrap()
    }
}
