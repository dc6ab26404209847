//! The parts of a report on the local mesh, running or not: its state folder and its processes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use mesh_api::kinds::Kind;
use serde_json::{Value, json};

use super::Report;
use super::collect::{Answer, Form, Item};
use super::parts::{self, known};
use super::scope::Scope;
use crate::embedded::config::Store;
use crate::embedded::findings;
use crate::embedded::state_dir::{self, StateDir};
use crate::embedded::status::Status;
use crate::error::{CommandError, at_path};
use crate::plane::kube::MIXER_PAGES;
use crate::plane::local::{CONTROL_PLANE, Known, admin, deployment, known as all_proxies};
use crate::plane::pages::Pages;

/// The most that is read of a log, from its end.
const LOG: u64 = 16 << 20;
/// The namespace of names that say none.
const NAMESPACE: &str = mesh_api::decode::DEFAULT_NAMESPACE;

/// Collects everything but what `parts::common` does.
///
/// # Errors
/// When the archive cannot be written, or a proxy that was named is not there.
pub(super) async fn collect(
    report: &mut Report<'_>,
    dir: &StateDir,
    status: Option<&Status>,
    scope: &Scope,
    tail: usize,
) -> Result<(), CommandError> {
    let proxies = match status {
        Some(status) => chosen(status, scope)?,
        None => Vec::new(),
    };
    let objects = objects(dir, scope)?;
    report.part("objects", objects).await?;
    report
        .part("control plane", control_plane(dir, status, tail))
        .await?;
    let items = match status {
        Some(_) => proxies
            .iter()
            .flat_map(|one| proxy(dir, one, tail))
            .collect(),
        None => left_behind(dir, tail),
    };
    report.part("proxies", items).await
}

fn chosen<'a>(status: &'a Status, scope: &Scope) -> Result<Vec<Known<'a>>, CommandError> {
    let mut all = all_proxies(status);
    let fits = |one: &Known<'_>, of: &Scope| {
        of.has_proxy(one.namespace, one.name, deployment(one.name), None)
    };
    for name in scope.named() {
        if !all.iter().any(|one| fits(one, &scope.only(name))) {
            let error = CommandError::problem(format!("{name}: no such proxy"));
            return Err(error.hint("`meshctl proxy-status` lists them"));
        }
    }
    all.retain(|one| fits(one, scope));
    Ok(all)
}

/// The objects in force, a file for each kind, and what of the folder cannot be read.
fn objects(dir: &StateDir, scope: &Scope) -> Result<Vec<Item<'static>>, CommandError> {
    let (config, cluster) = (Store::config(dir)?, Store::cluster(dir)?);
    let namespaces = scope.namespaces(NAMESPACE);
    let mut kinds: BTreeMap<String, (&Kind, Vec<&Value>)> = BTreeMap::new();
    for object in config.objects().chain(cluster.objects()) {
        let namespace = object.key.namespace.to_string();
        let of_others = namespaces
            .as_ref()
            .is_some_and(|all| !all.contains(&namespace));
        if object.kind.namespaced && (of_others || scope.excludes(&namespace)) {
            continue;
        }
        let entry = kinds.entry(object.kind.qualified());
        let (_, list) = entry.or_insert_with(|| (object.kind, Vec::new()));
        list.push(&object.value);
    }
    let files = kinds.into_values().map(|(kind, list)| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": list});
        known(
            format!("objects/{}", file_name(kind)),
            Form::Objects,
            list.to_string(),
        )
    });
    let mut items: Vec<Item<'static>> = files.collect();
    let findings = config.findings().chain(cluster.findings());
    let findings: String = findings.map(|one| findings::line(one) + "\n").collect();
    if !findings.is_empty() {
        items.push(known("objects/unreadable.txt", Form::Log, findings));
    }
    Ok(items)
}

