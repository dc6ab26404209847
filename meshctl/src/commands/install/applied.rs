//! Objects put into a cluster, and taken out when they are wanted no more.

use std::collections::BTreeSet;
use std::time::Duration;

use mesh_kube::{Cluster, RequestError};
use serde_json::{Value, json};

use super::{MANAGER, called};
use crate::chart::files::Chart;
use crate::chart::{Lookup, Lookups, Release, Rendered, Resource, render, resource};
use crate::cli::{Global, Output};
use crate::error::CommandError;
use crate::plane::kube::{Asked, items, text};
use crate::ui::{Tone, Ui};

/// The labels of what this program has installed.
const OURS: &str = "app.kubernetes.io%2Fpart-of%3Dmesh%2Capp.kubernetes.io%2Fmanaged-by%3Dmeshctl";
/// How often a busy API server is asked, and between two times.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(500);
/// The Deployment that tells who installed the mesh.
const PILOT: &str = "istio-pilot";
const HELM: &str = "/metadata/annotations/meta.helm.sh~1release-name";

/// A cluster, and what is installed there.
pub(crate) struct Target<'a> {
    cluster: &'a Cluster,
    root: &'a str,
    /// Pilot's Deployment, if there is one.
    pilot: Option<Value>,
}

/// Objects with their kinds, in the order of their installation.
///
/// # Errors
/// When an object is of a kind that is not known, which only a change of the charts can bring about.
pub(crate) fn ordered(objects: &[Value]) -> Result<Vec<(Resource, &Value)>, CommandError> {
    let mut found = Vec::new();
    for object in objects {
        let Some((place, resource)) = resource(object) else {
            let error = format!("{}: meshctl does not know this kind", called(object));
            return Err(CommandError::problem(error));
        };
        found.push((place, resource, object));
    }
    found.sort_by_key(|(place, _, _)| *place);
    let found = found.into_iter();
    Ok(found
        .map(|(_, resource, object)| (resource, object))
        .collect())
}

impl<'a> Target<'a> {
    /// Looks who has installed a mesh in the namespace.
    ///
    /// # Errors
    /// When the API server does not say.
    pub(crate) async fn find(cluster: &'a Cluster, root: &'a str) -> Result<Self, CommandError> {
        let path = format!("/apis/apps/v1/namespaces/{root}/deployments/{PILOT}");
        let pilot = match cluster.get(&path).await {
            Ok(pilot) => Some(pilot),
            Err(RequestError::Missing) => None,
            Err(error) => return Err(Asked::new("get", "deployments", root, PILOT).failed(&error)),
        };
        Ok(Self {
            cluster,
            root,
            pilot,
        })
    }

    /// The release of Helm that it belongs to.
    pub(crate) fn helm(&self) -> Option<&str> {
        self.pilot.as_ref()?.pointer(HELM)?.as_str()
    }

    /// Whether it may be installed, or upgraded.
    ///
    /// # Errors
    /// When Helm has installed it, or there is nothing to upgrade.
    pub(super) fn allows(&self, upgrade: bool) -> Result<(), CommandError> {
        let root = self.root;
        if let Some(release) = self.helm() {
            let error = format!("namespace {root}: Helm has installed this mesh, as {release}");
            return Err(CommandError::problem(error)
                .hint(format!("helm upgrade {release} charts/mesh -n {root}")));
        }
        if upgrade && self.pilot.is_none() {
            let error = format!("namespace {root}: no mesh is installed");
            return Err(CommandError::problem(error)
                .hint("meshctl install; -i NAMESPACE says where the mesh is"));
        }
        Ok(())
    }

