//! Connections whose bytes are passed on as they are.

use std::rc::Rc;
use std::time::Duration;

use mesh_traffic::cluster::Transport;
use mesh_traffic::config::Config;
use mesh_traffic::listener::TcpProxy;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

use crate::conn::io::Io;
use crate::http::failure::{Failure, FailureKind};
use crate::upstream::balance::{Avoid, LoadGuard};
use crate::upstream::dial;
use crate::upstream::target::{Speak, Target};
use crate::upstream::tls::Carries;
use crate::worker::Worker;

/// How many endpoints are tried before the client is sent away.
const TRIES: usize = 3;
/// Bytes in flight per direction.
const BUFFER: usize = 64 * 1024;

/// Passes bytes between a client and an endpoint until both ends are closed; a half-closed
/// connection stays open in the other direction.
pub async fn forward(
    worker: Rc<Worker>,
    proxy: &TcpProxy,
    mut client: impl AsyncRead + AsyncWrite + Unpin,
) {
    let config = worker.live.current();
    // The load is counted for as long as bytes are passed on.
    let (mut upstream, _load) = match connect(&worker, &config, proxy).await {
        Ok(connected) => connected,
        Err(failure) => {
            tracing::debug!(?failure, "connection not passed on");
            return;
        }
    };
    // An old configuration is not kept for a connection that lives for days.
    drop(config);
    let copied = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
    if let Err(error) = copied.await {
        tracing::debug!(%error, "passed-on connection ended");
    }
}

async fn connect(
    worker: &Worker,
    config: &Config,
    proxy: &TcpProxy,
) -> Result<(Io, LoadGuard), Failure> {
    let mut tried = Vec::new();
    let mut last = Failure::new(FailureKind::NoHealthyUpstream);
    for _ in 0..TRIES {
        let (target, load) = pick(worker, config, proxy, &mut tried)?;
        let plan = dial::plan(worker.pools.tls(), &target, Carries::Tcp)?;
        match dial::dial(plan).await {
            Ok(dialed) => return Ok((dialed.io, load)),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

fn pick(
    worker: &Worker,
    config: &Config,
    proxy: &TcpProxy,
    tried: &mut Vec<usize>,
) -> Result<(Target, LoadGuard), Failure> {
    let mut random = worker.random.borrow_mut();
    let name = proxy
        .cluster(|| random.u64(..))
        .ok_or(FailureKind::NoCluster)?;
    let cluster = config.cluster(name).ok_or(FailureKind::NoCluster)?;
    let endpoints = config
        .endpoints_of(cluster)
        .ok_or(FailureKind::NoHealthyUpstream)?;
    let avoid = Avoid { tried, attempts: 5 };
    let picked = worker
        .balancers
        .pick(cluster, endpoints, avoid, &mut random);
    let (index, load) = picked.ok_or(FailureKind::NoHealthyUpstream)?;
    let endpoint = endpoints
        .all
        .get(index)
        .ok_or(FailureKind::NoHealthyUpstream)?;
    tried.push(index);
    let tls = match cluster.transport_to(endpoint) {
        Transport::Plain => None,
        Transport::Tls(tls) => Some(tls.clone()),
    };
    let target = Target {
        address: endpoint.address,
        tls,
        speak: Speak::Http1,
        connect_timeout: cluster.connect_timeout.max(Duration::from_millis(1)),
        idle_timeout: None,
    };
    Ok((target, load))
}
