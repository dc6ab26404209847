//! Virtual hosts of tables that hold many, and the domains that tell them apart.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::service::Service;
use mesh_proto::envoy::envoy::config::route::v3 as proto;

use crate::snapshot::view::{View, VisibleService};
use crate::translate::{names, route};

/// The port whose hosts need no port in the authority.
pub(super) const HTTP_PORT: u16 = 80;

/// The names by which clients of the proxy's namespace may call a service.
pub(super) fn domains(view: &View, service: &VisibleService) -> Vec<String> {
    let Service {
        hostname,
        name,
        addresses,
        ..
    } = &*service.service;
    let mut names = spellings(view, hostname, name);
    names.extend(addresses.iter().map(|ip| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        // As an authority has it (RFC 3986 3.2.2).
        IpAddr::V6(ip) => format!("[{ip}]"),
    }));
    names
}

/// The ways in which clients of the proxy's namespace may write the name of a service or an alias.
pub(super) fn spellings(view: &View, host: &Hostname, name: &NamespacedName) -> Vec<String> {
    let host = host.as_str();
    let mut names = vec![host.to_owned(), format!("{host}.")];
    let suffix = format!(".{}.svc.{}", name.namespace, view.mesh.domain);
    if let Some(short) = host.strip_suffix(&suffix) {
        if name.namespace == view.namespace {
            names.push(short.to_owned());
        }
        names.push(format!("{short}.{}.svc", name.namespace));
        names.push(format!("{short}.{}", name.namespace));
    }
    names
}

/// Port 80 may be left out of the authority, every other one must be in it.
pub(super) fn with_ports(names: Vec<String>, port: u16) -> Vec<String> {
    let bare = names.iter().filter(|_| port == HTTP_PORT).cloned();
    let with_port = names.iter().map(|name| names::host_port(name, port));
    bare.chain(with_port).collect()
}

/// Virtual hosts whose domains are told apart: a domain stays with the first that claims it.
#[derive(Default)]
pub(super) struct Hosts {
    /// In the order in which they came.
    pub(super) list: Vec<proto::VirtualHost>,
    /// Domains with the place of the host that has them.
    claimed: BTreeMap<String, usize>,
}

impl Hosts {
    /// Adds a host with those of the domains that nobody has, if there are any and it has routes.
    pub(super) fn add(&mut self, name: String, domains: Vec<String>, routes: Vec<proto::Route>) {
        if routes.is_empty() {
            return;
        }
        let domains = self.claim(domains, self.list.len());
        if !domains.is_empty() {
            let host = route::virtual_host(name, domains, routes);
            self.list.push(host);
        }
    }

    /// Those of the domains that nobody has.
    fn claim(&mut self, domains: Vec<String>, place: usize) -> Vec<String> {
        let free = |domain: &String| match self.claimed.entry(domain.to_ascii_lowercase()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(place);
                true
            }
        };
        domains.into_iter().filter(free).collect()
    }

    /// Gives domains that nobody has to the host that has one of `of`.
    pub(super) fn join(&mut self, of: &[String], domains: Vec<String>) {
        let Some(place) = self.place(of) else { return };
        let more = self.claim(domains, place);
        if let Some(host) = self.list.get_mut(place) {
            host.domains.extend(more);
        }
    }

    /// Whether a host has one of these domains.
    pub(super) fn has(&self, domains: &[String]) -> bool {
        self.place(domains).is_some()
    }

    fn place(&self, domains: &[String]) -> Option<usize> {
        let mut places = domains.iter().filter_map(|name| self.claimed.get(name));
        places.next().copied()
    }
}