    /// A chart's objects, with what its templates want to know of the cluster.
    ///
    /// # Errors
    /// When the chart refuses the values, or the API server does not answer.
    pub(super) async fn rendered(
        &self,
        chart: &Chart,
        release: &Release<'_>,
        own: Value,
    ) -> Result<Rendered, CommandError> {
        let first = render(chart, release, own.clone(), &Lookups::new())?;
        let mut there = Lookups::new();
        for lookup in first.asked {
            if let Some(object) = self.look_up(&lookup).await? {
                there.insert(lookup, object);
            }
        }
        match there.is_empty() {
            true => Ok(Rendered {
                asked: BTreeSet::new(),
                ..first
            }),
            false => render(chart, release, own, &there),
        }
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Option<Value>, CommandError> {
        let Some((_, resource)) = resource(&json!({"kind": lookup.kind})) else {
            return Ok(None);
        };
        let path = resource.path(&lookup.namespace, &lookup.name);
        match self.cluster.get(&path).await {
            Ok(object) => Ok(Some(object)),
            Err(RequestError::Missing) => Ok(None),
            Err(error) => {
                let (namespace, name) = (&lookup.namespace, &lookup.name);
                Err(Asked::new("get", resource.plural(), namespace, name).failed(&error))
            }
        }
    }

    /// Applies a chart's objects in their order; answers with what was done.
    ///
    /// # Errors
    /// With the first that is not taken.
    pub(super) async fn apply(
        &self,
        chart: &Chart,
        rendered: &Rendered,
        dry_run: bool,
        global: &Global,
        ui: &Ui,
    ) -> Result<Vec<Value>, CommandError> {
        let outcome = if dry_run {
            "would be applied"
        } else {
            "applied"
        };
        let mut done = Vec::new();
        if !dry_run {
            self.namespace().await?;
        }
        for (resource, object) in ordered(&rendered.objects)? {
            let name = text(object, "/metadata/name");
            let namespace = text(object, "/metadata/namespace");
            if !dry_run {
                let path = resource.path(namespace, name);
                let asked = Asked::new("apply", resource.plural(), namespace, name);
                let sent =
                    patiently(async || self.cluster.apply(&path, MANAGER, object).await).await;
                sent.map_err(|error| asked.failed(&error))?;
            }
            done.push(json!({
                "kind": resource.kind, "namespace": namespace, "name": name, "outcome": outcome,
            }));
            if global.output != Output::Json && resource.kind != "CustomResourceDefinition" {
                say(&format!("{} {outcome}", called(object)), ui);
            }
        }
        let kinds = rendered.objects.iter();
        let kinds = kinds
            .filter(|one| text(one, "/kind") == "CustomResourceDefinition")
            .count();
        if global.output != Output::Json && kinds > 0 {
            say(&format!("{kinds} {} {outcome}", chart.description), ui);
        }
        Ok(done)
    }

    /// The mesh's namespace, which stays when the mesh goes: others may have put something there.
    async fn namespace(&self) -> Result<(), CommandError> {
        let root = self.root;
        let asked = Asked::new("create", "namespaces", "", root);
        match self
            .cluster
            .get(&format!("/api/v1/namespaces/{root}"))
            .await
        {
            Ok(_) => return Ok(()),
            Err(RequestError::Missing) => {}
            Err(error) => return Err(Asked::new("get", "namespaces", "", root).failed(&error)),
        }
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": root}});
        match self.cluster.create("/api/v1/namespaces", &namespace).await {
            Ok(_) | Err(RequestError::Conflict) => Ok(()),
            Err(error) => Err(asked.failed(&error)),
        }
    }

    /// Takes away what an earlier installation had and this one has not.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub(super) async fn prune(
        &self,
        done: &[Value],
        global: &Global,
        ui: &Ui,
    ) -> Result<(), CommandError> {
        let key = |object: &Value, at: [&str; 3]| at.map(|at| text(object, at).to_owned());
        let wanted: BTreeSet<[String; 3]> = done
            .iter()
            .map(|one| key(one, ["/kind", "/namespace", "/name"]))
            .collect();
        for (resource, object) in self.installed().await? {
            let mut own = key(&object, ["/kind", "/metadata/namespace", "/metadata/name"]);
            // The items of a list do not say their kind.
            if let Some(kind) = own.first_mut() {
                resource.kind.clone_into(kind);
            }
            if !wanted.contains(&own) {
                self.delete(resource, &object, global, ui).await?;
            }
        }
        Ok(())
    }

    /// Everything that this program has installed here, in the order of its deletion.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub(crate) async fn installed(&self) -> Result<Vec<(Resource, Value)>, CommandError> {
        let mut found = Vec::new();
        let kinds = crate::chart::RESOURCES.into_iter().rev();
        for resource in kinds.filter(|one| one.kind != "CustomResourceDefinition") {
            found.extend(self.listed(resource, self.root, OURS).await?);
        }
        Ok(found)
    }

    /// The objects of a kind that a selector takes.
    ///
    /// # Errors
    /// When they cannot be listed; a kind that nobody serves has none.
    pub(crate) async fn listed(
        &self,
        resource: Resource,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<(Resource, Value)>, CommandError> {
        let path = format!(
            "{}?labelSelector={selector}",
            resource.collection(namespace)
        );
        match patiently(async || self.cluster.get(&path).await).await {
            Ok(list) => Ok(items(list).into_iter().map(|one| (resource, one)).collect()),
            Err(RequestError::Missing) => Ok(Vec::new()),
            Err(error) => Err(Asked::new("list", resource.plural(), namespace, "").failed(&error)),
        }
    }

    /// Deletes an object, which may be gone already.
    ///
    /// # Errors
    /// When it may not be.
    pub(crate) async fn delete(
        &self,
        resource: Resource,
        object: &Value,
        global: &Global,
        ui: &Ui,
    ) -> Result<(), CommandError> {
        let (namespace, name) = (
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        match self.cluster.delete(&resource.path(namespace, name)).await {
            Ok(()) | Err(RequestError::Missing) => {}
            Err(error) => {
                return Err(Asked::new("delete", resource.plural(), namespace, name).failed(&error));
            }
        }
        if global.output != Output::Json {
            let slash = if namespace.is_empty() { "" } else { "/" };
            let kind = resource.kind.to_lowercase();
            say(&format!("{kind} {namespace}{slash}{name} deleted"), ui);
        }
        Ok(())
    }
}

/// Asks again while the API server is busy: it is, for a kind, for seconds after its definition.
async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, RequestError>,
) -> Result<T, RequestError> {
    for _ in 0..TRIES {
        match ask().await {
            Err(RequestError::Refused {
                code: 429 | 503, ..
            }) => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
    ask().await
}

fn say(what: &str, ui: &Ui) {
    ui.data(&format!("{} {what}", ui.paint(Tone::Good, "√")));
}
