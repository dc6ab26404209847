//! Which endpoints a proxy uses first, and how much of its requests go where, by where it is itself.

use std::collections::{BTreeMap, BTreeSet};

use mesh_api::networking::locality::{Distribute, Failover, LocalityLb};
use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::service::{Endpoint, Locality};

use crate::snapshot::rules::PolicyBlocks;
use crate::snapshot::view::{View, VisibleService};

const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";
const SUB_ZONE: &str = "topology.istio.io/subzone";
/// The greatest number of a priority (Envoy).
const LAST_PRIORITY: u32 = 128;
/// How many ranks regions, zones and sub-zones make.
const RANKS: u32 = 5;

/// Where a proxy is, as far as the endpoints of a service depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Standpoint {
    locality: Locality,
    /// Values of labels that are compared.
    labels: Vec<Str>,
}

/// Where a proxy is, if the endpoints of a service depend on it.
#[must_use]
pub fn standpoint(view: &View, service: &VisibleService) -> Option<Standpoint> {
    let mesh = &view.mesh.locality;
    if service.policy.is_none() && (mesh.distribute.is_empty() || !mesh.is_enabled()) {
        return None;
    }
    let (mut depends, mut compared) = (false, BTreeSet::new());
    let subsets = service.policy.iter().flat_map(|policy| &policy.subsets);
    let subsets = subsets.map(|subset| &*subset.name);
    for subset in std::iter::once("").chain(subsets) {
        for port in service.tcp_ports() {
            let blocks = service.blocks(subset, port.port);
            if let Some(setting) = in_force(view, &blocks) {
                depends = true;
                compared.extend(setting.failover_priority.iter().cloned());
            }
        }
    }
    let client = Side::of(view);
    let value = |label: &String| Str::from(client.value(named(label).0));
    depends.then(|| Standpoint {
        locality: view.locality.clone(),
        labels: compared.iter().map(value).collect(),
    })
}

/// Whether localities have shares in a cluster.
pub(super) fn has_shares(view: &View, blocks: &PolicyBlocks) -> bool {
    in_force(view, blocks).is_some_and(|setting| {
        let lists = [setting.distribute.len(), setting.failover.len()];
        lists.into_iter().sum::<usize>() + setting.failover_priority.len() > 0
    })
}

/// Endpoints of one locality that are used at the same time.
pub(super) struct Group<'a> {
    /// When; nought is first.
    pub(super) priority: u32,
    /// Where they are.
    pub(super) locality: &'a Locality,
    /// Their share among those of the same priority.
    pub(super) weight: u32,
    /// Who they are.
    pub(super) endpoints: Vec<&'a Endpoint>,
}

/// The endpoints of a cluster as a proxy uses them.
pub(super) fn groups<'a>(
    view: &View,
    blocks: &PolicyBlocks,
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> Vec<Group<'a>> {
    let setting = in_force(view, blocks);
    let rank = |endpoint: &Endpoint| match setting {
        Some(setting) if setting.distribute.is_empty() => rank(view, setting, endpoint),
        Some(_) | None => 0,
    };
    let mut by_rank: BTreeMap<(u32, &Locality), Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        let key = (rank(endpoint), &endpoint.locality);
        by_rank.entry(key).or_default().push(endpoint);
    }
    // No priority may be left out.
    let ranks: BTreeSet<u32> = by_rank.keys().map(|(rank, _)| *rank).collect();
    let numbers = (0..).map(|number: u32| number.min(LAST_PRIORITY));
    let priorities: BTreeMap<u32, u32> = ranks.into_iter().zip(numbers).collect();
    let group = |((rank, locality), endpoints): ((u32, _), Vec<_>)| Group {
        priority: priorities.get(&rank).copied().unwrap_or_default(),
        locality,
        weight: u32::try_from(endpoints.len()).unwrap_or(u32::MAX),
        endpoints,
    };
    let groups = by_rank.into_iter().map(group).collect();
    let mut shares = setting.into_iter().flat_map(|setting| &setting.distribute);
    match shares.find(|one| covers(&one.from, &view.locality)) {
        Some(shares) => shared_out(groups, shares),
        None => groups,
    }
}

