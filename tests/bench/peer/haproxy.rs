//! HAProxy as a peer.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Place, Programs, on_path, unused_services};
use crate::certificates::NAME;
use crate::scenario::Shape;

/// Why it does not take part.
pub(super) const MISSING: &str = "haproxy is not installed (cargo xtask tools)";

/// How bytes of TCP go from one socket to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    /// Through its buffers.
    Buffers,
    /// In the kernel.
    Splice,
}

pub(super) fn program() -> Option<PathBuf> {
    on_path("haproxy")
}

pub(super) fn programs(shape: Shape, place: &Place<'_>, copy: Copy) -> Result<Programs> {
    let Place {
        front,
        middle,
        backend,
        ..
    } = place;
    let h2 = |address: &SocketAddr| format!("{address} proto h2");
    let (front_h2, backend_h2) = (h2(front), h2(backend));
    let (front, middle, backend) = (front.to_string(), middle.to_string(), backend.to_string());
    let (to_middle, from_middle) = (to_middle(place), from_middle(place));
    let http = "mode http\n  http-reuse always";
    let tcp = match copy {
        Copy::Buffers => "mode tcp",
        Copy::Splice => {
            "mode tcp\n  option splice-auto\n  option splice-response\n  option splice-request"
        }
    };
    let alpn = |side: &str| format!("{side} alpn h2");
    let files: Vec<String> = match shape {
        Shape::Plain => vec![file(http, &front, &backend)],
        Shape::PlainTls => {
            let bind = from_middle.replacen(&middle, &front, 1);
            vec![file(http, &format!("{bind} alpn http/1.1"), &backend)]
        }
        Shape::H2c => vec![file(http, &front_h2, &backend_h2)],
        Shape::Pair => vec![
            file(http, &front, &alpn(&to_middle)),
            file(http, &alpn(&from_middle), &backend),
        ],
        Shape::Grpc => vec![
            file(http, &front_h2, &alpn(&to_middle)),
            file(http, &alpn(&from_middle), &backend_h2),
        ],
        Shape::Tcp => vec![file(tcp, &front, &backend)],
        Shape::TcpPair => vec![
            file(tcp, &front, &to_middle),
            file(tcp, &from_middle, &backend),
        ],
        Shape::ManyClusters => vec![many(place, http)?],
    };
    let mut arguments = Vec::new();
    for (number, text) in files.iter().enumerate() {
        let path = place.folder.join(format!("haproxy-{number}.cfg"));
        std::fs::write(&path, text)?;
        let path = path.to_string_lossy().into_owned();
        arguments.push(["-db", "-f", &path].map(ToOwned::to_owned).to_vec());
    }
    Ok(Programs {
        program: Some(program().context(MISSING)?),
        arguments,
    })
}

/// The client's side of the link, with a full handshake for every connection.
fn to_middle(place: &Place<'_>) -> String {
    let certificates = place.certificates;
    format!(
        "{} ssl crt {} ca-file {} verify required verifyhost {NAME} sni str({NAME}) \
         ssl-min-ver TLSv1.3 no-ssl-reuse",
        place.middle,
        certificates.both("client"),
        certificates.ca(),
    )
}

/// The server's side of the link.
fn from_middle(place: &Place<'_>) -> String {
    let certificates = place.certificates;
    format!(
        "{} ssl crt {} ca-file {} verify required ssl-min-ver TLSv1.3 no-tls-tickets",
        place.middle,
        certificates.both("server"),
        certificates.ca(),
    )
}

fn head(mode: &str) -> String {
    format!(
        "global\n  nbthread 1\n  maxconn 9400\n  maxpipes 200\n\
         defaults\n  {mode}\n  timeout connect 5s\n  timeout client 300s\n  timeout server 300s\n"
    )
}

fn file(mode: &str, bind: &str, server: &str) -> String {
    format!(
        "{}frontend front\n  bind {bind}\n  default_backend back\n\
         backend back\n  server back {server}\n",
        head(mode)
    )
}

fn many(place: &Place<'_>, mode: &str) -> Result<String> {
    let map = place.folder.join("services.map");
    let mut text = file(mode, &place.front.to_string(), &place.backend.to_string());
    let choice = format!(
        "  use_backend %[req.hdr(host),field(1,:),lower,map({},back)]\n  default_backend back\n",
        map.display()
    );
    text = text.replacen("  default_backend back\n", &choice, 1);
    let mut services = String::new();
    for service in unused_services() {
        services.push_str(&format!("{service} {service}\n"));
        text.push_str(&format!(
            "backend {service}\n  server back {}\n",
            place.backend
        ));
    }
    std::fs::write(&map, services)?;
    Ok(text)
}
