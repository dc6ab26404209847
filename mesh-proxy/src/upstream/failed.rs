//! Connections to endpoints that cease to pass their health check, where clusters want these closed.

use std::collections::HashSet;
use std::net::SocketAddr;

use mesh_traffic::Config;

use crate::worker::engine::{Conn, ConnKey, Engine};

/// Who passed when it was looked at last, of clusters that want to know.
#[derive(Default)]
pub(crate) struct Passing(HashSet<SocketAddr>);

impl Passing {
    /// Who has ceased to pass since.
    fn lost(&mut self, config: &Config) -> HashSet<SocketAddr> {
        let checkers = || {
            let checkers = config.checkers();
            checkers.filter(|(cluster, _)| cluster.closes_failed)
        };
        let now: HashSet<_> = checkers()
            .flat_map(|(_, checker)| checker.passing())
            .collect();
        let before = std::mem::replace(&mut self.0, now);
        // Who is not there any more has not failed.
        let known = |address: &SocketAddr| {
            let mut checkers = checkers();
            checkers.any(|(_, checker)| checker.flags(*address).is_some())
        };
        let lost = before.into_iter();
        lost.filter(|address| !self.0.contains(address) && known(address))
            .collect()
    }
}

impl Engine {
    /// Leaves endpoints that have ceased to pass: requests under way end, connections that are passed on are cut.
    pub(crate) fn leave_failed(&mut self) {
        let lost = self.passing.lost(&self.live.current());
        if lost.is_empty() {
            return;
        }
        let all: Vec<ConnKey> = self.conns.keys().collect();
        for key in all {
            let (address, is_idle) = match self.conns.get(key) {
                Some(Conn::Link(link)) => {
                    (self.pools.address_of(link.pool), link.streams.is_empty())
                }
                Some(Conn::Forward(forward)) => (forward.endpoint(), false),
                _ => continue,
            };
            if address.is_some_and(|address| lost.contains(&address)) {
                self.guard(key, |engine| engine.leave_endpoint(key, is_idle));
            }
        }
    }

    fn leave_endpoint(&mut self, key: ConnKey, is_idle: bool) {
        match self.conns.get(key) {
            Some(Conn::Link(_)) if is_idle => self.retire_link(key),
            Some(Conn::Link(_)) => self.drain_link(key),
            Some(Conn::Forward(_)) => self.cut_forward(key),
            _ => {}
        }
    }
}