/// `virtualservices.networking.istio.io.yaml`.
pub(super) fn file_name(kind: &Kind) -> String {
    match kind.group {
        "" => format!("{}.yaml", kind.plural),
        group => format!("{}.{group}.yaml", kind.plural),
    }
}

fn control_plane(dir: &StateDir, status: Option<&Status>, tail: usize) -> Vec<Item<'static>> {
    let mut items = vec![file(
        dir,
        "mesh.json",
        "control-plane/mesh.json",
        Form::Page,
        tail,
    )];
    if let Some(status) = status {
        let contract = status.contract().to_string();
        items.push(known("control-plane/status.json", Form::Page, contract));
    }
    for name in CONTROL_PLANE {
        let folder = format!("control-plane/{name}");
        if let Some(mut address) = status.and_then(|status| running(status, name)) {
            let own = Pages::here(name, address);
            items.extend(parts::pages(&folder, &own, parts::of_component(name)));
            if name == "mixer" {
                address.set_port(MIXER_PAGES);
                let hub = Pages::here(name, address);
                items.extend(parts::pages(&folder, &hub, &parts::HUB));
            }
        }
        items.extend(logs(dir, name, &folder, tail));
    }
    items
}

/// The admin address of a component that runs.
fn running(status: &Status, name: &str) -> Option<SocketAddr> {
    let mut components = status.components.iter();
    let found = components.find(|one| one.name == name && one.pid.is_some())?;
    admin(&found.admin)
}

fn proxy(dir: &StateDir, one: &Known<'_>, tail: usize) -> Vec<Item<'static>> {
    let (namespace, name) = (one.namespace, one.name);
    let folder = format!("proxies/{namespace}/{name}");
    let mut items = Vec::new();
    if let Some(address) = admin(one.admin).filter(|_| one.runs) {
        let pages = Pages::here(format!("proxy {name}"), address);
        items.extend(parts::pages(&folder, &pages, &parts::PROXY));
    }
    // Pods of the same name in two namespaces have logs with both names.
    let long = format!("{name}.{namespace}");
    let stem = match dir.path(format!("logs/{long}.log")).exists() {
        true => &long,
        false => name,
    };
    items.extend(logs(dir, stem, &folder, tail));
    items
}

/// The logs of the proxies of a mesh that does not run: whose they are their names say.
fn left_behind(dir: &StateDir, tail: usize) -> Vec<Item<'static>> {
    let files = state_dir::files(&dir.path("logs")).unwrap_or_default();
    let names = files.iter().filter_map(|path| path.file_name()?.to_str());
    let stems = names.filter_map(|name| name.strip_suffix(".log"));
    let stems = stems.filter(|stem| !stem.ends_with(".app") && !CONTROL_PLANE.contains(stem));
    let items = stems.flat_map(|stem| logs(dir, stem, &format!("proxies/{stem}"), tail));
    items.collect()
}

/// What a process wrote, and what it or the one before it wrote earlier.
fn logs(dir: &StateDir, stem: &str, folder: &str, tail: usize) -> [Item<'static>; 2] {
    [("log", "log.txt"), ("log.old", "log.old.txt")].map(|(end, name)| {
        let (from, to) = (format!("logs/{stem}.{end}"), format!("{folder}/{name}"));
        file(dir, &from, &to, Form::Log, tail)
    })
}

fn file(dir: &StateDir, from: &str, to: &str, form: Form, tail: usize) -> Item<'static> {
    let from = dir.path(from);
    Item::new(to, form, async move { read(&from, tail) })
}

/// The last lines of a file; nothing when it is not there.
fn read(path: &Path, tail: usize) -> Answer {
    match end_of(path) {
        Ok(bytes) => {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let skipped = lines.clone().count().saturating_sub(tail);
            let kept = lines.skip(skipped).flatten().copied();
            Ok(Some(kept.collect::<Vec<u8>>().into()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at_path(path, &error)),
    }
}

fn end_of(path: &Path) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG)))?;
    let mut bytes = Vec::new();
    file.take(LOG).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests;
