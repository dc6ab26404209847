//! Pages of other origins: a sidecar answers as Envoy does that has the same policy.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::apps::{self, PORTS};
use crate::curl::{Way, on_all, same};
use crate::world::{App, World};

/// The same policy as Istio's users and Envoy's write it; requests name it in `x-policy`.
fn policies() -> [(&'static str, Value, Value); 3] {
    [
        (
            "narrow",
            json!({
                "allowOrigins": [{"exact": "https://a.example"}, {"regex": "https://.*[.]b"}],
                "allowMethods": ["GET", "PUT"], "allowHeaders": ["x-a", "x-b"],
                "exposeHeaders": ["x-c", "x-d"], "maxAge": "24h", "allowCredentials": true,
            }),
            json!({
                "allow_origin_string_match":
                    [{"exact": "https://a.example"}, {"safe_regex": {"regex": "https://.*[.]b"}}],
                "allow_methods": "GET,PUT", "allow_headers": "x-a,x-b",
                "expose_headers": "x-c,x-d", "max_age": "86400", "allow_credentials": true,
                "forward_not_matching_preflights": true,
            }),
        ),
        (
            "wide",
            json!({
                "allowOrigin": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"],
                "exposeHeaders": ["*"], "allowCredentials": false,
            }),
            json!({
                "allow_origin_string_match": [{"exact": "*"}],
                "allow_methods": "*", "allow_headers": "*", "expose_headers": "*",
                "allow_credentials": false,
            }),
        ),
        (
            "ignoring",
            json!({
                "allowOrigins": [{"prefix": "https://a."}], "allowMethods": ["GET"],
                "allowCredentials": true, "unmatchedPreflights": "IGNORE",
            }),
            json!({
                "allow_origin_string_match": [{"prefix": "https://a."}], "allow_methods": "GET",
                "allow_credentials": true, "forward_not_matching_preflights": false,
            }),
        ),
    ]
}

/// Requests as curl's arguments.
const REQUESTS: [&[&str]; 9] = [
    &[],
    &["-H", "origin: https://a.example"],
    &["-H", "origin: https://x.b"],
    &["-H", "origin: https://evil.example"],
    &["-H", "origin;"],
    &["-X", "OPTIONS", "-H", "origin: https://a.example"],
    &[
        "-X",
        "OPTIONS",
        "-H",
        "origin: https://a.example",
        "-H",
        "access-control-request-method: PUT",
    ],
    &[
        "-X",
        "OPTIONS",
        "-H",
        "origin: https://a.example",
        "-H",
        "access-control-request-method: PUT",
        "-H",
        "access-control-request-headers: x-a,x-z",
        "-H",
        "access-control-request-private-network: true",
    ],
    &[
        "-X",
        "OPTIONS",
        "-H",
        "origin: https://evil.example",
        "-H",
        "access-control-request-method: PUT",
    ],
];

/// Envoy with these policies before hyper, and hyper by itself behind a sidecar with them.
fn world() -> Arc<World> {
    let types = "type.googleapis.com/envoy.extensions.filters.http.cors.v3";
    let filter = json!({"name": "envoy.filters.http.cors",
        "typed_config": {"@type": format!("{types}.Cors")}});
    let route = |(name, _, mut policy): (&str, Value, Value)| {
        policy["@type"] = json!(format!("{types}.CorsPolicy"));
        json!({
            "match": {"prefix": "/", "headers":
                [{"name": "x-policy", "string_match": {"exact": name}}]},
            "typed_per_filter_config": {"envoy.filters.http.cors": policy},
        })
    };
    let rule = |(name, policy, _): (&str, Value, Value)| {
        json!({
            "match": [{"headers": {"x-policy": {"exact": name}}}],
            "corsPolicy": policy,
            "route": [{"destination": {"host": "plain"}}],
        })
    };
    let rules: Vec<Value> = policies().into_iter().map(rule).collect();
    let service = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "plain"}, "spec": {"hosts": ["plain"], "http": rules},
    });
    let plain = App {
        name: "plain",
        ..apps::hyper()
    };
    let envoy = apps::envoy_with(&[filter], &policies().map(route));
    Arc::new(World::up(&[apps::hyper(), plain, envoy], &[service]))
}

/// Status and what the answer says of origins.
fn told(way: &Way, policy: &str, request: &[&str]) -> Result<(u64, Vec<String>), String> {
    let policy = format!("x-policy: {policy}");
    let args: Vec<&str> = ["-H", &policy]
        .into_iter()
        .chain(request.iter().copied())
        .collect();
    let answer = way.fetch("/status/203", &args)?;
    let lines = answer.heads.lines().map(str::to_ascii_lowercase);
    let mut told: Vec<String> = lines
        .filter(|line| line.starts_with("access-control-"))
        .map(|line| line.trim_end().to_owned())
        .collect();
    told.sort();
    Ok((answer.status, told))
}

#[test]
fn pages_are_told_what_envoy_tells_them() {
    let world = world();
    let way = |server: &str, (port, number): (&str, u16), speak| Way {
        _world: world.clone(),
        name: format!("{server}'s port {port}"),
        to: world.outbound(server, number),
        host: format!("{server}:{number}"),
        speak,
        served_with: "",
        trailers: true,
    };
    let mut ways = Vec::new();
    for port in PORTS {
        for speak in ["--http1.1", "--http2-prior-knowledge"] {
            ways.push(way("plain", *port, speak));
        }
    }
    on_all(&ways, |ours| {
        let theirs = Way {
            to: world.outbound("envoy", 8080),
            host: "envoy:8080".to_owned(),
            ..ours.clone()
        };
        let mut answered_here = 0;
        for (policy, ..) in policies() {
            for request in REQUESTS {
                let (own, envoys) = (
                    told(ours, policy, request)?,
                    told(&theirs, policy, request)?,
                );
                answered_here += usize::from(own.0 == 200);
                same(&format!("{policy} {request:?}"), own, envoys)?;
            }
        }
        same("answered by the proxy itself", answered_here, 8)
    });
}
