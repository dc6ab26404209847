//! Services of type ExternalName: names that stand for other names.

use std::iter::successors;

use mesh_model::name::Hostname;

use super::{Service, ServiceType};

/// How many names lead to a service at most. CoreDNS follows no more either, and a circle ends here.
const LONGEST_CHAIN: usize = 8;

impl Service {
    /// Whether it is a name for something else and has no endpoints of its own.
    #[must_use]
    pub fn is_external_name(&self) -> bool {
        self.service_type == ServiceType::ExternalName
    }

    /// The name that it stands for, if it does.
    #[must_use]
    pub fn stands_for(&self) -> Option<Hostname> {
        let name = self.external_name.as_deref();
        let name = name.filter(|_| self.is_external_name())?;
        // What DNS calls complete ends in a dot.
        Hostname::parse(name.strip_suffix('.').unwrap_or(name)).ok()
    }

    /// The host of the service that this one is an alias of: the first on its chain of names that is
    /// there and has endpoints of its own. None for a name outside of the mesh.
    ///
    /// istio: `pilot/pkg/model/push_context.go`, `resolveServiceAliases`.
    #[must_use]
    pub fn alias_of<'a>(&self, find: impl Fn(&Hostname) -> Option<&'a Self>) -> Option<Hostname> {
        let chain = successors(self.stands_for(), |name| find(name)?.stands_for());
        let is_service = |name: &Hostname| find(name).is_some_and(|it| !it.is_external_name());
        chain.take(LONGEST_CHAIN).find(is_service)
    }
}

#[cfg(test)]
mod tests;
