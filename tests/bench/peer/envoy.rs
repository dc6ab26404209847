//! Envoy as a peer: its router alone, or with the filters that Istio puts before it.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use mesh_tests::mesh::binary;
use serde_json::{Value, json};

use super::{Place, Programs, on_path, unused_services};
use crate::certificates::NAME;
use crate::scenario::Shape;

/// Why it does not take part.
pub(super) const MISSING: &str =
    "envoy is neither on the PATH nor among the tools (cargo xtask tools)";

/// No limit.
const MOST: u32 = u32::MAX;

/// The filters before the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filters {
    /// None.
    Router,
    /// RBAC, gRPC statistics, fault, CORS, and counters by source and destination.
    Istio,
}

/// On the path, or where `cargo xtask tools` has pip put it.
pub(super) fn program() -> Option<PathBuf> {
    on_path("envoy").or_else(|| {
        let product = binary("mesh-proxy");
        let libraries = product.ancestors().nth(2)?.join("tools/python/lib");
        let mut versions = std::fs::read_dir(libraries).ok()?.flatten();
        versions.find_map(|version| {
            let program = version.path().join("site-packages/envoy/_bin/envoy");
            program.is_file().then_some(program)
        })
    })
}

/// What an HTTP connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Http {
    One,
    Two,
}

pub(super) fn programs(shape: Shape, place: &Place<'_>, filters: Filters) -> Result<Programs> {
    let (front, middle, backend) = (place.front, place.middle, place.backend);
    let http = |codec| http_filter(codec, filters, &[]);
    let (accept, accept_h2) = (accept_tls(place, &[]), accept_tls(place, &["h2"]));
    let accept_h1 = accept_tls(place, &["http/1.1"]);
    let (connect, connect_h2) = (connect_tls(place, &[]), connect_tls(place, &["h2"]));
    let (one, two) = (Some(Http::One), Some(Http::Two));
    let none = Value::Null;
    let files = match shape {
        Shape::Plain => vec![file(
            front,
            http(Http::One),
            &none,
            vec![to(backend, one, &none)],
        )],
        Shape::PlainTls => {
            let back = vec![to(backend, one, &none)];
            vec![file(front, http(Http::One), &accept_h1, back)]
        }
        Shape::H2c => vec![file(
            front,
            http(Http::Two),
            &none,
            vec![to(backend, two, &none)],
        )],
        Shape::Pair => vec![
            file(
                front,
                http(Http::One),
                &none,
                vec![to(middle, two, &connect_h2)],
            ),
            file(
                middle,
                http(Http::Two),
                &accept_h2,
                vec![to(backend, one, &none)],
            ),
        ],
        Shape::Grpc => vec![
            file(
                front,
                http(Http::Two),
                &none,
                vec![to(middle, two, &connect_h2)],
            ),
            file(
                middle,
                http(Http::Two),
                &accept_h2,
                vec![to(backend, two, &none)],
            ),
        ],
        Shape::Tcp => vec![file(
            front,
            tcp_filter(),
            &none,
            vec![to(backend, None, &none)],
        )],
        Shape::TcpPair => vec![
            file(front, tcp_filter(), &none, vec![to(middle, None, &connect)]),
            file(
                middle,
                tcp_filter(),
                &accept,
                vec![to(backend, None, &none)],
            ),
        ],
        Shape::ManyClusters => {
            let services: Vec<String> = unused_services().collect();
            let mut clusters = vec![to(backend, one, &none)];
            let named = services
                .iter()
                .map(|service| cluster(service, backend, one, &none));
            clusters.extend(named);
            let filter = http_filter(Http::One, filters, &services);
            vec![file(front, filter, &none, clusters)]
        }
    };
    let mut arguments = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let path = place.folder.join(format!("envoy-{number}.json"));
        std::fs::write(&path, file.to_string())?;
        let path = path.to_string_lossy().into_owned();
        let words = [
            "-c",
            &path,
            "--concurrency",
            "1",
            "-l",
            "error",
            "--disable-hot-restart",
        ];
        arguments.push(words.map(ToOwned::to_owned).to_vec());
    }
    Ok(Programs {
        program: Some(program().context(MISSING)?),
        arguments,
    })
}

