//! The servers that stand behind sidecars: hyper, and nginx, HAProxy and Envoy before hyper.
//!
//! Each has a port for HTTP/1 and one for HTTP/2 in cleartext, and says in `x-server-protocol` what
//! its sidecar spoke. The last three reach hyper through the mesh again, so they are clients too.

use mesh_tests::tools::envoy;
use serde_json::{Value, json};

use crate::world::App;

/// The ports of every server.
pub(crate) const PORTS: &[(&str, u16)] = &[("http", 8080), ("http2", 8081)];

/// A server whose program takes its ports as arguments.
pub(crate) fn hyper() -> App {
    app("hyper", &["mesh-peer", "${port.http}", "${port.http2}"])
}

/// nginx; it ends a connection after 40 requests.
pub(crate) fn nginx() -> App {
    let server = |listen: &str, port: &str| {
        format!(
            "server {{ listen 127.0.0.1:{listen}; location / {{
             proxy_pass http://hyper_{port}; proxy_http_version 1.1; proxy_set_header Connection '';
             proxy_set_header Host $http_host; proxy_hide_header x-server-protocol;
             proxy_request_buffering off;
             add_header x-server-protocol $server_protocol always; }}
             location /own/ {{ root .; client_body_temp_path .; dav_methods PUT DELETE;
             create_full_put_path on; }} }}"
        )
    };
    let text = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;
         events {{ worker_connections 1000; }}
         http {{ access_log off; client_max_body_size 0; keepalive_requests 40;
         large_client_header_buffers 4 32k; client_body_temp_path body; proxy_temp_path proxy;
         fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
         upstream hyper_http {{ server ${{service.hyper.host}}:${{service.hyper.port}}; keepalive 16; }}
         {} {} }}",
        server("${port.http}", "http"),
        server("${port.http2} http2", "http"),
    );
    let start = "mkdir -p nginx && cd nginx && printf '%s' \"$CONF\" > nginx.conf && \
                 exec nginx -p . -e stderr -c nginx.conf";
    App {
        env: vec![("CONF", text)],
        ..app("nginx", &["sh", "-c", start])
    }
}

/// HAProxy; its second port speaks HTTP/2 to hyper too.
pub(crate) fn haproxy() -> App {
    let side = |name: &str, proto: &str| {
        format!(
            "frontend {name}
               bind \"127.0.0.1:${{port.{name}}}\"{proto}
               http-request set-var(txn.version) req.ver
               http-response set-header x-server-protocol HTTP/%[var(txn.version)]
               default_backend to_{name}
             backend to_{name}
               http-reuse always
               server hyper ${{service.hyper.host}}:${{service.hyper.port}}{proto}\n"
        )
    };
    let text = format!(
        "global\n  nbthread 1\n  tune.bufsize 32768\ndefaults\n  mode http\n  timeout connect 5s\n  \
         timeout client 60s\n  timeout server 60s\n{}{}",
        side("http", ""),
        side("http2", " proto h2"),
    );
    let start = "printf '%s\\n' \"$CONF\" > haproxy.cfg && exec haproxy -db -f haproxy.cfg";
    App {
        env: vec![("CONF", text)],
        ..app("haproxy", &["sh", "-c", start])
    }
}

/// Envoy; its second port speaks HTTP/2 to hyper too.
pub(crate) fn envoy_server() -> App {
    envoy_with(&[], &[])
}

/// The same with more filters before its router, and with routes before the one for everything.
/// Routes lack their clusters.
pub(crate) fn envoy_with(filters: &[Value], routes: &[Value]) -> App {
    let types = "type.googleapis.com/envoy.extensions";
    let route = |route: &Value, cluster: &str| {
        let mut route = route.clone();
        route["route"] = json!({"cluster": cluster, "timeout": "0s"});
        route
    };
    let everything = json!({"match": {"prefix": "/"}});
    let routes = |cluster: &str| -> Vec<Value> {
        let all = routes.iter().chain([&everything]);
        all.map(|one| route(one, cluster)).collect()
    };
    let router = json!({"name": "envoy.filters.http.router", "typed_config":
        {"@type": format!("{types}.filters.http.router.v3.Router")}});
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    let listener = |name: &str, codec: &str| {
        json!({
            "name": name,
            "address": {"socket_address":
                {"address": "127.0.0.1", "port_value": format!("PORT-{name}")}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": {
                "@type": format!("{types}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                "stat_prefix": name, "codec_type": codec,
                "http_protocol_options": {"enable_trailers": true},
                "http_filters": filters,
                "route_config": {"virtual_hosts":
                    [{"name": "all", "domains": ["*"], "routes": routes(name)}],
                    "response_headers_to_add": [{"append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                        "header": {"key": "x-server-protocol", "value": "%PROTOCOL%"}}]},
            }}]}],
        })
    };
    let cluster = |name: &str, options: &str, settings: Value| {
        json!({
            "name": name, "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint":
                {"address": {"socket_address":
                    {"address": "${service.hyper.host}", "port_value": "PORT-hyper"}}}}]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": format!("{types}.upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {options: settings}}},
        })
    };
    let text = json!({"static_resources": {
        "listeners": [listener("http", "HTTP1"), listener("http2", "HTTP2")],
        "clusters": [
            cluster("http", "http_protocol_options", json!({"enable_trailers": true})),
            cluster("http2", "http2_protocol_options", json!({})),
        ],
    }})
    .to_string()
    .replace("\"PORT-http\"", "${port.http}")
    .replace("\"PORT-http2\"", "${port.http2}")
    .replace("\"PORT-hyper\"", "${service.hyper.port}");
    let program = envoy().to_string_lossy().into_owned();
    let args = [
        "--concurrency",
        "1",
        "-l",
        "warn",
        "--disable-hot-restart",
        "--config-yaml",
    ];
    let mut command = vec![program.as_str()];
    command.extend(args);
    command.push(&text);
    app("envoy", &command)
}

fn app(name: &'static str, command: &[&str]) -> App {
    App {
        name,
        ports: PORTS,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        env: Vec::new(),
    }
}
