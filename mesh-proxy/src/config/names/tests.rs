use std::net::{Ipv4Addr, SocketAddr};

use mesh_model::service::Health;
use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_traffic::dns::{Family, Named, Refresh, Servers};
use mesh_traffic::endpoint::Terms;
use mesh_traffic::{Cluster, Endpoint};
use prometheus::Registry;
use tokio::sync::watch;

use super::*;
use crate::testing::dns::{Answers, Server};
use crate::testing::mk_cluster;

/// A proxy whose clusters ask a server of the test.
struct Bench {
    live: Arc<LiveConfig>,
    catalog: Catalog,
    names: Names,
    tasks: Tasks,
    changes: watch::Receiver<u64>,
    server: Server,
}

impl Bench {
    fn new(answers: Answers) -> Self {
        let live = Arc::new(LiveConfig::new(Config::default()));
        let catalog = Catalog::new();
        let names = Names::new(live.clone(), catalog.clone());
        let tasks = Tasks::new(&Registry::new());
        names.clone().follow(&tasks);
        let changes = live.changes();
        Self {
            live,
            catalog,
            names,
            tasks,
            changes,
            server: Server::start(answers),
        }
    }

    /// Asks every few milliseconds.
    fn dns(&self, names: &[&str]) -> Dns {
        let every = Duration::from_millis(5);
        Dns {
            names: names.iter().map(|name| named(name)).collect(),
            terms: Terms::default(),
            first_alone: false,
            family: Family::Ipv4,
            refresh: Refresh {
                every,
                by_ttl: None,
                failed: (every, every),
                jitter: Duration::ZERO,
            },
            servers: Servers {
                addresses: vec![self.server.address()],
                as_fallback: false,
                tcp: false,
                search: false,
                timeout: Duration::from_secs(20),
                tries: 1,
            },
        }
    }

    fn want(&self, dns: Dns) {
        let cluster = Cluster {
            discovery: Discovery::Dns(Arc::new(dns)),
            ..mk_cluster("c", &[])
        };
        self.live.change(|before| {
            let mut config = before.clone();
            config.clusters.insert("c".into(), Arc::new(cluster));
            config.version += 1;
            config
        });
    }

    fn found(&self) -> Option<Vec<String>> {
        let config = self.live.current();
        let endpoints = config.endpoints_of(config.cluster("c").unwrap())?;
        let all = endpoints.all.iter();
        Some(all.map(|one| one.address.to_string()).collect())
    }

    async fn becomes(&mut self, wanted: &[&str]) {
        while self.found().as_deref()
            != Some(
                &wanted
                    .iter()
                    .map(|one| (*one).to_owned())
                    .collect::<Vec<_>>(),
            )
        {
            self.changes.changed().await.unwrap();
        }
    }
}

fn named(name: &str) -> Named {
    Named {
        name: name.into(),
        endpoint: Endpoint {
            address: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 80),
            weight: 1,
            health: Health::Healthy,
            priority: 0,
            locality: Arc::default(),
            hostname: None,
            transport_match: Vec::new(),
            workload: None,
            probing: Default::default(),
        },
    }
}

