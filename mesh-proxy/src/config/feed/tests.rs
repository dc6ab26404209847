use std::time::SystemTime;

use mesh_model::time::TestClock;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::cluster::v3 as cluster;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::endpoint::v3 as endpoint;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_runtime::SystemClock;

use super::*;

mod cache;
mod file;
mod health;
mod secrets;

fn feed() -> Feed {
    let clock = TestClock::starting_at(SystemClock.now(), SystemTime::UNIX_EPOCH);
    let live = Arc::new(LiveConfig::new(Config::default()));
    Feed::new(live, Catalog::new(), Arc::new(clock))
}

fn upsert<M: prost::Message + prost::Name>(name: &str, version: &str, message: &M) -> Upsert {
    Upsert {
        name: name.to_owned(),
        version: version.to_owned(),
        any: pack(message),
    }
}

/// A cluster whose endpoints come by EDS under the name of `service`.
fn mk_cluster(name: &str, service: &str) -> Upsert {
    let message = cluster::Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(3)),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            service_name: service.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    upsert(name, service, &message)
}

fn mk_endpoints(name: &str) -> Upsert {
    let message = endpoint::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        ..Default::default()
    };
    upsert(name, "1", &message)
}

/// A listener that asks for the table `rds`.
fn mk_listener(name: &str, rds: &str) -> Upsert {
    let router = hcm::HttpFilter {
        name: "envoy.filters.http.router".into(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(
            &Router::default(),
        ))),
        ..Default::default()
    };
    let rds = hcm::Rds {
        route_config_name: rds.to_owned(),
        ..Default::default()
    };
    let manager = hcm::HttpConnectionManager {
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(rds)),
        http_filters: vec![router],
        ..Default::default()
    };
    let filter = listener::Filter {
        name: "http".into(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(pack(&manager))),
    };
    let port = core::socket_address::PortSpecifier::PortValue(9080);
    let address = core::SocketAddress {
        address: "127.0.0.1".into(),
        port_specifier: Some(port),
        ..Default::default()
    };
    let message = listener::Listener {
        name: name.to_owned(),
        address: Some(core::Address {
            address: Some(core::address::Address::SocketAddress(address)),
        }),
        filter_chains: vec![listener::FilterChain {
            filters: vec![filter],
            ..Default::default()
        }],
        ..Default::default()
    };
    upsert(name, "1", &message)
}

fn mk_table(name: &str) -> Upsert {
    let message = route::RouteConfiguration {
        name: name.to_owned(),
        ..Default::default()
    };
    upsert(name, "1", &message)
}

impl Feed {
    fn give(&mut self, kind: Kind, upserts: &[Upsert]) -> Applied {
        self.apply(Update {
            kind,
            upserts: upserts.to_vec(),
            removals: Vec::new(),
        })
    }

    fn take_away(&mut self, kind: Kind, name: &str) -> Applied {
        self.apply(Update {
            kind,
            upserts: Vec::new(),
            removals: vec![name.to_owned()],
        })
    }

    /// `"c/service"` of each cluster in force.
    fn clusters(&self) -> Vec<String> {
        let config = self.live.current();
        let service = |cluster: &Arc<Cluster>| match &cluster.discovery {
            mesh_traffic::cluster::Discovery::Eds { service } => service.to_string(),
            _ => String::new(),
        };
        let mut names: Vec<_> = config
            .clusters
            .values()
            .map(|c| format!("{}/{}", c.name, service(c)))
            .collect();
        names.sort();
        names
    }

    fn listeners(&self) -> Vec<String> {
        self.live
            .current()
            .listeners
            .keys()
            .map(Str::to_string)
            .collect()
    }
}

fn names(applied: &Applied, kind: Kind) -> Vec<&str> {
    let wanted = applied.wanted.iter().find(|(own, _)| *own == kind);
    wanted
        .into_iter()
        .flat_map(|(_, names)| names)
        .map(String::as_str)
        .collect()
}

#[test]
fn a_cluster_is_in_force_once_its_endpoints_are_there() {
    let mut feed = feed();
    let applied = feed.give(Kind::Cluster, &[mk_cluster("c", "c")]);
    assert_eq!(names(&applied, Kind::Endpoint), ["c"]);
    assert_eq!(feed.clusters(), [""; 0]);
    feed.give(Kind::Endpoint, &[mk_endpoints("c")]);
    assert_eq!(feed.clusters(), ["c/c"]);
}

