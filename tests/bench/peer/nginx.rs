//! nginx as a peer: one process, access log off, kept-alive connections to its upstream.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{Place, Programs, on_path};
use crate::certificates::NAME;
use crate::scenario::Shape;

/// Why it does not take part.
pub(super) const MISSING: &str = "nginx is not installed (cargo xtask tools)";

pub(super) fn program() -> Option<PathBuf> {
    on_path("nginx")
}

pub(super) fn programs(shape: Shape, place: &Place<'_>) -> Result<Programs> {
    let (front, middle, backend) = (place.front, place.middle, place.backend);
    let (from_middle, to_middle) = (accept_tls(place), connect_tls(place));
    let pass = "proxy_pass http://back; proxy_http_version 1.1; \
                proxy_set_header Connection \"\"; proxy_set_header Host $http_host;";
    let pass_tls = pass.replace("http://", "https://");
    let files = match shape {
        Shape::Plain => vec![server(front, "", "", pass, backend)],
        Shape::PlainTls => vec![server(front, "ssl", &from_middle, pass, backend)],
        Shape::H2c => vec![server(
            front,
            "http2",
            "",
            "grpc_pass grpc://back;",
            backend,
        )],
        Shape::Pair => vec![
            server(front, "", "", &(pass_tls + &to_middle), middle),
            server(middle, "ssl", &from_middle, pass, backend),
        ],
        Shape::Grpc => {
            let to_middle = to_middle.replace("proxy_ssl", "grpc_ssl");
            let pass = format!("grpc_pass grpcs://back; {to_middle}");
            vec![
                server(front, "http2", "", &pass, middle),
                server(
                    middle,
                    "ssl http2",
                    &from_middle,
                    "grpc_pass grpc://back;",
                    backend,
                ),
            ]
        }
        Shape::Tcp | Shape::TcpPair | Shape::ManyClusters => {
            bail!("nginx takes no part in this scenario")
        }
    };
    let mut arguments = Vec::new();
    for (number, http) in files.iter().enumerate() {
        let path = place.folder.join(format!("nginx-{number}.conf"));
        std::fs::write(&path, file(http, number, place))?;
        let path = path.to_string_lossy().into_owned();
        arguments.push(vec!["-c".to_owned(), path]);
    }
    Ok(Programs {
        program: Some(program().context(MISSING)?),
        arguments,
    })
}

fn file(http: &str, number: usize, place: &Place<'_>) -> String {
    let folder = place.folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind}-{number};\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/nginx-{number}.pid; error_log stderr crit;\n\
         events {{ worker_connections 30000; }}\n\
         http {{ access_log off; tcp_nodelay on; keepalive_timeout 300s;\n\
         keepalive_requests 100000000; http2_max_concurrent_streams 1000;\n\
         {temporary}{http} }}\n"
    )
}

fn server(listen: SocketAddr, how: &str, tls: &str, pass: &str, to: SocketAddr) -> String {
    format!(
        "upstream back {{ server {to}; keepalive 256; keepalive_requests 100000000;\n\
         keepalive_timeout 300s; }}\n\
         server {{ listen {listen} {how}; {tls} location / {{ {pass} }} }}\n"
    )
}

fn accept_tls(place: &Place<'_>) -> String {
    let certificates = place.certificates;
    format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; \
         ssl_verify_client on; ssl_protocols TLSv1.3; ssl_session_tickets off;",
        certificates.chain("server"),
        certificates.key("server"),
        certificates.ca(),
    )
}

fn connect_tls(place: &Place<'_>) -> String {
    let certificates = place.certificates;
    format!(
        "proxy_ssl_certificate {}; proxy_ssl_certificate_key {}; \
         proxy_ssl_trusted_certificate {}; proxy_ssl_verify on; proxy_ssl_name {NAME}; \
         proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off;",
        certificates.chain("client"),
        certificates.key("client"),
        certificates.ca(),
    )
}
