//! Which connections a workload's port accepts.

use std::collections::BTreeMap;

use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::name::NamespacedName;

use super::view::MtlsMode;

/// What holds where nothing is configured.
const DEFAULT: MtlsMode = MtlsMode::Permissive;

/// One PeerAuthentication; an unset mode inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// Name and namespace of the object.
    pub name: NamespacedName,
    /// Labels of the workloads it is for; none for its whole namespace.
    pub selector: Option<Labels>,
    /// The mode.
    pub mode: Option<MtlsMode>,
    /// Modes of single container ports.
    pub ports: BTreeMap<u16, Option<MtlsMode>>,
}

/// All PeerAuthentications, oldest first, so that the oldest of a scope wins.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerAuthentications {
    list: Vec<PeerAuthentication>,
    root_namespace: Str,
}

impl PeerAuthentications {
    pub(super) fn new(list: Vec<PeerAuthentication>, root_namespace: &Str) -> Self {
        Self {
            list,
            root_namespace: root_namespace.clone(),
        }
    }

    /// The mode of a port: the port's own, else the workload's, the namespace's, the mesh's.
    pub(super) fn mode(&self, namespace: &str, labels: &Labels, port: u16) -> MtlsMode {
        let selects = |auth: &&PeerAuthentication| {
            let selector = auth.selector.as_ref();
            selector.is_some_and(|wanted| labels.contain(wanted))
        };
        let workload = self.within(namespace).find(selects);
        let whole = |namespace| self.within(namespace).find(|auth| auth.selector.is_none());
        workload
            .and_then(|auth| auth.ports.get(&port).copied().flatten().or(auth.mode))
            .or_else(|| whole(namespace)?.mode)
            .or_else(|| whole(&self.root_namespace)?.mode)
            .unwrap_or(DEFAULT)
    }

    /// The ports for which a workload has a mode of their own.
    pub(super) fn own_ports(&self, namespace: &str, labels: &Labels) -> Vec<u16> {
        let selects = |auth: &&PeerAuthentication| {
            let selector = auth.selector.as_ref();
            selector.is_some_and(|wanted| labels.contain(wanted))
        };
        let own = self.within(namespace).find(selects);
        let ports = own.iter().flat_map(|auth| &auth.ports);
        ports
            .filter(|(_, mode)| mode.is_some())
            .map(|(port, _)| *port)
            .collect()
    }

    fn within(&self, namespace: &str) -> impl Iterator<Item = &PeerAuthentication> {
        let namespace: Str = namespace.into();
        self.list
            .iter()
            .filter(move |auth| auth.name.namespace == namespace)
    }
}