#[test]
fn the_old_cluster_stays_until_the_new_one_has_its_endpoints() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[mk_cluster("c", "old")]);
    feed.give(Kind::Endpoint, &[mk_endpoints("old")]);
    let applied = feed.give(Kind::Cluster, &[mk_cluster("c", "new")]);
    assert_eq!(names(&applied, Kind::Endpoint), ["new", "old"]);
    assert_eq!(feed.clusters(), ["c/old"]);
    assert!(feed.live.current().endpoints.contains_key("old"));
    let applied = feed.give(Kind::Endpoint, &[mk_endpoints("new")]);
    assert_eq!(names(&applied, Kind::Endpoint), ["new"]);
    assert_eq!(feed.clusters(), ["c/new"]);
    assert!(!feed.live.current().endpoints.contains_key("old"));
}

#[test]
fn a_listener_is_in_force_once_its_routes_are_there() {
    let mut feed = feed();
    let applied = feed.give(Kind::Listener, &[mk_listener("l", "9080")]);
    assert_eq!(names(&applied, Kind::Route), ["9080"]);
    assert_eq!(feed.listeners(), [""; 0]);
    feed.give(Kind::Route, &[mk_table("9080")]);
    assert_eq!(feed.listeners(), ["l"]);
    assert!(feed.live.current().routes.contains_key("9080"));
}

#[test]
fn what_the_server_does_not_have_is_not_waited_for() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[mk_cluster("c", "c")]);
    feed.give(Kind::Listener, &[mk_listener("l", "9080")]);
    feed.take_away(Kind::Endpoint, "c");
    feed.take_away(Kind::Route, "9080");
    assert_eq!(
        (feed.clusters(), feed.listeners()),
        (vec!["c/c".into()], vec!["l".into()])
    );
    assert!(feed.catalog.is_ready());
}

#[test]
fn ready_means_that_everything_referred_to_came_once() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[mk_cluster("c", "c")]);
    assert!(!feed.catalog.is_ready());
    feed.give(Kind::Endpoint, &[mk_endpoints("c")]);
    assert!(!feed.catalog.is_ready());
    feed.give(Kind::Listener, &[mk_listener("l", "9080")]);
    assert!(!feed.catalog.is_ready());
    feed.give(Kind::Route, &[mk_table("9080")]);
    assert!(feed.catalog.is_ready());
    feed.give(Kind::Listener, &[mk_listener("m", "9081")]);
    assert!(feed.catalog.is_ready());
}

#[test]
fn nothing_to_serve_is_ready_too() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[]);
    feed.give(Kind::Listener, &[]);
    assert!(feed.catalog.is_ready());
}

#[test]
fn a_bad_resource_is_refused_by_name_and_field_and_its_neighbours_live() {
    let mut feed = feed();
    feed.give(
        Kind::Cluster,
        &[mk_cluster("good", "e"), mk_cluster("bad", "e")],
    );
    feed.give(Kind::Endpoint, &[mk_endpoints("e")]);
    let bad = cluster::Cluster {
        name: "bad".into(),
        lb_subset_config: Some(Default::default()),
        ..Default::default()
    };
    let applied = feed.give(
        Kind::Cluster,
        &[upsert("bad", "9", &bad), mk_cluster("more", "e")],
    );
    let refused: Vec<_> = applied.rejections.iter().map(ToString::to_string).collect();
    assert_eq!(refused, ["bad: lb_subset_config: is not supported"]);
    assert_eq!(feed.clusters(), ["bad/e", "good/e", "more/e"]);
    let entry = feed.catalog.of_kind(Kind::Cluster).remove("bad").unwrap();
    assert_eq!(entry.version, "e");
    assert_eq!(
        entry.refused.unwrap().why,
        "lb_subset_config: is not supported"
    );
}

#[test]
fn content_that_is_no_such_message_is_refused() {
    let mut feed = feed();
    let mut rubbish = mk_cluster("c", "c");
    rubbish.any.value = vec![0xff; 3];
    let renamed = Upsert {
        name: "other".into(),
        ..mk_cluster("c", "c")
    };
    let applied = feed.give(Kind::Cluster, &[rubbish, renamed]);
    assert_eq!(applied.rejections.len(), 2);
    assert_eq!(
        applied.rejections[1].to_string(),
        "other: name: the resource calls itself \"c\""
    );
}

#[test]
fn removed_resources_go() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[mk_cluster("c", "c")]);
    feed.give(Kind::Endpoint, &[mk_endpoints("c")]);
    let applied = feed.take_away(Kind::Cluster, "c");
    assert_eq!(names(&applied, Kind::Endpoint), [""; 0]);
    assert_eq!(feed.clusters(), [""; 0]);
    assert_eq!(feed.catalog.of_kind(Kind::Cluster).len(), 0);
}
