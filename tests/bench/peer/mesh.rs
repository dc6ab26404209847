//! Mesh itself: a real mesh with everything on, its sidecars on the proxies' core.
//!
//! One proxy: the server's sidecar, entered from outside the mesh. A pair: the client's sidecar as
//! the client enters it, and the server's. Certificates come from citadel, configuration from pilot,
//! metrics go to mixer; these, the application and the supervisor stay on the other core.

use std::net::{SocketAddr, TcpStream};
use std::panic::catch_unwind;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use mesh_test::eventually;
use mesh_tests::status::address;
use mesh_tests::{Mesh, Setup, Workload, fetch};
use tempfile::TempDir;

use super::{Running, unused_services};
use crate::certificates;
use crate::process::{Cores, move_to};
use crate::scenario::Shape;

/// The server's ports.
const HTTP: u16 = 9080;
const GRPC: u16 = 9090;
const TCP: u16 = 9100;

/// What a client of the mesh offers that speaks HTTP/1.1.
const ALPN: &str = "istio,http/1.1";

/// Starts a mesh and puts its sidecars where proxies belong.
pub(super) fn start(shape: Shape, cores: Cores) -> Result<Running> {
    let folder = TempDir::new()?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/mesh");
    let setup = Setup::default().source(here);
    let setup = setup
        .set("proxy.concurrency=1")
        .set("proxy.access-log=/dev/null");
    let mesh = up(setup)?;
    let status = mesh.status();
    let (client, server) = (status.workload("client"), status.workload("server"));
    let inbound = |port| -> Result<SocketAddr> {
        let url = server
            .inbound
            .as_deref()
            .context("the server has a way in")?;
        Ok(SocketAddr::new(address(url).ip(), port))
    };
    let outbound = |port| mesh.outbound(&client.name, "server", port);
    let (to, proxies) = match shape {
        Shape::Plain | Shape::PlainTls | Shape::ManyClusters => (inbound(HTTP)?, vec![server]),
        Shape::H2c => (inbound(GRPC)?, vec![server]),
        Shape::Tcp => (inbound(TCP)?, vec![server]),
        Shape::Pair => (outbound(HTTP), vec![client, server]),
        Shape::Grpc => (outbound(GRPC), vec![client, server]),
        Shape::TcpPair => (outbound(TCP), vec![client, server]),
    };
    if shape == Shape::ManyClusters {
        know_many_services(&mesh, server)?;
    }
    let pids: Option<Vec<i32>> = proxies.iter().map(|proxy| proxy.sidecar_pid).collect();
    let pids = pids.context("the sidecars run")?;
    for pid in &pids {
        move_to(*pid, cores.proxy)?;
    }
    TcpStream::connect(to).with_context(|| format!("no listener at {to}"))?;
    let identity = "spiffe://cluster.local/ns/default/sa/client";
    let leaf = mesh.authority().leaf(identity);
    std::fs::write(folder.path().join("ca.pem"), mesh.authority().pem())?;
    certificates::write(folder.path(), "client", &leaf)?;
    Ok(Running {
        to,
        pids,
        certificates: folder.path().to_owned(),
        alpn: ALPN,
        _processes: Vec::new(),
        _folder: folder,
        _mesh: Some(mesh),
    })
}

/// Starts a mesh; one that does not come up has said why on standard error.
fn up(setup: Setup) -> Result<Mesh> {
    catch_unwind(move || setup.up()).map_err(|_| anyhow!("the mesh did not come up"))
}

/// Adds services to what pilot reads as the cluster, and waits until the proxy knows them.
fn know_many_services(mesh: &Mesh, proxy: &Workload) -> Result<()> {
    let cluster = mesh.state().join("cluster");
    for host in unused_services() {
        let name = host.split('.').next().unwrap_or_default();
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
             spec:\n  selector: {{app: {name}}}\n  ports: [{{name: http, port: 9080}}]\n"
        );
        let hidden = cluster.join(format!(".{name}"));
        std::fs::write(&hidden, service)?;
        std::fs::rename(
            &hidden,
            cluster.join(format!("service.default.{name}.yaml")),
        )?;
    }
    let runtime = crate::runtime()?;
    let clusters = format!("{}/clusters", proxy.admin);
    let wanted = unused_services().last().unwrap_or_default();
    eventually("the proxy knows every service", || {
        let (_, text) = runtime.block_on(fetch(&clusters, &[]));
        text.contains(&wanted).then_some(()).ok_or(text.len())
    });
    Ok(())
}
