//! Checks before the mesh is installed: the cluster, and what this account may do.

use mesh_kube::{Cluster, RequestError};
use serde_json::{Value, json};

use super::report::{Category, Report};
use crate::error::CommandError;
use crate::plane::kube::{Asked, items, text};

/// The oldest Kubernetes that the charts take: native sidecars begin with it.
const OLDEST_MINOR: u64 = 29;

/// What installing creates: verb, group, resource, whether in the mesh's namespace.
const NEEDED: [(&str, &str, &str, bool); 11] = [
    ("create", "", "namespaces", false),
    (
        "create",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        false,
    ),
    ("create", "rbac.authorization.k8s.io", "clusterroles", false),
    (
        "create",
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        false,
    ),
    (
        "create",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "create",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        false,
    ),
    ("create", "rbac.authorization.k8s.io", "roles", true),
    ("create", "", "services", true),
    ("create", "", "serviceaccounts", true),
    ("create", "", "configmaps", true),
    ("create", "apps", "deployments", true),
];

/// Checks a cluster for a mesh in the namespace `root`.
///
/// # Errors
/// When the API server cannot be reached.
pub(super) async fn check(cluster: &Cluster, root: &str) -> Result<Report, CommandError> {
    let mut report = Report::default();
    api(cluster, report.category("kubernetes-api")).await?;
    let category = report.category("pre-kubernetes-setup");
    for (verb, group, resource, inside) in NEEDED {
        let namespace = if inside { root } else { "" };
        may(cluster, (verb, group, resource), namespace, category).await?;
    }
    others(cluster, root, category).await?;
    Ok(report)
}

/// The API server answers, and is new enough.
///
/// # Errors
/// When it cannot be reached.
pub(super) async fn api(cluster: &Cluster, category: &mut Category) -> Result<(), CommandError> {
    let asked = Asked::new("get", "/version", "", "");
    let version = cluster
        .get("/version")
        .await
        .map_err(|error| asked.failed(&error))?;
    category.good(format!("the API server {} can be asked", cluster.address()));
    let name = text(&version, "/gitVersion");
    let what = format!("Kubernetes is 1.{OLDEST_MINOR} or newer ({name})");
    let minor = text(&version, "/minor")
        .trim_end_matches('+')
        .parse::<u64>();
    match minor {
        Ok(minor) if minor < OLDEST_MINOR => category.bad(
            what,
            format!("it is {name}"),
            "upgrade the cluster: sidecars are init containers that go on running",
        ),
        Ok(_) => category.good(what),
        Err(_) => category.warning(what, "its version cannot be read", "kubectl version"),
    }
    Ok(())
}

async fn may(
    cluster: &Cluster,
    (verb, group, resource): (&str, &str, &str),
    namespace: &str,
    category: &mut Category,
) -> Result<(), CommandError> {
    const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let mut wanted = json!({"verb": verb, "group": group, "resource": resource});
    if let (false, Value::Object(members)) = (namespace.is_empty(), &mut wanted) {
        members.insert("namespace".to_owned(), namespace.into());
    }
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    });
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in {namespace}"),
    };
    let what = format!("may {verb} {resource}{place}");
    match cluster.create(REVIEWS, &review).await {
        Ok(answer) if answer.pointer("/status/allowed") == Some(&Value::Bool(true)) => {
            category.good(what);
        }
        Ok(answer) => {
            let why = match text(&answer, "/status/reason") {
                "" => "this account has no permission",
                reason => reason,
            };
            category.bad(
                what,
                why,
                "install with an account of the role cluster-admin",
            );
        }
        Err(RequestError::Unreachable(why)) => {
            return Err(CommandError::unreachable(format!(
                "the API server cannot be reached: {why}"
            )));
        }
        Err(error) => category.warning(what, error.to_string(), "kubectl auth can-i"),
    }
    Ok(())
}

/// Another mesh would take turns with this one at the pods.
async fn others(
    cluster: &Cluster,
    root: &str,
    category: &mut Category,
) -> Result<(), CommandError> {
    const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let what = "no other mesh injects sidecars";
    let listed = match cluster.get(WEBHOOKS).await {
        Ok(listed) => items(listed),
        Err(error) => {
            category.warning(
                what,
                error.to_string(),
                "ask somebody who may list webhooks",
            );
            return Ok(());
        }
    };
    let injects = |name: &str| name.contains("sidecar-injector") || name.contains("proxy-injector");
    let foreign = listed
        .iter()
        .filter(|one| injects(text(one, "/metadata/name")));
    let foreign =
        foreign.filter(|one| text(one, "/webhooks/0/clientConfig/service/namespace") != root);
    let names: Vec<String> = foreign
        .map(|one| text(one, "/metadata/name").to_owned())
        .collect();
    let hint = "pods that both take would have two sidecars: keep their namespaces apart";
    category.better_unless(what, &names, hint);
    Ok(())
}