#[tokio::test]
async fn what_dns_says_is_followed() {
    let mut bench = Bench::new(Answers::new([(
        "a.example.",
        &["10.0.0.1", "10.0.0.2"][..],
    )]));
    bench.want(bench.dns(&["a.example", "10.0.0.9"]));
    bench
        .becomes(&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.9:80"])
        .await;
    bench.server.say("a.example.", &["10.0.0.3"]);
    bench.becomes(&["10.0.0.3:80", "10.0.0.9:80"]).await;
    bench.server.say("a.example.", &[]);
    bench.becomes(&["10.0.0.9:80"]).await;
    bench.tasks.stop(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn who_does_not_answer_takes_nothing_away() {
    let mut bench = Bench::new(Answers::new([("a.example.", &["10.0.0.1"][..])]));
    bench.want(bench.dns(&["a.example"]));
    bench.becomes(&["10.0.0.1:80"]).await;
    bench.server.fail("a.example.");
    bench.server.was_asked_again("a.example.").await;
    bench.server.was_asked_again("a.example.").await;
    assert_eq!(bench.found().unwrap(), ["10.0.0.1:80"]);
    bench.server.say("a.example.", &["10.0.0.2"]);
    bench.becomes(&["10.0.0.2:80"]).await;
}

#[tokio::test]
async fn an_answer_counts_as_long_as_it_is_good() {
    let mut bench = Bench::new(Answers::new([("a.example.", &["10.0.0.1"][..])]));
    let dns = bench.dns(&["a.example"]);
    let began = SystemClock.now();
    bench.want(Dns {
        refresh: Refresh {
            by_ttl: Some(Duration::ZERO),
            ..dns.refresh
        },
        ..dns
    });
    bench.becomes(&["10.0.0.1:80"]).await;
    bench.server.say("a.example.", &["10.0.0.2"]);
    bench.becomes(&["10.0.0.2:80"]).await;
    // The server says that its answers are good for a second.
    assert!(SystemClock.now() - began >= Duration::from_secs(1));
}

#[tokio::test]
async fn other_names_take_the_place_of_the_first_when_all_were_answered() {
    let mut bench = Bench::new(Answers::new([
        ("a.example.", &["10.0.0.1"][..]),
        ("b.example.", &["10.0.0.2"]),
        ("c.example.", &["10.0.0.3"]),
    ]));
    bench.want(bench.dns(&["a.example"]));
    bench.becomes(&["10.0.0.1:80"]).await;
    bench.server.hold("c.example.");
    bench.want(bench.dns(&["b.example", "c.example"]));
    bench.server.was_asked_again("b.example.").await;
    bench.server.was_asked_again("b.example.").await;
    assert_eq!(bench.found().unwrap(), ["10.0.0.1:80"]);
    bench.server.say("c.example.", &["10.0.0.3"]);
    bench.becomes(&["10.0.0.2:80", "10.0.0.3:80"]).await;
}

#[tokio::test]
async fn a_proxy_is_ready_when_its_names_were_answered() {
    let mut bench = Bench::new(Answers::new([("a.example.", &["10.0.0.1"][..])]));
    bench.server.hold("a.example.");
    bench.want(bench.dns(&["a.example"]));
    bench.names.rest_is_complete();
    bench.server.was_asked_again("a.example.").await;
    assert!(!bench.catalog.is_ready());
    // That there is no such name is an answer.
    bench.server.say("a.example.", &[]);
    bench.becomes(&[]).await;
    let mut ready = bench.catalog.ready();
    ready.wait_for(|ready| *ready).await.unwrap();
}

#[tokio::test]
async fn nobody_is_asked_for_a_cluster_that_is_gone() {
    let mut bench = Bench::new(Answers::new([
        ("a.example.", &["10.0.0.1"][..]),
        ("b.example.", &["10.0.0.2"]),
    ]));
    bench.want(bench.dns(&["a.example"]));
    bench.becomes(&["10.0.0.1:80"]).await;
    bench.want(bench.dns(&["b.example"]));
    bench.becomes(&["10.0.0.2:80"]).await;
    let asked = bench.server.asked("a.example.");
    bench.server.was_asked_again("b.example.").await;
    bench.server.was_asked_again("b.example.").await;
    assert_eq!(bench.server.asked("a.example."), asked);
}

#[tokio::test]
async fn tcp_is_asked_where_it_must_be() {
    let long: Vec<String> = (1..=250).map(|last| format!("10.0.1.{last}")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let mut bench = Bench::new(Answers::new([("a.example.", &long[..])]));
    let dns = bench.dns(&["a.example"]);
    bench.want(dns.clone());
    let all: Vec<String> = long.iter().map(|one| format!("{one}:80")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    bench.becomes(&all).await;
    assert!(bench.server.asked_by_tcp() > 0);
    bench.server.say("b.example.", &["10.0.0.1"]);
    let servers = Servers {
        tcp: true,
        ..dns.servers.clone()
    };
    bench.want(Dns {
        servers,
        ..bench.dns(&["b.example"])
    });
    let before = bench.server.asked_by_tcp();
    bench.becomes(&["10.0.0.1:80"]).await;
    assert!(bench.server.asked_by_tcp() > before);
    assert_eq!(bench.server.asked_by_udp("b.example."), 0);
}
