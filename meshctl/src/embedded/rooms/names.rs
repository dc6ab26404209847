//! The names that the processes of a pod know: those of services, as Kubernetes' DNS has them. Pure.

use std::net::Ipv4Addr;

use mesh_api::to_model::service_host;
use mesh_model::name::Hostname;

use crate::embedded::cluster::cluster_ip;
use crate::embedded::manifests::ServiceManifest;
use crate::embedded::plan::{DOMAIN, Plan, Workload, selects};

/// What a pod sees as `/etc/hosts`.
pub(super) fn hosts(plan: &Plan, workload: &Workload) -> String {
    let mut text = format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n{} {}\n",
        workload.ip, workload.pod
    );
    for (index, service) in plan.services.iter().enumerate() {
        let names = names(service, workload);
        for address in addresses(plan, index, service) {
            text.push_str(&format!("{address} {names}\n"));
        }
    }
    text
}

/// What a pod sees as `/etc/resolv.conf`: no server, so that what is unknown is known to be at once.
pub(super) fn resolver(workload: &Workload) -> String {
    let namespace = &workload.namespace;
    format!("search {namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}\noptions timeout:1 attempts:1\n")
}

/// The address of a service; those of its pods when it is headless, of another when it stands for that.
fn addresses(plan: &Plan, index: usize, service: &ServiceManifest) -> Vec<Ipv4Addr> {
    if service.spec.is_external_name() {
        let behind = behind(plan, service);
        return behind.map_or_else(Vec::new, |(index, it)| addresses(plan, index, it));
    }
    if let Some(address) = cluster_ip(plan, index, service) {
        return vec![address];
    }
    let own = |pod: &&Workload| {
        pod.namespace == service.object.key.namespace.as_str()
            && selects(&service.spec.selector, &pod.labels)
    };
    let pods = plan.workloads.iter().filter(own);
    pods.map(|pod| pod.ip).collect()
}

/// The service that one of type ExternalName is an alias of.
fn behind<'a>(plan: &'a Plan, alias: &ServiceManifest) -> Option<(usize, &'a ServiceManifest)> {
    let find = |host: &Hostname| {
        let mut all = plan.services.iter().enumerate();
        all.find(|(_, service)| {
            let key = &service.object.key;
            service_host(&key.name, &key.namespace, DOMAIN).as_ref() == Ok(host)
        })
    };
    let of = alias.spec.alias_of(|host| Some(&find(host)?.1.spec))?;
    find(&of)
}

/// All names of a service, the full one first; the short one in its namespace alone.
fn names(service: &ServiceManifest, workload: &Workload) -> String {
    let (name, namespace) = (&service.object.key.name, &service.object.key.namespace);
    let long = format!("{name}.{namespace}");
    let mut names = format!("{long}.svc.{DOMAIN} {long}.svc {long}");
    if workload.namespace == namespace.as_str() {
        names.push_str(&format!(" {name}"));
    }
    names
}
