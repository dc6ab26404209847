//! The kinds of objects that our charts have: where the API server keeps them, and in which order they
//! are put there. Pure.

use serde_json::Value;

use crate::plane::kube::text;

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The kind.
    pub(crate) kind: &'static str,
    /// The collection's path up to namespace or name.
    base: &'static str,
    plural: &'static str,
    namespaced: bool,
}

const fn resource_of(
    kind: &'static str,
    base: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> Resource {
    Resource {
        kind,
        base,
        plural,
        namespaced,
    }
}

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// In the order of installing: what others need comes first, and webhooks last, so that nothing waits for
/// a pilot that is not there. Uninstalling goes the other way.
pub(crate) const RESOURCES: [Resource; 15] = [
    resource_of("Namespace", "/api/v1", "namespaces", false),
    resource_of(
        "CustomResourceDefinition",
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        false,
    ),
    resource_of("ServiceAccount", "/api/v1", "serviceaccounts", true),
    resource_of("ConfigMap", "/api/v1", "configmaps", true),
    resource_of("ClusterRole", RBAC, "clusterroles", false),
    resource_of("ClusterRoleBinding", RBAC, "clusterrolebindings", false),
    resource_of("Role", RBAC, "roles", true),
    resource_of("RoleBinding", RBAC, "rolebindings", true),
    resource_of("Service", "/api/v1", "services", true),
    resource_of("Deployment", "/apis/apps/v1", "deployments", true),
    resource_of(
        "HorizontalPodAutoscaler",
        "/apis/autoscaling/v2",
        "horizontalpodautoscalers",
        true,
    ),
    resource_of(
        "PodDisruptionBudget",
        "/apis/policy/v1",
        "poddisruptionbudgets",
        true,
    ),
    resource_of(
        "PeerAuthentication",
        "/apis/security.istio.io/v1",
        "peerauthentications",
        true,
    ),
    resource_of(
        "MutatingWebhookConfiguration",
        ADMISSION,
        "mutatingwebhookconfigurations",
        false,
    ),
    resource_of(
        "ValidatingWebhookConfiguration",
        ADMISSION,
        "validatingwebhookconfigurations",
        false,
    ),
];

/// The kind of an object, and its place in the order.
pub(crate) fn resource(object: &Value) -> Option<(usize, Resource)> {
    let kind = text(object, "/kind");
    let mut known = RESOURCES.into_iter().enumerate();
    known.find(|(_, resource)| resource.kind == kind)
}

impl Resource {
    /// Secrets: the charts have none, the mesh makes one.
    pub(crate) const SECRET: Self = resource_of("Secret", "/api/v1", "secrets", true);
    /// Leases: pilot's.
    pub(crate) const LEASE: Self =
        resource_of("Lease", "/apis/coordination.k8s.io/v1", "leases", true);

    /// Where all of them are, or those of a namespace.
    pub(crate) fn collection(&self, namespace: &str) -> String {
        let Self { base, plural, .. } = self;
        match (self.namespaced, namespace) {
            (false, _) | (true, "") => format!("{base}/{plural}"),
            (true, namespace) => format!("{base}/namespaces/{namespace}/{plural}"),
        }
    }

    /// Where one of them is.
    pub(crate) fn path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection(namespace))
    }

    /// Its name as kubectl says it.
    pub(crate) fn plural(&self) -> &'static str {
        self.plural
    }
}
