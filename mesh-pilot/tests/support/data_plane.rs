//! A proxy without sockets: its configuration compiled, and what it decides about a call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_http::RequestHead;
use mesh_model::time::Clock;
use mesh_pilot::snapshot::World;
use mesh_pilot::translate::translate;
use mesh_test::clock::fixed;
use mesh_traffic::balance::Choice;
use mesh_traffic::cluster::Transport as Reach;
use mesh_traffic::listener::RouteSource;
use mesh_traffic::{
    Action, Balancer, Cluster, Config, ConnFacts, Endpoints, Facts, FilterChain, Listener, Network,
    RouteTable, Transport, decide_route,
};

/// One proxy's configuration, as the proxy understands it.
pub(crate) struct DataPlane(Config);

impl DataPlane {
    /// What `sidecar reviews-v1-0.default` is told in this world; everything must be accepted.
    pub(crate) fn of(world: &World, proxy: &str) -> Self {
        let view = world.view(&crate::world::proxy(proxy)).unwrap();
        let told = translate(&view);
        let mut config = Config::default();
        for pb in told.listeners.values() {
            let listener = Listener::compile(pb).unwrap();
            config
                .listeners
                .insert(listener.name.clone(), Arc::new(listener));
        }
        for pb in told.routes.values() {
            let table = RouteTable::compile(pb).unwrap();
            config.routes.insert(table.name.clone(), Arc::new(table));
        }
        for pb in told.clusters.values() {
            let cluster = Cluster::compile(pb).unwrap();
            config
                .clusters
                .insert(cluster.name.clone(), Arc::new(cluster));
        }
        for pb in told.endpoints.values() {
            let endpoints = Endpoints::compile(pb).unwrap();
            config
                .endpoints
                .insert(endpoints.name.clone(), Arc::new(endpoints));
        }
        Self(config)
    }

    /// The chain that a connection gets.
    pub(crate) fn chain(
        &self,
        local: &str,
        transport: Transport,
        alpn: &[&str],
    ) -> Option<&FilterChain> {
        let local: SocketAddr = local.parse().unwrap();
        let mut listeners = self.0.listeners.values();
        let listener = listeners
            .find(|listener| listener.address == local)
            .unwrap();
        listener.chain(&ConnFacts {
            local,
            remote: "127.7.9.1:40000".parse().unwrap(),
            transport,
            alpn,
            sni: None,
        })
    }

    /// What happens to a plain request that arrives at this address.
    pub(crate) fn call(&self, local: &str, request: &str, draw: u64) -> String {
        let chain = self.chain(local, Transport::Raw, &[]);
        self.serve(chain.unwrap(), request, draw).0
    }

    /// The request as it is sent on.
    pub(crate) fn sent(&self, local: &str, request: &str) -> RequestHead {
        let chain = self.chain(local, Transport::Raw, &[]);
        self.serve(chain.unwrap(), request, 0).1
    }

    /// What a chain does with a request, and the request as it is sent on.
    pub(crate) fn serve(
        &self,
        chain: &FilterChain,
        request: &str,
        draw: u64,
    ) -> (String, RequestHead) {
        let Network::Http(manager) = &chain.network else {
            panic!("{chain:?}");
        };
        let table = match &manager.routes {
            RouteSource::Rds(name) => self.0.route_table(name).unwrap(),
            RouteSource::Inline(table) => table,
        };
        let head = head(request);
        let decision = decide_route(table, &head, || draw);
        let mut sent = head.clone();
        decision.shape_request(&mut sent, &FACTS);
        let outcome = match decision.action {
            Action::Forward(forward) => self.forward(forward.cluster),
            Action::Redirect(redirect) => {
                format!("{} {}", redirect.status, redirect.location(&head))
            }
            Action::Respond(respond) => respond.status.to_string(),
            Action::NotFound => "404 NR".to_owned(),
        };
        (outcome, sent)
    }

    /// Of a hundred requests, how many go where.
    pub(crate) fn shares(&self, local: &str, request: &str) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for draw in 0..100 {
            let outcome = self.call(local, request, draw);
            *shares.entry(outcome).or_default() += 1;
        }
        shares
    }

    fn forward(&self, name: &str) -> String {
        let Some(cluster) = self.0.cluster(name) else {
            return format!("503 NC {name}");
        };
        let choice = Choice {
            load: &|_| 0,
            hash: None,
            tried: &[],
            attempts: 1,
            now: fixed().now(),
        };
        let endpoints = self.0.endpoints_of(cluster).unwrap();
        let picked = Balancer::new(cluster, 0).pick(endpoints, &choice, &mut || 0);
        let Some(endpoint) = picked.and_then(|index| endpoints.all.get(index)) else {
            return format!("503 UH {name}");
        };
        let whom = match cluster.transport_to(endpoint) {
            Reach::Plain => "anybody".to_owned(),
            Reach::Tls(tls) => {
                let ids = tls.servers.exact.iter().map(ToString::to_string);
                ids.collect::<Vec<_>>().join(",")
            }
        };
        format!("{name} at {} being {whom}", endpoint.address)
    }
}

const FACTS: Facts<'static> = Facts {
    remote: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40000),
    local: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9080),
    peer: None,
    peer_fingerprint: None,
    own: None,
    tls: None,
    sni: None,
    chain: "",
    cluster: None,
};

/// Reads `GET reviews:9080/x` and header lines after it.
fn head(request: &str) -> RequestHead {
    let mut lines = request.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let (authority, path) = target.split_at(target.find('/').unwrap());
    let mut head = RequestHead {
        method: method.to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        ..RequestHead::default()
    };
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        head.fields.append(name.trim(), value).unwrap();
    }
    head
}
