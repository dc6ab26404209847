//! What Kubernetes' manifests mean to a local mesh. Pure.
//!
//! Objects arrive decoded and sorted by kind here: templates become workloads, services stay as
//! they are, mesh's own kinds go into the configuration, and what has no meaning without
//! Kubernetes is noted.

use mesh_api::kinds::Content;
use mesh_api::kubernetes::{Deployment, Pod, PodTemplate, Service, TemplateMeta};
use mesh_api::{Object, resources};
use mesh_model::diag::{Diagnostic, Severity};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::findings::Texts;

/// Everything that `up` was given, sorted by meaning.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Manifests {
    /// Namespaces that were declared.
    pub(crate) namespaces: Vec<Object>,
    /// Service accounts that were declared.
    pub(crate) accounts: Vec<Object>,
    /// Services in the order they were read.
    pub(crate) services: Vec<ServiceManifest>,
    /// What runs, in the order it was read.
    pub(crate) workloads: Vec<WorkloadManifest>,
    /// Objects of mesh, which go into the configuration.
    pub(crate) config: Vec<Object>,
    /// What was left out and why, for the user.
    pub(crate) notes: Vec<String>,
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServiceManifest {
    /// The object as written.
    pub(crate) object: Object,
    /// Its specification.
    pub(crate) spec: Service,
}

/// A template of pods and how many of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkloadManifest {
    /// `deployment default/reviews-v1`, for messages.
    pub(crate) title: String,
    /// Name of the Deployment.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// How many pods.
    pub(crate) replicas: u32,
    /// Whether the pod has the workload's own name, as a bare Pod has.
    pub(crate) bare: bool,
    /// What each pod is.
    pub(crate) template: PodTemplate,
}

/// Sorts decoded objects by what they mean here; the second value says what is wrong with some.
pub(crate) fn sort(objects: Vec<Object>, texts: &Texts) -> (Manifests, Vec<String>) {
    let mut sorted = Manifests::default();
    let mut problems = Vec::new();
    for object in objects {
        let wrong = check(&mut sorted, &object, texts);
        if !wrong.is_empty() {
            problems.extend(wrong);
        } else if let Err(problem) = place(&mut sorted, object) {
            problems.push(problem);
        }
    }
    (sorted, problems)
}

/// What is wrong with one of Kubernetes' objects by itself. A warning is told when it knows the
/// right word: a misspelt field would be missed otherwise, while one that the mesh has no use for
/// is nobody's concern. The mesh's own objects are reviewed together with all that is in force.
fn check(sorted: &mut Manifests, object: &Object, texts: &Texts) -> Vec<String> {
    if matches!(
        object.kind.content,
        Content::VirtualService
            | Content::DestinationRule
            | Content::Gateway
            | Content::PeerAuthentication
            | Content::Secret
            | Content::Ingress
            | Content::IngressClass
            | Content::Later
    ) {
        return Vec::new();
    }
    let (_, found) = resources::read(object);
    let (errors, others): (Vec<Diagnostic>, Vec<Diagnostic>) = found
        .into_iter()
        .partition(|one| one.severity == Severity::Error);
    let helpful = others.iter().filter(|one| !one.hint.is_empty());
    sorted.notes.extend(helpful.map(|one| texts.line(one)));
    errors.iter().map(|one| texts.line(one)).collect()
}

fn place(sorted: &mut Manifests, object: Object) -> Result<(), String> {
    match object.kind.content {
        Content::Namespace => sorted.namespaces.push(object),
        Content::ServiceAccount => sorted.accounts.push(object),
        Content::Service => {
            let spec = read(&object, "spec.", object.value.get("spec"))?;
            sorted.services.push(ServiceManifest { object, spec });
        }
        Content::Deployment | Content::OtherWorkload => {
            let spec: Deployment = read(&object, "spec.", object.value.get("spec"))?;
            let replicas = spec.replicas();
            push_workload(sorted, &object, replicas, false, spec.template)?;
        }
        Content::Pod => {
            let pod: Pod = read(&object, "", Some(&object.value))?;
            let annotations = object.meta.annotations.iter();
            let metadata = TemplateMeta {
                labels: object.meta.labels.clone(),
                annotations: annotations
                    .map(|(k, v)| (k.to_string(), v.to_string()))
                    .collect(),
            };
            let template = PodTemplate {
                metadata,
                spec: pod.spec,
            };
            push_workload(sorted, &object, 1, true, template)?;
        }
        Content::EndpointSlice | Content::Node | Content::Tolerated => {
            sorted
                .notes
                .push(format!("{}: has no effect in a local mesh", object.key));
        }
        Content::VirtualService
        | Content::DestinationRule
        | Content::Gateway
        | Content::PeerAuthentication
        | Content::Secret
        | Content::Ingress
        | Content::IngressClass
        | Content::Later => sorted.config.push(object),
    }
    Ok(())
}

fn push_workload(
    sorted: &mut Manifests,
    object: &Object,
    replicas: u32,
    bare: bool,
    template: PodTemplate,
) -> Result<(), String> {
    let key = &object.key;
    if template.spec.containers.is_empty() {
        let origin = &object.origin;
        return Err(format!("{origin}: {key}: has no containers"));
    }
    if !template.spec.init_containers.is_empty() {
        sorted.notes.push(format!(
            "{key}: its initContainers are not run in a local mesh"
        ));
    }
    sorted.workloads.push(WorkloadManifest {
        title: key.to_string(),
        name: key.name.to_string(),
        namespace: key.namespace.to_string(),
        replicas,
        bare,
        template,
    });
    Ok(())
}

fn read<T: DeserializeOwned>(
    object: &Object,
    prefix: &str,
    value: Option<&Value>,
) -> Result<T, String> {
    let value = value.cloned().unwrap_or_default();
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (origin, key) = (&object.origin, &object.key);
        format!(
            "{origin}: {key}: {prefix}{}: {}",
            error.path(),
            error.inner()
        )
    })
}
