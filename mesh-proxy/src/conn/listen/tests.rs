use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_traffic::{Config, Listener};

use super::{Step, bound, plan};
use crate::testing::{Mk, mk_config, table, to_cluster};

fn at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn mk(cluster: &str) -> Mk {
    Mk {
        routes: Some(table("t", vec![to_cluster(cluster)])),
        ..Mk::default()
    }
}

fn check(open: Vec<Listener>, config: &Config, expect: &[&str]) {
    let open: BTreeMap<_, _> = open.into_iter().map(|l| (l.address, Arc::new(l))).collect();
    let steps: Vec<String> = plan(&open, &bound(config))
        .iter()
        .map(|step| match step {
            Step::Open(at, _) => format!("open {}", at.port()),
            Step::Renew(at, _) => format!("renew {}", at.port()),
            Step::Replace(at, _) => format!("replace {}", at.port()),
            Step::Close(address) => format!("close {}", address.port()),
        })
        .collect();
    assert_eq!(steps, expect);
}

fn config(listener: Listener) -> Config {
    mk_config(vec![listener], Vec::new(), Vec::new())
}

#[test]
fn sockets_follow_the_configuration() {
    check(vec![], &config(mk("a").listener(at(80))), &["open 80"]);
    check(
        vec![mk("a").listener(at(80))],
        &config(mk("a").listener(at(81))),
        &["close 80", "open 81"],
    );
    check(
        vec![mk("a").listener(at(80))],
        &Config::default(),
        &["close 80"],
    );
}

#[test]
fn new_routes_leave_connections_alone() {
    check(
        vec![mk("a").listener(at(80))],
        &config(mk("b").listener(at(80))),
        &["renew 80"],
    );
}

#[test]
fn another_way_of_serving_lets_connections_finish() {
    let strict = Mk {
        mutual_tls: true,
        plaintext: false,
        ..mk("a")
    };
    check(
        vec![mk("a").listener(at(80))],
        &config(strict.listener(at(80))),
        &["replace 80"],
    );
}

#[test]
fn the_same_listener_needs_nothing() {
    let config = config(mk("a").listener(at(80)));
    let same = config.listeners.values().next().unwrap().clone();
    let open = BTreeMap::from([(same.address, same)]);
    assert!(plan(&open, &bound(&config)).is_empty());
}