fn file(listen: SocketAddr, filter: Value, tls: &Value, clusters: Vec<Value>) -> Value {
    let mut chain = json!({"filters": [filter]});
    set_tls(&mut chain, tls);
    json!({
        "static_resources": {
            "listeners": [{
                "name": "front", "address": address(listen), "filter_chains": [chain],
            }],
            "clusters": clusters,
        },
        "overload_manager": {"resource_monitors": [typed(
            "envoy.resource_monitors.global_downstream_max_connections",
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            json!({"max_active_downstream_connections": 50_000}),
        )]},
    })
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

fn typed(name: &str, kind: &str, mut config: Value) -> Value {
    set(
        &mut config,
        "@type",
        json!(format!("type.googleapis.com/{kind}")),
    );
    json!({"name": name, "typed_config": config})
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

fn set_tls(object: &mut Value, tls: &Value) {
    if !tls.is_null() {
        set(object, "transport_socket", tls.clone());
    }
}

/// The cluster of everything that is called.
fn to(address: SocketAddr, http: Option<Http>, tls: &Value) -> Value {
    cluster("back", address, http, tls)
}

fn cluster(name: &str, to: SocketAddr, http: Option<Http>, tls: &Value) -> Value {
    let limits = json!({
        "max_connections": MOST, "max_pending_requests": MOST,
        "max_requests": MOST, "max_retries": MOST,
    });
    let endpoint = json!({"endpoint": {"address": address(to)}});
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    set_tls(&mut cluster, tls);
    if let Some(http) = http {
        let options = match http {
            Http::One => json!({"http_protocol_options": {}}),
            Http::Two => json!({"http2_protocol_options": {}}),
        };
        let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let kind = format!("type.googleapis.com/{key}");
        let protocol = json!({key: {"@type": kind, "explicit_http_config": options}});
        set(&mut cluster, "typed_extension_protocol_options", protocol);
    }
    cluster
}

fn http_filter(codec: Http, filters: Filters, services: &[String]) -> Value {
    let mut chain = match filters {
        Filters::Router => Vec::new(),
        Filters::Istio => istio_filters(),
    };
    let router = "envoy.extensions.filters.http.router.v3.Router";
    chain.push(typed("envoy.filters.http.router", router, json!({})));
    let mut hosts: Vec<Value> = services
        .iter()
        .map(|service| virtual_host(service, &[service, &format!("{service}:9080")], service))
        .collect();
    hosts.push(virtual_host("all", &["*"], "back"));
    let mut manager = json!({
        "stat_prefix": "in",
        "codec_type": match codec { Http::One => "HTTP1", Http::Two => "HTTP2" },
        "http_filters": chain,
        "route_config": {"name": "routes", "virtual_hosts": hosts},
    });
    if filters == Filters::Istio {
        set(&mut manager, "access_log", json!([istio_stats()]));
    }
    let kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    typed("http", kind, manager)
}

fn virtual_host(name: &str, domains: &[&str], cluster: &str) -> Value {
    json!({"name": name, "domains": domains, "routes": [
        {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}},
    ]})
}

fn istio_filters() -> Vec<Value> {
    let filter = |name: &str, kind: &str, config| {
        typed(
            name,
            &format!("envoy.extensions.filters.http.{kind}"),
            config,
        )
    };
    let anybody = json!({"rules": {"action": "ALLOW", "policies": {"all": {
        "permissions": [{"any": true}], "principals": [{"any": true}],
    }}}});
    let grpc = json!({"emit_filter_state": true, "stats_for_all_methods": false});
    vec![
        filter("rbac", "rbac.v3.RBAC", anybody),
        filter("grpc_stats", "grpc_stats.v3.FilterConfig", grpc),
        filter("fault", "fault.v3.HTTPFault", json!({})),
        filter("cors", "cors.v3.Cors", json!({})),
    ]
}

/// Istio's own statistics filter is not part of Envoy; this is Envoy's means to the same end: a
/// counter and a histogram of requests whose labels are taken from each request.
fn istio_stats() -> Value {
    let tag = |name: &str, format: &str| json!({"name": name, "value_format": format});
    let tags = json!([
        tag("response_code", "%RESPONSE_CODE%"),
        tag("response_flags", "%RESPONSE_FLAGS%"),
        tag("request_protocol", "%PROTOCOL%"),
        tag("source_principal", "%DOWNSTREAM_PEER_URI_SAN%"),
        tag("destination_service", "%REQ(:AUTHORITY)%"),
        tag("destination_cluster", "%UPSTREAM_CLUSTER%"),
    ]);
    typed(
        "envoy.access_loggers.stats",
        "envoy.extensions.access_loggers.stats.v3.Config",
        json!({
            "stat_prefix": "istio",
            "counters": [{
                "stat": {"name": "requests_total", "tags": tags},
                "value_fixed": 1,
            }],
            "histograms": [{
                "stat": {"name": "request_duration", "tags": tags},
                "unit": "Milliseconds",
                "value_format": "%DURATION%",
            }],
        }),
    )
}

fn tcp_filter() -> Value {
    let kind = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    typed(
        "tcp",
        kind,
        json!({"stat_prefix": "tcp", "cluster": "back"}),
    )
}

/// Certificates of one side; no session is ever resumed.
fn tls(place: &Place<'_>, name: &str, alpn: &[&str]) -> Value {
    let certificates = place.certificates;
    let mut common = json!({
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_3",
            "tls_maximum_protocol_version": "TLSv1_3",
        },
        "tls_certificates": [{
            "certificate_chain": {"filename": certificates.chain(name)},
            "private_key": {"filename": certificates.key(name)},
        }],
        "validation_context": {"trusted_ca": {"filename": certificates.ca()}},
    });
    if !alpn.is_empty() {
        set(&mut common, "alpn_protocols", json!(alpn));
    }
    common
}

fn accept_tls(place: &Place<'_>, alpn: &[&str]) -> Value {
    typed(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        json!({
            "common_tls_context": tls(place, "server", alpn),
            "require_client_certificate": true,
            "disable_stateless_session_resumption": true,
            "disable_stateful_session_resumption": true,
        }),
    )
}

fn connect_tls(place: &Place<'_>, alpn: &[&str]) -> Value {
    typed(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        json!({
            "common_tls_context": tls(place, "client", alpn),
            "sni": NAME, "max_session_keys": 0,
        }),
    )
}
