//! One object to its type: held against its schema, read, validated.

use std::sync::Arc;

use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Resource, Typed, has_errors};
use crate::kinds::Content;
use crate::kubernetes::schema as kubernetes;
use crate::meta::Object;
use crate::networking::destination_rule::DESTINATION_RULE;
use crate::networking::gateway::GATEWAY;
use crate::networking::virtual_service::VIRTUAL_SERVICE;
use crate::schema::{Message, Shape, canonical};
use crate::security::peer_authentication::PEER_AUTHENTICATION;
use crate::{codes, validate};

/// Reads and validates one object by itself; with an error among the diagnostics there is none.
///
/// What it refers to is not looked at: see [`crate::validate::references`].
#[must_use]
pub fn read(object: &Object) -> (Option<Typed>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let typed = typed(object, &mut found);
    for diagnostic in &mut found {
        diagnostic.origin = object.origin.clone();
    }
    (typed.filter(|_| !has_errors(&found)), found)
}

fn typed(object: &Object, found: &mut Vec<Diagnostic>) -> Option<Typed> {
    check_metadata(object, found);
    Some(match object.kind.content {
        Content::VirtualService => Typed::VirtualService(spec(
            object,
            &ISTIO_OBJECT,
            &VIRTUAL_SERVICE,
            validate::virtual_service::check,
            found,
        )?),
        Content::DestinationRule => Typed::DestinationRule(spec(
            object,
            &ISTIO_OBJECT,
            &DESTINATION_RULE,
            validate::destination_rule::check,
            found,
        )?),
        Content::Gateway => Typed::Gateway(spec(
            object,
            &ISTIO_OBJECT,
            &GATEWAY,
            validate::gateway::check,
            found,
        )?),
        Content::PeerAuthentication => Typed::PeerAuthentication(spec(
            object,
            &ISTIO_OBJECT,
            &PEER_AUTHENTICATION,
            validate::peer_authentication::check,
            found,
        )?),
        Content::Service => Typed::Service(spec(
            object,
            &KUBERNETES_OBJECT,
            &kubernetes::SERVICE,
            validate::kubernetes::service,
            found,
        )?),
        Content::Deployment => Typed::Deployment(spec(
            object,
            &KUBERNETES_OBJECT,
            &kubernetes::DEPLOYMENT,
            validate::kubernetes::deployment,
            found,
        )?),
        Content::OtherWorkload => Typed::OtherWorkload(spec(
            object,
            &KUBERNETES_OBJECT,
            &kubernetes::DEPLOYMENT,
            validate::kubernetes::deployment,
            found,
        )?),
        Content::Pod => Typed::Pod(whole(object, &POD, validate::kubernetes::pod, found)?),
        Content::EndpointSlice => Typed::EndpointSlice(whole(
            object,
            &kubernetes::ENDPOINT_SLICE,
            validate::kubernetes::endpoint_slice,
            found,
        )?),
        Content::Namespace => Typed::Namespace(whole(object, &NAMESPACE, |_, _, _| {}, found)?),
        Content::ServiceAccount => {
            Typed::ServiceAccount(whole(object, &SERVICE_ACCOUNT, |_, _, _| {}, found)?)
        }
        Content::Node => Typed::Node(whole(object, &NODE, |_, _, _| {}, found)?),
        Content::Secret => Typed::Secret(whole(
            object,
            &kubernetes::SECRET,
            validate::kubernetes::secret,
            found,
        )?),
        Content::Ingress => Typed::Ingress(spec(
            object,
            &KUBERNETES_OBJECT,
            &kubernetes::INGRESS,
            validate::kubernetes::ingress,
            found,
        )?),
        Content::IngressClass => Typed::IngressClass(spec(
            object,
            &KUBERNETES_OBJECT,
            &kubernetes::INGRESS_CLASS,
            |_, _, _| {},
            found,
        )?),
        // Decoding refuses the kinds of a later version by name; they hold nothing to read.
        Content::Tolerated | Content::Later => Typed::Tolerated(object.key.clone()),
    })
}

type Check<T> = fn(&T, &ResourceKey, &mut Vec<Diagnostic>);

/// Reads the `spec` of an object.
fn spec<T: DeserializeOwned>(
    object: &Object,
    outer: &'static Message,
    inner: &'static Message,
    check: Check<T>,
    found: &mut Vec<Diagnostic>,
) -> Option<Arc<Resource<T>>> {
    canonical(outer, "", &object.value, &object.key, found);
    let written = object.value.get("spec").unwrap_or(&Value::Null);
    let value = canonical(inner, "spec", written, &object.key, found);
    finish(object, value, "spec.", check, found)
}

/// Reads an object that has its content beside its metadata.
fn whole<T: DeserializeOwned>(
    object: &Object,
    message: &'static Message,
    check: Check<T>,
    found: &mut Vec<Diagnostic>,
) -> Option<Arc<Resource<T>>> {
    let value = canonical(message, "", &object.value, &object.key, found);
    finish(object, value, "", check, found)
}

fn finish<T: DeserializeOwned>(
    object: &Object,
    value: Value,
    top: &str,
    check: Check<T>,
    found: &mut Vec<Diagnostic>,
) -> Option<Arc<Resource<T>>> {
    if has_errors(found) {
        return None;
    }
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(spec) => {
            check(&spec, &object.key, found);
            Some(Arc::new(Resource {
                key: object.key.clone(),
                meta: object.meta.clone(),
                spec,
                origin: object.origin.clone(),
            }))
        }
        Err(error) => {
            let field = format!("{top}{}", error.path());
            let text = error.into_inner().to_string();
            found.push(Diagnostic::error(codes::SCHEMA, &object.key, field, text));
            None
        }
    }
}

fn check_metadata(object: &Object, found: &mut Vec<Diagnostic>) {
    let written = object.value.get("metadata").unwrap_or(&Value::Null);
    canonical(&METADATA, "metadata", written, &object.key, found);
    validate::names::check_metadata(object, found);
}

static ISTIO_OBJECT: Message = Message {
    ignored: &["apiVersion", "kind", "metadata", "spec", "status"],
    ..Message::ISTIO
};

static KUBERNETES_OBJECT: Message = Message {
    ignored: &["apiVersion", "kind", "metadata", "spec", "status"],
    ..Message::KUBERNETES
};

static POD: Message = Message {
    fields: &[
        ("spec", Shape::Message(&kubernetes::POD_SPEC)),
        ("status", Shape::Message(&kubernetes::POD_STATUS)),
    ],
    ignored: &["apiVersion", "kind", "metadata"],
    ..Message::KUBERNETES
};

static NAMESPACE: Message = Message {
    ignored: &["apiVersion", "kind", "metadata", "spec", "status"],
    ..Message::KUBERNETES
};

static NODE: Message = Message {
    ignored: &["apiVersion", "kind", "metadata", "spec", "status"],
    ..Message::KUBERNETES
};

static SERVICE_ACCOUNT: Message = Message {
    ignored: &[
        "apiVersion",
        "automountServiceAccountToken",
        "imagePullSecrets",
        "kind",
        "metadata",
        "secrets",
    ],
    ..Message::KUBERNETES
};

/// Istio's and Kubernetes' objects share it; Kubernetes' own members are passed over.
static METADATA: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("namespace", Shape::Text),
        ("labels", Shape::Map(&Shape::Text)),
        ("annotations", Shape::Map(&Shape::Text)),
        ("creationTimestamp", Shape::Text),
    ],
    ignored: &[
        "clusterName",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "initializers",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ],
    ..Message::ISTIO
};
