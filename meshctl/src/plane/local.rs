//! Proxies and components of the local mesh.

use std::net::SocketAddr;

use mesh_api::nearest;

use super::kube::MIXER_PAGES;
use super::name::{Kind, ProxyName};
use super::pages::Pages;
use super::{ISTIO_NAMESPACE, Proxy};
use crate::embedded::plan::aliases;
use crate::embedded::status::Status;
use crate::error::CommandError;
use crate::target::Mesh;

/// Components that are no proxies.
pub(crate) const CONTROL_PLANE: [&str; 3] = ["citadel", "pilot", "mixer"];

/// One proxy of the mesh: its pod, and where its pages are.
pub(crate) struct Known<'a> {
    /// The pod's namespace.
    pub(crate) namespace: &'a str,
    /// The pod's name.
    pub(crate) name: &'a str,
    /// Base URL of its pages.
    pub(crate) admin: &'a str,
    /// Whether there is a process.
    pub(crate) runs: bool,
}

/// The proxy of that name.
///
/// # Errors
/// When there is none, more than one, or it does not run.
pub(super) fn proxy(mesh: &Mesh, wanted: &ProxyName) -> Result<Proxy, CommandError> {
    let known = known(&mesh.status);
    let fits = |one: &&Known<'_>| {
        let place = wanted
            .namespace
            .as_deref()
            .is_none_or(|name| name == one.namespace);
        place && is_called(one, wanted)
    };
    let found: Vec<&Known<'_>> = known.iter().filter(fits).collect();
    let Some(first) = found.first() else {
        return Err(unknown(&known, wanted));
    };
    if let Some(other) = found.iter().find(|one| one.namespace != first.namespace) {
        let (one, two) = (first.namespace, other.namespace);
        let error = format!("{wanted} is in namespace {one} and in {two}");
        return Err(CommandError::usage(error).hint(format!("say {wanted}.{one}")));
    }
    let running = found.iter().find(|one| one.runs);
    let address = running.and_then(|one| admin(one.admin).map(|address| (one, address)));
    let Some((one, address)) = address else {
        let error = format!("{wanted}: its proxy does not run");
        return Err(CommandError::unreachable(error).hint(format!("meshctl start {}", wanted.name)));
    };
    Ok(Proxy {
        namespace: one.namespace.to_owned(),
        name: one.name.to_owned(),
        pages: Pages::here(format!("proxy {}", one.name), address),
    })
}

/// Pilot's pages.
///
/// # Errors
/// When it does not run.
pub(super) fn pilot(mesh: &Mesh) -> Result<Vec<(String, Pages)>, CommandError> {
    let Some(address) = mesh.pilot() else {
        let error = CommandError::unreachable("pilot does not run");
        return Err(error.hint("meshctl start pilot"));
    };
    Ok(vec![("pilot".to_owned(), Pages::here("pilot", address))])
}

/// The pages of a component, if it runs.
pub(super) fn component(mesh: &Mesh, name: &str) -> Option<Pages> {
    let mut components = mesh.status.components.iter();
    let found = components.find(|one| one.name == name && one.pid.is_some())?;
    let mut address = admin(&found.admin)?;
    if name == "mixer" {
        address.set_port(MIXER_PAGES);
    }
    Some(Pages::here(name, address))
}

/// The pages of every proxy that runs.
pub(crate) fn proxies(status: &Status) -> Vec<Pages> {
    let running = known(status).into_iter().filter(|one| one.runs);
    running
        .filter_map(|one| Some(Pages::here(one.name, admin(one.admin)?)))
        .collect()
}

/// Every proxy.
pub(crate) fn known(status: &Status) -> Vec<Known<'_>> {
    let gateways = status.components.iter();
    let gateways = gateways
        .filter(|one| !CONTROL_PLANE.contains(&one.name.as_str()))
        .map(|one| Known {
            namespace: ISTIO_NAMESPACE,
            name: &one.name,
            admin: &one.admin,
            runs: one.pid.is_some(),
        });
    let workloads = status.workloads.iter().map(|one| Known {
        namespace: &one.namespace,
        name: &one.name,
        admin: &one.admin,
        runs: one.sidecar_pid.is_some(),
    });
    workloads.chain(gateways).collect()
}

fn is_called(one: &Known<'_>, wanted: &ProxyName) -> bool {
    let deployment = deployment(one.name) == wanted.name;
    match wanted.kind {
        Kind::Any => {
            let alias =
                one.namespace == ISTIO_NAMESPACE && aliases(one.name).contains(&wanted.name);
            one.name == wanted.name || deployment || alias
        }
        Kind::Pod => one.name == wanted.name,
        Kind::Deployment => deployment,
    }
}

/// The Deployment of a pod: pods are numbered; the gateway is no pod.
pub(crate) fn deployment(pod: &str) -> &str {
    let numbered = |(_, end): &(&str, &str)| end.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = pod.rsplit_once('-').filter(numbered);
    numbered.map_or(pod, |(deployment, _)| deployment)
}

/// The address of a base URL.
pub(crate) fn admin(base: &str) -> Option<SocketAddr> {
    base.strip_prefix("http://")?.parse().ok()
}

fn unknown(known: &[Known<'_>], wanted: &ProxyName) -> CommandError {
    let elsewhere = known.iter().find(|one| is_called(one, wanted));
    let names = known
        .iter()
        .flat_map(|one| [one.name, deployment(one.name)]);
    let error = CommandError::problem(format!("{wanted}: no such proxy"));
    match (elsewhere, nearest(&wanted.name, names)) {
        (Some(one), _) => error.hint(format!("it is in namespace {}", one.namespace)),
        (None, Some(near)) => error.hint(format!("did you mean {near}?")),
        (None, None) => error.hint("`meshctl proxy-status` lists them"),
    }
}
