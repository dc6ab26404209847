//! Checks of the local mesh.

use std::net::SocketAddr;

use super::proxies;
use super::report::Report;
use crate::embedded::plan::INGRESS;
use crate::plane::Plane;
use crate::plane::pages::Pages;
use crate::target::Mesh;

/// Checks a mesh whose supervisor has answered.
pub(super) async fn check(mesh: &Mesh) -> Report {
    let mut report = Report::default();
    let status = &mesh.status;
    let control = report.category("components");
    control.good(format!("the mesh of {} runs", mesh.dir.root().display()));
    for one in &status.components {
        let what = format!("{} is ready", one.name);
        match one.state {
            _ if one.ready => control.good(what),
            state => {
                let word = state.map_or("unknown", |state| state.word());
                let hint = format!("meshctl logs {0}; meshctl start {0}", one.name);
                control.bad(what, format!("it is {word}"), hint);
            }
        }
    }
    let gateway = status.components.iter().find(|one| one.name == INGRESS);
    let gateway = gateway.filter(|one| one.ready);
    let admin: Option<SocketAddr> =
        gateway.and_then(|one| one.admin.strip_prefix("http://")?.parse().ok());
    if let Some(admin) = admin {
        proxies::roots(&Pages::here(INGRESS, admin), control).await;
    }
    let category = report.category("workloads");
    let waiting = status.workloads.iter().filter(|one| !one.ready);
    let waiting: Vec<String> = waiting
        .map(|one| {
            let word = one.state.map_or("not ready", |state| state.word());
            format!("{}/{}: {word}", one.namespace, one.name)
        })
        .collect();
    let what = format!("{} ready", super::count(status.workloads.len(), "workload"));
    let hint = "meshctl logs NAME; what is held down comes back with meshctl start NAME";
    category.better_unless(&what, &proxies::few(waiting), hint);
    let plane = Plane::Local(Mesh {
        dir: mesh.dir.clone(),
        status: mesh.status.clone(),
    });
    super::configuration(&plane, &mut report).await;
    report
}
