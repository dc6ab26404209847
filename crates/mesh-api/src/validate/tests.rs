use crate::decode;
use crate::resources::ResourceSet;

mod locality;

/// Checks one object: `kind` in the newest version of its group, and its `spec` as flow YAML.
#[track_caller]
fn check(kind: &str, spec: &str, expected: &[&str]) {
    let kind = crate::kinds::by_typed_name(kind).unwrap();
    let text = format!(
        "apiVersion: {}\nkind: {}\nmetadata: {{name: it}}\nspec: {spec}\n",
        kind.api_version(),
        kind.kind
    );
    let (objects, found) = decode::objects("test.yaml", &text);
    assert_eq!(found, [], "{text}");
    let (_, found) = ResourceSet::build(objects);
    let found: Vec<String> = found
        .iter()
        .map(|diagnostic| {
            let text = diagnostic.to_string();
            text.split_once("/it: ").unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

/// A VirtualService with one rule; `rule` are the fields of the rule beside its route.
#[track_caller]
fn check_rule(rule: &str, expected: &[&str]) {
    let spec = format!("{{hosts: [a], http: [{{{rule}, route: [{{destination: {{host: a}}}}]}}]}}");
    check("vs", &spec, expected);
}

#[track_caller]
fn check_match(matched: &str, expected: &[&str]) {
    check_rule(&format!("match: [{{{matched}}}]"), expected);
}

#[track_caller]
fn check_route(route: &str, expected: &[&str]) {
    check(
        "vs",
        &format!("{{hosts: [a], http: [{{route: [{route}]}}]}}"),
        expected,
    );
}

const ROUTE: &str = "http: [{route: [{destination: {host: a}}]}]";

#[test]
fn hosts_of_a_virtual_service() {
    let vs = |hosts: &str, expected: &[&str]| {
        check("vs", &format!("{{hosts: [{hosts}], {ROUTE}}}"), expected);
    };
    vs("a, a.b.c, '*.foo.com', 10.0.0.1", &[]);
    vs(
        "",
        &[
            "spec.hosts: is empty: a VirtualService to delegate to is known to Istio but not \
           supported by this version of mesh",
        ],
    );
    vs(
        "'a b'",
        &[
            "spec.hosts[0]: \"a b\" is not a host name: labels of letters, digits and '-', \
                   a '*' only as the first label",
        ],
    );
    vs("a, a", &["spec.hosts[1]: \"a\" overlaps with \"a\""]);
    vs(
        "'*.foo.com', x.foo.com",
        &["spec.hosts[1]: \"x.foo.com\" overlaps with \"*.foo.com\""],
    );
    vs(
        "'*'",
        &[
            "spec.hosts[0]: \"*\" is for gateways, and this VirtualService is for sidecars too; \
           name a gateway in spec.gateways, and not \"mesh\"",
        ],
    );
    check(
        "vs",
        &format!("{{hosts: ['*'], gateways: [edge], {ROUTE}}}"),
        &[],
    );
}

#[test]
fn gateways_of_a_virtual_service() {
    let vs = |gateways: &str, expected: &[&str]| {
        check(
            "vs",
            &format!("{{hosts: [a], gateways: [{gateways}], {ROUTE}}}"),
            expected,
        );
    };
    vs("mesh, edge, infra/edge", &[]);
    vs(
        "a/b/c",
        &["spec.gateways[0]: \"a/b/c\" is not a gateway: \"mesh\", a name, or namespace/name"],
    );
    vs(
        "edge.infra",
        &[
            "spec.gateways[0]: \"edge.infra\" is the old way to name a gateway \
                        elsewhere; write infra/edge",
        ],
    );
}

#[test]
fn export_to() {
    for (kind, rest) in [
        ("vs", format!("hosts: [a], {ROUTE}")),
        ("dr", "host: a, subsets: [{name: v1}]".to_owned()),
    ] {
        let export = |to: &str, expected: &[&str]| {
            check(kind, &format!("{{{rest}, exportTo: [{to}]}}"), expected);
        };
        export("'*'", &[]);
        export("., prod", &[]);
        export("., .", &["spec.exportTo[1]: \".\" is given twice"]);
        export(
            "'*', prod",
            &["spec.exportTo: \"*\" (everybody) must stand alone"],
        );
        export(
            "'~'",
            &[
                "spec.exportTo[0]: \"~\" (nobody) is for ServiceEntries alone; use \".\" \
                         for the object's own namespace",
            ],
        );
    }
}

#[test]
fn rules_and_weights() {
    check(
        "vs",
        "{hosts: [a]}",
        &["spec.http: has no rule; add a route to a destination"],
    );
    check(
        "vs",
        "{hosts: [a], http: [{}]}",
        &["spec.http[0].route: the rule goes nowhere; add a destination"],
    );
    check_route("{destination: {host: a}, weight: 0}", &[]);
    check_route(
        "{destination: {host: a}, weight: 30}, {destination: {host: b}, weight: 10}",
        &[],
    );
    check_route(
        "{destination: {host: a}}, {destination: {host: b}}",
        &[
            "spec.http[0].route: the weights of several destinations add up to nought; give each \
           destination a weight",
        ],
    );
}

#[test]
fn destinations() {
    let at = "spec.http[0].route[0].destination";
    check_route("{}", &[&format!("{at}.host: is missing")]);
    check_route(
        "{destination: {host: '*'}}",
        &[&format!("{at}.host: \"*\" is no destination")],
    );
    check_route(
        "{destination: {host: a, subset: V_1}}",
        &[&format!(
            "{at}.subset: \"V_1\" is not a DNS label: lower-case letters, digits and '-', at most 63"
        )],
    );
    check_route(
        "{destination: {host: a, port: {}}}",
        &[&format!("{at}.port.number: is missing")],
    );
    check_route(
        "{destination: {host: a, port: {number: 70000}}}",
        &[&format!(
            "{at}.port.number: 70000 is out of range, expected 1 to 65535"
        )],
    );
}

#[test]
fn timeouts_are_whole_milliseconds() {
    check_rule("timeout: 0s", &[]);
    check_rule("timeout: 1.5s", &[]);
    check_rule(
        "timeout: 1us",
        &["spec.http[0].timeout: must be a whole number of milliseconds"],
    );
}

#[test]
fn matches() {
    let at = "spec.http[0].match[0]";
    check_match("uri: {prefix: ''}, method: {exact: GET}", &[]);
    check_match(
        "method: {prefix: ''}",
        &[&format!("{at}.method: the prefix is empty")],
    );
    check_match(
        "headers: {a: {prefix: ''}}",
        &[&format!("{at}.headers.a: the prefix is empty")],
    );
    check_match(
        "headers: {a: {}, b: {regex: '*'}}, queryParams: {c: {regex: '*'}}",
        &[],
    );
    check_match(
        "uri: {regex: '*'}",
        &[&format!(
            "{at}.uri: \"*\" is not a regular expression (RE2): repetition operator missing expression"
        )],
    );
    check_match(
        "uri: {regex: ''}",
        &[&format!("{at}.uri: the regular expression is empty")],
    );
    check_match(
        "uri: {exact: /a, prefix: /b}",
        &[&format!("{at}.uri: only one of exact, prefix may be set")],
    );
    check_match(
        "headers: {'a b': {exact: c}}",
        &[&format!(
            "{at}.headers.a b: \"a b\" is not the name of a header"
        )],
    );
    check_match(
        "headers: {'@request.auth.claims.sub': {exact: c}}",
        &[&format!(
            "{at}.headers.@request.auth.claims.sub: matching claims of a token is known to \
                    Istio but not supported by this version of mesh"
        )],
    );
    check_match(
        "headers: {uri: {exact: /a}}",
        &[&format!(
            "{at}.headers.uri: is never compared: Istio reserves the key \"uri\"; write it as match.uri"
        )],
    );
    check_match(
        "sourceLabels: {app: '-'}",
        &[&format!(
            "{at}.sourceLabels.app: \"-\" is not the value of a label"
        )],
    );
    check_match(
        "gateways: [a/b/c]",
        &[&format!(
            "{at}.gateways[0]: \"a/b/c\" is not a gateway: \"mesh\", a name, or namespace/name"
        )],
    );
}

#[test]
fn header_operations() {
    let at = "spec.http[0].headers";
    check_rule(
        "headers: {request: {set: {':authority': b, host: c, x-a: '%PROTOCOL%'}}}",
        &[],
    );
    check_rule(
        "headers: {request: {remove: [host]}}",
        &[&format!(
            "{at}.request.remove[0]: \"host\" cannot be removed"
        )],
    );
    check_rule(
        "headers: {response: {set: {':status': '200'}}}",
        &[&format!(
            "{at}.response.set.:status: \":status\" cannot be set"
        )],
    );
    check_rule(
        "headers: {request: {add: {x: \"a\\nb\"}}}",
        &[&format!(
            "{at}.request.add.x: a header's value has no control characters"
        )],
    );
    check_rule(
        "headers: {response: {add: {x: 50%}}}",
        &[&format!(
            "{at}.response.add.x: \"50%\" has a lone %; write %% for a per cent sign"
        )],
    );
}

#[test]
fn rules_behind_one_that_takes_everything_are_warned_of() {
    let to = "route: [{destination: {host: a}}]";
    let after = |first: &str, expected: &[&str]| {
        check(
            "vs",
            &format!("{{hosts: [a], http: [{{{first}{to}}}, {{{to}}}]}}"),
            expected,
        );
    };
    let warning = "spec.http[1]: can never be reached: spec.http[0] takes every request; put the \
                   more special rule first";
    after("", &[warning]);
    after("match: [{uri: {prefix: /}}], ", &[warning]);
    after("match: [{uri: {prefix: /a}}], ", &[]);
    after("match: [{port: 80}], ", &[]);
    after("match: [{sourceLabels: {a: b}}], ", &[]);
}

#[test]
fn destination_rules() {
    check(
        "dr",
        "{host: a, subsets: [{name: v1, labels: {version: v1}}]}",
        &[],
    );
    check("dr", "{subsets: [{name: v1}]}", &["spec.host: is missing"]);
    check(
        "dr",
        "{host: a}",
        &["spec: says nothing: it has neither a trafficPolicy nor subsets"],
    );
    check(
        "dr",
        "{host: a, trafficPolicy: {}}",
        &["spec.trafficPolicy: is empty"],
    );
    check(
        "dr",
        "{host: a, subsets: [{name: v1}, {name: v1}, {}]}",
        &[
            "spec.subsets[1].name: \"v1\" is the name of an earlier subset",
            "spec.subsets[2].name: is missing",
        ],
    );
    let hash = |hash: &str, expected: &[&str]| {
        let rule =
            format!("{{host: a, trafficPolicy: {{loadBalancer: {{consistentHash: {{{hash}}}}}}}}}");
        check("dr", &rule, expected);
    };
    hash("httpHeaderName: x-user, maglev: {tableSize: 251}", &[]);
    hash("httpCookie: {name: user, ttl: 0s}", &[]);
    hash(
        "httpCookie: {name: user, attributes: [{name: Expires, value: 'Wed, 09 Jun 2027'}]}",
        &[],
    );
    let place = "spec.trafficPolicy.loadBalancer.consistentHash";
    hash(
        "httpCookie: {name: user, path: '/; Domain=a'}",
        &[&format!(
            "{place}.httpCookie: \"/; Domain=a\" has a semicolon or a control character"
        )],
    );
    let none = "needs one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName";
    hash("minimumRingSize: 10", &[&format!("{place}: {none}")]);
    hash(
        "httpHeaderName: \"x user\", ringHash: {minimumRingSize: 9000000}",
        &[
            &format!("{place}.httpHeaderName: \"x user\" is not the name of a header"),
            &format!("{place}.ringHash.minimumRingSize: 9000000 is more than 8388608"),
        ],
    );
    hash(
        "useSourceIp: true, maglev: {tableSize: 250}",
        &[&format!(
            "{place}.maglev.tableSize: 250 is not a prime number of at most 5000011"
        )],
    );
    let port = "{port: {number: 80}, tls: {mode: DISABLE}}";
    check(
        "dr",
        &format!("{{host: a, trafficPolicy: {{portLevelSettings: [{port}, {port}, {{}}]}}}}"),
        &[
            "spec.trafficPolicy.portLevelSettings[1].port.number: 80 has settings already",
            "spec.trafficPolicy.portLevelSettings[2].port.number: is missing",
        ],
    );
    check(
        "dr",
        "{host: a, trafficPolicy: {\
            connectionPool: {\
              tcp: {connectTimeout: 0s, maxConnectionDuration: 100us}, \
              http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true, maxRetries: 3}}, \
            outlierDetection: {\
              interval: 0s, maxEjectionPercent: 101, minHealthPercent: 200, \
              consecutiveLocalOriginFailures: 3}, \
            retryBudget: {percent: 20.5}}}",
        &[
            "spec.trafficPolicy.connectionPool.tcp.connectTimeout: is less than 1ms",
            "spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration: is less than 1ms",
            "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: UPGRADE cannot be had together \
             with useClientProtocol",
            "spec.trafficPolicy.outlierDetection.interval: is less than 1ms",
            "spec.trafficPolicy.outlierDetection.maxEjectionPercent: 101 is more than 100",
            "spec.trafficPolicy.outlierDetection.minHealthPercent: 200 is more than 100",
            "spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: needs \
             splitExternalLocalOriginErrors",
        ],
    );
    check(
        "dr",
        "{host: a, trafficPolicy: {tunnel: {}, tls: {mode: SIMPLE}}}",
        &[
            "spec.trafficPolicy.tls.mode: SIMPLE is known to Istio but not supported by this \
             version of mesh; supported: DISABLE, ISTIO_MUTUAL",
            "spec.trafficPolicy.tunnel: known to Istio but not supported by this version of mesh",
        ],
    );
}

#[test]
fn gateways() {
    let server = |rest: &str, expected: &[&str]| {
        let spec =
            format!("{{servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, {rest}}}]}}");
        check("gw", &spec, expected);
    };
    server("hosts: ['*', './a.com', '*/*.b.com', prod/c.com]", &[]);
    server("hosts: []", &["spec.servers[0].hosts: is missing"]);
    server(
        "hosts: [reviews]",
        &["spec.servers[0].hosts[0]: \"reviews\" is a short name; a gateway needs full ones"],
    );
    server(
        "hosts: [a_b/c.com]",
        &["spec.servers[0].hosts[0]: \"a_b\" is not a namespace, \"*\" or \".\""],
    );
    server(
        "hosts: ['*'], bind: here",
        &["spec.servers[0].bind: \"here\" is not an IP address"],
    );
    server(
        "hosts: ['*'], tls: {httpsRedirect: true, mode: SIMPLE}",
        &[
            "spec.servers[0].tls: is for ports of TLS, but for httpsRedirect; give the port the protocol HTTPS or TLS",
        ],
    );
    check("gw", "{}", &["spec.servers: has no server"]);
    check(
        "gw",
        "{servers: [{hosts: ['*']}]}",
        &[
            "spec.servers[0].port.number: is missing",
            "spec.servers[0].port.name: is missing",
            "spec.servers[0].port.protocol: is missing",
        ],
    );
    let one = "{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}";
    check(
        "gw",
        &format!("{{servers: [{one}, {one}]}}"),
        &["spec.servers[1].port.name: \"http\" is the port of an earlier server"],
    );
}

#[test]
fn peer_authentications() {
    check("pa", "{mtls: {mode: STRICT}}", &[]);
    check("pa", "{}", &[]);
    check(
        "pa",
        "{portLevelMtls: {80: {mode: DISABLE}}}",
        &[
            "spec.portLevelMtls: needs a selector: ports belong to workloads; add spec.selector.matchLabels",
        ],
    );
    check(
        "pa",
        "{mtls: {mode: STRIC}}",
        &["spec.mtls.mode: unknown value \"STRIC\"; did you mean STRICT?"],
    );
    check(
        "pa",
        "{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: DISABLE}}}",
        &["spec.portLevelMtls.0: the key is not a port from 1 to 65535"],
    );
}

#[test]
fn services() {
    check("svc", "{ports: [{port: 80}]}", &[]);
    check("svc", "{clusterIP: None}", &[]);
    check("svc", "{}", &["spec.ports: has no port"]);
    check(
        "svc",
        "{type: ExternalName}",
        &["spec.externalName: is missing"],
    );
    check(
        "svc",
        "{ports: [{port: 80}, {port: 80, name: a}, {name: a}]}",
        &[
            "spec.ports[0].name: is missing: each of several ports needs a name",
            "spec.ports[1].port: 80 is the number of an earlier port",
            "spec.ports[2].port: is missing",
            "spec.ports[2].name: \"a\" is the name of an earlier port",
        ],
    );
}

#[test]
fn deployments() {
    let deployment = |labels: &str, containers: &str, expected: &[&str]| {
        let spec = format!(
            "{{selector: {{matchLabels: {{app: a}}}}, template: {{metadata: {{labels: {{{labels}}}}}, \
             spec: {{containers: [{containers}]}}}}}}"
        );
        check("deploy", &spec, expected);
    };
    deployment("app: a, version: v1", "{name: a, image: b}", &[]);
    deployment(
        "app: b",
        "{name: a, image: b}",
        &[
            "spec.selector.matchLabels: does not match the labels of the pod template; make them \
           the same as in spec.template.metadata.labels",
        ],
    );
    deployment(
        "app: a",
        "",
        &["spec.template.spec.containers: has no container"],
    );
    deployment(
        "app: a",
        "{name: a, ports: [{}], env: [{value: b}]}, {name: a, image: b}",
        &[
            "spec.template.spec.containers[0].ports[0].containerPort: is missing",
            "spec.template.spec.containers[0].env[0].name: \"\" is not a variable's name",
            "spec.template.spec.containers[1].name: \"a\" is the name of an earlier container",
            "spec.template.spec.containers[0].image: is missing",
        ],
    );
}

#[test]
fn what_pages_of_other_origins_may_do() {
    let cors = |policy: &str, expected: &[&str]| {
        check_rule(&format!("corsPolicy: {{{policy}}}"), expected);
    };
    cors("", &[]);
    cors(
        "allowOrigins: [{exact: 'https://a.example'}, {regex: 'https://.*[.]a'}], \
         allowMethods: [GET, '*'], allowHeaders: ['*', x-a], exposeHeaders: [x-b], maxAge: 24h, \
         allowCredentials: true, unmatchedPreflights: IGNORE",
        &[],
    );
    cors("allowOrigin: ['*']", &[]);
    cors(
        "allowOrigin: [a], allowOrigins: [{prefix: a}]",
        &[
            "spec.http[0].corsPolicy.allowOrigin: is not heeded beside allowOrigins; leave one of \
             them out",
        ],
    );
    cors(
        "allowOrigins: [{}, {prefix: ''}, {exact: ''}, {regex: '*'}]",
        &[
            "spec.http[0].corsPolicy.allowOrigins[0]: has neither exact, prefix nor regex",
            "spec.http[0].corsPolicy.allowOrigins[1]: the prefix is empty",
            "spec.http[0].corsPolicy.allowOrigins[2]: the text is empty",
            "spec.http[0].corsPolicy.allowOrigins[3]: \"*\" is not a regular expression (RE2): \
             repetition operator missing expression",
        ],
    );
    cors(
        "allowMethods: [get], allowHeaders: ['a b'], exposeHeaders: [''], maxAge: 1500ms",
        &[
            "spec.http[0].corsPolicy.allowMethods[0]: \"get\" is no method of HTTP; one of *, \
             CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE",
            "spec.http[0].corsPolicy.allowHeaders[0]: \"a b\" is not the name of a header",
            "spec.http[0].corsPolicy.exposeHeaders[0]: \"\" is not the name of a header",
            "spec.http[0].corsPolicy.maxAge: must be a whole number of seconds, one at least",
        ],
    );
    cors(
        "unmatchedPreflights: DROP",
        &[
            "spec.http[0].corsPolicy.unmatchedPreflights: unknown value \"DROP\"; one of \
             UNSPECIFIED, FORWARD, IGNORE",
        ],
    );
}

#[test]
fn copies_of_requests() {
    check_rule("mirror: {host: b, subset: v2, port: {number: 80}}", &[]);
    check_rule("mirror: {host: b}, mirrorPercentage: {value: 0.5}", &[]);
    check_rule(
        "mirrors: [{destination: {host: b}}, {destination: {host: c}, percentage: {value: 0}}]",
        &[],
    );
    let at = "spec.http[0]";
    check_rule(
        "mirror: {host: b}, mirrors: [{destination: {host: c}}]",
        &[&format!(
            "{at}.mirror: cannot go with mirrors; list all of them in mirrors"
        )],
    );
    check_rule(
        "mirrors: [{destination: {host: '*'}}, {destination: {subset: A}}]",
        &[
            &format!("{at}.mirrors[0].destination.host: \"*\" is no destination"),
            &format!("{at}.mirrors[1].destination.host: is missing"),
            &format!(
                "{at}.mirrors[1].destination.subset: \"A\" is not a DNS label: lower-case letters, \
                 digits and '-', at most 63"
            ),
        ],
    );
    check_rule(
        "mirror: {host: ''}, mirror_percent: 101",
        &[
            &format!("{at}.mirror.host: is missing"),
            &format!("{at}.mirrorPercent: 101 is more than 100"),
            &format!(
                "{at}.mirrorPercent: is the old way to say it; write mirrorPercentage: {{value: ...}}"
            ),
        ],
    );
    check_rule(
        "mirrorPercentage: {value: 1}",
        &[&format!(
            "{at}.mirrorPercentage: is not heeded without mirror; say it in mirrors[].percentage"
        )],
    );
}
