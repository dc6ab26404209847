//! The endpoints of a cluster as its health check knows them.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::service::Health;

use super::check::Check;
use super::state::{Happening, Outcome, State, Step};
use crate::endpoint::{Endpoint, Endpoints};

/// Events that wait to be written down; older ones are forgotten.
const MOST_EVENTS: usize = 1024;

/// What is known of a cluster's endpoints.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By their addresses, so that those which discovery has forgotten stay in an order.
    hosts: BTreeMap<SocketAddr, Host>,
    /// Whether discovery has said anything.
    met: bool,
    /// What was made of endpoints last: those, and how they are shown.
    shown: Option<(Arc<Endpoints>, Arc<Endpoints>)>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Host {
    member: Member,
    state: State,
    /// Discovery knows it no more.
    removed: bool,
}

/// An endpoint that is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Where it is probed.
    pub at: SocketAddr,
}

/// Something that happened to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What.
    pub what: Happening,
}

/// What is known of an endpoint, in Envoy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of Envoy's that comes and goes on its own"
)]
pub struct Flags {
    /// What discovery says of it.
    pub discovered: Health,
    /// `failed_active_hc`
    pub failed: bool,
    /// `degraded_active_hc`
    pub degraded: bool,
    /// `pending_dynamic_removal`
    pub removed: bool,
    /// `pending_active_hc`
    pub pending: bool,
    /// `excluded_via_immediate_hc_fail`
    pub excluded: bool,
    /// `active_hc_timeout`
    pub timed_out: bool,
}

/// Nobody is probed at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotKnown;

/// What taking an outcome has led to.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) step: Step,
    /// Whether somebody is to be told: endpoints are shown otherwise than before, or there is something to be written
    /// down.
    pub(super) tells: bool,
}

impl Known {
    pub(super) fn follow(&mut self, endpoints: &Arc<Endpoints>, check: &Check) -> Arc<Endpoints> {
        if let Some((of, shown)) = &self.shown
            && Arc::ptr_eq(of, endpoints)
        {
            return shown.clone();
        }
        self.admit(endpoints, check);
        let shown = self.view(endpoints, check);
        self.shown = Some((endpoints.clone(), shown.clone()));
        shown
    }

    fn admit(&mut self, endpoints: &Endpoints, check: &Check) {
        self.met = true;
        let mut there = HashSet::new();
        for endpoint in &endpoints.all {
            let address = endpoint.address;
            if endpoint.probing.is_off() {
                self.hosts.remove(&address);
                continue;
            }
            there.insert(address);
            let member = Member {
                at: check.address_of(endpoint),
                endpoint: endpoint.clone(),
            };
            match self.hosts.get_mut(&address) {
                Some(host) if host.member.at == member.at => {
                    host.member = member;
                    host.removed = false;
                }
                // Who is probed elsewhere has to pass there.
                Some(_) | None => {
                    self.hosts.insert(address, Host::new(member));
                }
            }
        }
        self.hosts.retain(|address, host| {
            let stays = there.contains(address);
            host.removed = !stays && check.keeps_removed && host.takes_requests();
            stays || host.removed
        });
    }

    /// The same endpoints where the check has nothing to say of them.
    fn view(&self, endpoints: &Arc<Endpoints>, check: &Check) -> Arc<Endpoints> {
        let show = |endpoint: &Endpoint| match self.hosts.get(&endpoint.address) {
            Some(host) => host.shown(endpoint, check),
            None => endpoint.clone(),
        };
        let removed = self.hosts.values().filter(|host| host.removed);
        let removed = removed.map(|host| host.shown(&host.member.endpoint, check));
        let all: Vec<_> = endpoints.all.iter().map(show).chain(removed).collect();
        match all == endpoints.all {
            true => endpoints.clone(),
            false => Arc::new(endpoints.with(all)),
        }
    }

    pub(super) fn take(
        &mut self,
        address: SocketAddr,
        outcome: Outcome,
        check: &Check,
    ) -> Result<Noted, NotKnown> {
        let host = self.hosts.get_mut(&address).ok_or(NotKnown)?;
        let before = host.state;
        let mut happened = Vec::new();
        let step = host
            .state
            .take(outcome, check, &mut |what| happened.push(what));
        let looks = |state: &State| {
            let new = check.ignores_new && !state.probed;
            (state.failed, state.degraded, state.excluded, new)
        };
        let changed = looks(&before) != looks(&host.state);
        let logs = !check.events.files.is_empty() && !happened.is_empty();
        if logs {
            for what in happened {
                let endpoint = host.member.endpoint.clone();
                self.events.push_back(Event { endpoint, what });
            }
            let over = self.events.len().saturating_sub(MOST_EVENTS);
            self.events.drain(..over);
        }
        let gone = host.removed && host.state.failed;
        if gone {
            self.hosts.remove(&address);
        }
        if changed || gone {
            self.shown = None;
        }
        Ok(Noted {
            step,
            tells: changed || gone || logs,
        })
    }

    pub(super) fn all_probed(&self) -> bool {
        self.met && self.hosts.values().all(|host| host.state.probed)
    }

    pub(super) fn members(&self) -> Vec<Member> {
        let hosts = self.hosts.values();
        hosts.map(|host| host.member.clone()).collect()
    }

    pub(super) fn member(&self, address: SocketAddr) -> Option<Member> {
        Some(self.hosts.get(&address)?.member.clone())
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    pub(super) fn flags(&self, address: SocketAddr) -> Option<Flags> {
        let host = self.hosts.get(&address)?;
        let state = &host.state;
        Some(Flags {
            discovered: host.member.endpoint.health,
            failed: state.failed,
            degraded: state.degraded,
            removed: host.removed,
            pending: !state.probed,
            excluded: state.excluded,
            timed_out: state.timed_out,
        })
    }

    pub(super) fn passing(&self) -> Vec<SocketAddr> {
        let passing = self.hosts.iter().filter(|(_, host)| !host.state.failed);
        passing.map(|(address, _)| *address).collect()
    }

    /// How many pass, and how many call themselves degraded.
    pub(super) fn standing(&self) -> (u64, u64) {
        let count = |is: fn(&State) -> bool| {
            let hosts = self.hosts.values();
            hosts.filter(|host| is(&host.state)).count() as u64
        };
        (count(|state| !state.failed), count(|state| state.degraded))
    }
}

impl Host {
    const fn new(member: Member) -> Self {
        Self {
            member,
            state: State::NEW,
            removed: false,
        }
    }

    /// Whether neither the check nor discovery has anything against it.
    fn takes_requests(&self) -> bool {
        !self.state.failed
            && match self.member.endpoint.health {
                Health::Healthy | Health::Degraded => true,
                Health::Unhealthy | Health::Draining => false,
            }
    }

    fn shown(&self, endpoint: &Endpoint, check: &Check) -> Endpoint {
        let health = match endpoint.health {
            Health::Healthy | Health::Degraded if self.state.failed => Health::Unhealthy,
            Health::Healthy if self.state.degraded => Health::Degraded,
            said => said,
        };
        let mut shown = Endpoint {
            health,
            ..endpoint.clone()
        };
        let new = check.ignores_new && !self.state.probed;
        shown.probing.excluded = new || self.state.excluded;
        shown
    }
}
