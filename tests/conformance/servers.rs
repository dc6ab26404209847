//! Servers that are not ours behind sidecars: hyper, nginx, HAProxy, Envoy, each spoken to with
//! HTTP/1 and with HTTP/2 in cleartext.

mod pages;

use std::sync::Arc;

use mesh_tests::pattern::pattern;

use crate::apps::{self, PORTS};
use crate::curl::{Way, on_all, same};
use crate::exchanges as exchange;
use crate::world::{Shared, World};

static WORLD: Shared = Shared::new(|| {
    let apps = [
        apps::hyper(),
        apps::nginx(),
        apps::haproxy(),
        apps::envoy_server(),
    ];
    World::up(&apps, &[])
});

const SERVERS: [&str; 4] = ["hyper", "nginx", "haproxy", "envoy"];

fn ways(world: &Arc<World>) -> Vec<Way> {
    let mut ways = Vec::new();
    for server in SERVERS {
        for (port, number) in PORTS {
            for speak in ["--http1.1", "--http2-prior-knowledge"] {
                ways.push(Way {
                    _world: world.clone(),
                    name: format!("{server}'s port {port}"),
                    to: world.outbound(server, *number),
                    host: format!("{server}:{number}"),
                    speak,
                    served_with: match (*port, server) {
                        ("http", _) => "HTTP/1.1",
                        (_, "envoy") => "HTTP/2",
                        _ => "HTTP/2.0",
                    },
                    // nginx 1.22 passes no trailers on.
                    trailers: server != "nginx",
                });
            }
        }
    }
    ways
}

#[test]
fn requests_arrive_as_they_were_sent() {
    on_all(
        &ways(&WORLD.get()),
        exchange::a_request_arrives_as_it_was_sent,
    );
}

#[test]
fn statuses_come_back() {
    on_all(&ways(&WORLD.get()), exchange::statuses_come_back);
}

#[test]
fn head_has_a_length_and_no_body() {
    on_all(&ways(&WORLD.get()), exchange::head_has_a_length_and_no_body);
}

#[test]
fn bodies_come_down_whole() {
    on_all(&ways(&WORLD.get()), exchange::bodies_come_down_whole);
}

#[test]
fn bodies_go_up_whole() {
    on_all(&ways(&WORLD.get()), exchange::bodies_go_up_whole);
}

#[test]
fn an_expected_100_comes() {
    on_all(&ways(&WORLD.get()), exchange::an_expected_100_comes);
}

#[test]
fn trailers_come_down() {
    on_all(&ways(&WORLD.get()), exchange::trailers_come_down);
}

#[test]
fn a_connection_serves_many() {
    on_all(&ways(&WORLD.get()), exchange::a_connection_serves_many);
}

/// nginx ends every connection after 40 requests, with GOAWAY on HTTP/2.
#[test]
fn a_server_that_ends_its_connections_loses_no_request() {
    let all = ways(&WORLD.get());
    let ways: Vec<Way> = all
        .into_iter()
        .filter(|way| way.name.starts_with("nginx"))
        .collect();
    on_all(&ways, |way| {
        let streams = if way.speaks_http1() { "--h1" } else { "-m10" };
        exchange::load(way, &["-n", "2000", "-c", "4", streams], 2000)
    });
}

/// What nginx does of its own accord, with files: PUT, ranges, revalidation, refusals.
#[test]
fn nginx_serves_its_files() {
    let all = ways(&WORLD.get());
    let ways: Vec<Way> = all
        .into_iter()
        .filter(|way| way.name.starts_with("nginx"))
        .collect();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, pattern(300_000)).unwrap();
    let file = file.to_string_lossy().into_owned();
    on_all(&ways, |way| {
        let path = format!("/own/{}{}", way.speak, way.to.port());
        let put = way.fetch(&path, &["-T", &file])?.status;
        same("PUT", put == 201 || put == 204, true)?;
        let whole = way.fetch(&path, &[])?;
        same("GET", whole.body == pattern(300_000), true)?;
        let tag = whole.field("etag").ok_or("no etag")?.to_owned();
        let again = way.fetch(&path, &["-H", &format!("If-None-Match: {tag}")])?;
        same("revalidation", (again.status, again.body.len()), (304, 0))?;
        let part = way.fetch(&path, &["-r", "1000-1999"])?;
        same("range", part.status, 206)?;
        same("range", part.body.as_slice(), &pattern(2000)[1000..])?;
        same(
            "content-range",
            part.field("content-range"),
            Some("bytes 1000-1999/300000"),
        )?;
        same(
            "past the end",
            way.fetch(&path, &["-r", "300000-"])?.status,
            416,
        )?;
        same("nothing there", way.fetch("/own/none", &[])?.status, 404)?;
        same("DELETE", way.fetch(&path, &["-X", "DELETE"])?.status, 204)
    });
}