/// What is said of localities, where it has a say in anything.
///
/// istio: endpoints that come later are used only where somebody notices that the first ones fail.
fn in_force<'a>(view: &'a View, blocks: &'a PolicyBlocks) -> Option<&'a LocalityLb> {
    let own = blocks
        .balancing
        .as_ref()
        .and_then(|own| own.locality.as_ref());
    let setting = own.unwrap_or(&view.mesh.locality);
    let counts = !setting.distribute.is_empty() || blocks.outliers.is_some();
    (setting.is_enabled() && counts).then_some(setting)
}

/// When an endpoint is used: labels first, then places.
fn rank(view: &View, setting: &LocalityLb, endpoint: &Endpoint) -> u32 {
    let labels = &setting.failover_priority;
    let by_labels = rank_of_labels(&Side::of(view), labels, &Side::of_endpoint(endpoint));
    // istio: beside labels places count where regions are named.
    if !labels.is_empty() && setting.failover.is_empty() {
        return by_labels;
    }
    let by_place = rank_of_place(&view.locality, &setting.failover, &endpoint.locality);
    by_labels * RANKS + by_place
}

/// The fewer labels are the same, counted up to the first that is not, the later.
fn rank_of_labels(client: &Side<'_>, labels: &[String], server: &Side<'_>) -> u32 {
    let differs = |label: &String| {
        let (name, value) = named(label);
        server.value(name) != value.unwrap_or_else(|| client.value(name))
    };
    let same = labels.iter().position(differs);
    let different = same.map_or(0, |same| labels.len() - same);
    u32::try_from(different).unwrap_or(u32::MAX)
}

/// The same sub-zone, zone or region, the one that comes next, the others.
fn rank_of_place(client: &Locality, failover: &[Failover], server: &Locality) -> u32 {
    if client.region != server.region {
        let next = failover.iter().find(|one| *one.from == *client.region);
        return 3 + u32::from(next.is_some_and(|next| *next.to != *server.region));
    }
    match (
        client.zone == server.zone,
        client.sub_zone == server.sub_zone,
    ) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// A label, and the value that is wanted in place of the client's.
fn named(label: &str) -> (&str, Option<&str>) {
    match label.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (label, None),
    }
}

/// A client or a server, as labels compare them.
struct Side<'a> {
    labels: &'a Labels,
    locality: &'a Locality,
}

impl<'a> Side<'a> {
    fn of(view: &'a View) -> Self {
        Self {
            labels: &view.labels,
            locality: &view.locality,
        }
    }

    fn of_endpoint(endpoint: &'a Endpoint) -> Self {
        Self {
            labels: &endpoint.labels,
            locality: &endpoint.locality,
        }
    }

    /// istio: workloads have labels of where they are.
    fn value(&self, name: &str) -> &'a str {
        let place = match name {
            REGION => &*self.locality.region,
            ZONE => &*self.locality.zone,
            SUB_ZONE => &*self.locality.sub_zone,
            _ => "",
        };
        match place {
            "" => self.labels.value(name).map_or("", |value| &**value),
            place => place,
        }
    }
}

/// Weights by which each place gets its share, its localities in proportion to what they had; others get nothing.
fn shared_out<'a>(groups: Vec<Group<'a>>, shares: &Distribute) -> Vec<Group<'a>> {
    let place = |locality: &Locality| shares.to.iter().find(|(to, _)| covers(to, locality));
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for group in &groups {
        if let Some((to, _)) = place(group.locality) {
            *totals.entry(to).or_default() += u64::from(group.weight);
        }
    }
    let share = |group: Group<'a>| {
        let (to, percent) = place(group.locality)?;
        let total = totals.get(to.as_str()).copied().unwrap_or_default();
        let wanted = u64::from(group.weight) * u64::from(*percent);
        Some(Group {
            // istio: rounded up.
            weight: u32::try_from(wanted.div_ceil(total.max(1))).unwrap_or(u32::MAX),
            ..group
        })
    };
    groups.into_iter().filter_map(share).collect()
}

/// Whether a locality is one of `region/zone/sub-zone`, of which the last may be `*` or missing.
fn covers(pattern: &str, locality: &Locality) -> bool {
    let own = [&locality.region, &locality.zone, &locality.sub_zone];
    let mut parts = pattern.splitn(3, '/').zip(own);
    parts.all(|(part, own)| part == "*" || *part == **own)
}

#[cfg(test)]
mod tests;
