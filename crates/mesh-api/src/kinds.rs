//! The registry of kinds: which objects exist, how they are named, and what mesh does with them.

/// What mesh makes of the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// `networking.istio.io` VirtualService.
    VirtualService,
    /// `networking.istio.io` DestinationRule.
    DestinationRule,
    /// `networking.istio.io` Gateway.
    Gateway,
    /// `security.istio.io` PeerAuthentication.
    PeerAuthentication,
    /// Kubernetes Service.
    Service,
    /// Kubernetes Pod.
    Pod,
    /// Kubernetes EndpointSlice.
    EndpointSlice,
    /// Kubernetes Namespace.
    Namespace,
    /// Kubernetes ServiceAccount.
    ServiceAccount,
    /// Kubernetes Deployment.
    Deployment,
    /// Other owners of pod templates: StatefulSet, ReplicaSet, DaemonSet.
    OtherWorkload,
    /// Kubernetes Node.
    Node,
    /// Kubernetes Secret.
    Secret,
    /// Kubernetes Ingress.
    Ingress,
    /// Kubernetes IngressClass.
    IngressClass,
    /// Known and carried along, without a meaning to the mesh.
    Tolerated,
    /// Istio's own, for a later version of mesh: refused by name.
    Later,
}

/// A kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Versions that are read, the newest first.
    pub versions: &'static [&'static str],
    /// The name in `kind:`.
    pub kind: &'static str,
    /// Lower-case plural, as in `virtualservices.networking.istio.io`.
    pub plural: &'static str,
    /// What users type for short.
    pub short_names: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What mesh makes of it.
    pub content: Content,
}

impl Kind {
    /// Lower-case singular, as in `virtualservice default/reviews`.
    #[must_use]
    pub fn singular(&self) -> String {
        self.kind.to_ascii_lowercase()
    }

    /// `virtualservice.networking.istio.io`, or the singular alone in the core group.
    #[must_use]
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.singular(),
            group => format!("{}.{group}", self.singular()),
        }
    }

    /// The `apiVersion` that mesh writes: the group and its newest version.
    #[must_use]
    pub fn api_version(&self) -> String {
        let version = self.versions.first().copied().unwrap_or_default();
        match self.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }

    fn answers_to(&self, typed: &str) -> bool {
        let lowered = typed.to_ascii_lowercase();
        let (name, group) = lowered.split_once('.').unwrap_or((&lowered, self.group));
        group == self.group
            && (name == self.plural || name == self.singular() || self.short_names.contains(&name))
    }
}

/// Every kind, Istio's first.
#[must_use]
pub fn all() -> &'static [Kind] {
    KINDS
}

/// The kind of a group, by its name in `kind:`.
#[must_use]
pub fn find(group: &str, kind: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|known| known.group == group && known.kind == kind)
}

/// The kind a user means on a command line: `vs`, `virtualservice`, `virtualservices`,
/// `VirtualService` or `virtualservices.networking.istio.io`.
#[must_use]
pub fn by_typed_name(typed: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.answers_to(typed))
}

const ALL_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
/// The group of Mixer's configuration, and of the API management of 1.1.
pub(crate) const MIXER_GROUP: &str = "config.istio.io";
const SECURITY_VERSIONS: &[&str] = &["v1", "v1beta1"];

const fn networking(
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    content: Content,
) -> Kind {
    Kind {
        group: "networking.istio.io",
        versions: ALL_VERSIONS,
        kind,
        plural,
        short_names,
        namespaced: true,
        content,
    }
}

const fn security(
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    content: Content,
) -> Kind {
    Kind {
        group: "security.istio.io",
        versions: SECURITY_VERSIONS,
        kind,
        plural,
        short_names,
        namespaced: true,
        content,
    }
}

const fn other_group(
    group: &'static str,
    versions: &'static [&'static str],
    kind: &'static str,
    plural: &'static str,
    content: Content,
) -> Kind {
    Kind {
        group,
        versions,
        kind,
        plural,
        short_names: &[],
        namespaced: true,
        content,
    }
}

const fn mixer(kind: &'static str, plural: &'static str) -> Kind {
    let versions = &["v1alpha2"];
    other_group(MIXER_GROUP, versions, kind, plural, Content::Later)
}

const fn rbac(kind: &'static str, plural: &'static str) -> Kind {
    let versions = &["v1alpha1"];
    other_group("rbac.istio.io", versions, kind, plural, Content::Later)
}

const fn at_versions(versions: &'static [&'static str], kind: Kind) -> Kind {
    Kind { versions, ..kind }
}

const fn kubernetes(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    content: Content,
) -> Kind {
    Kind {
        group,
        versions: &["v1"],
        kind,
        plural,
        short_names,
        namespaced: true,
        content,
    }
}

const fn workload(
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    content: Content,
) -> Kind {
    Kind {
        versions: &["v1", "v1beta2", "v1beta1"],
        ..kubernetes("apps", kind, plural, short_names, content)
    }
}

const fn of_cluster(kind: Kind) -> Kind {
    Kind {
        namespaced: false,
        ..kind
    }
}

const KINDS: &[Kind] = &[
    networking(
        "VirtualService",
        "virtualservices",
        &["vs"],
        Content::VirtualService,
    ),
    networking(
        "DestinationRule",
        "destinationrules",
        &["dr"],
        Content::DestinationRule,
    ),
    networking("Gateway", "gateways", &["gw"], Content::Gateway),
    security(
        "PeerAuthentication",
        "peerauthentications",
        &["pa"],
        Content::PeerAuthentication,
    ),
    networking("ServiceEntry", "serviceentries", &["se"], Content::Later),
    networking("Sidecar", "sidecars", &[], Content::Later),
    at_versions(
        &["v1alpha3"],
        networking("EnvoyFilter", "envoyfilters", &[], Content::Later),
    ),
    networking("WorkloadEntry", "workloadentries", &["we"], Content::Later),
    networking("WorkloadGroup", "workloadgroups", &["wg"], Content::Later),
    at_versions(
        &["v1beta1"],
        networking("ProxyConfig", "proxyconfigs", &[], Content::Later),
    ),
    security(
        "AuthorizationPolicy",
        "authorizationpolicies",
        &["ap"],
        Content::Later,
    ),
    security(
        "RequestAuthentication",
        "requestauthentications",
        &["ra"],
        Content::Later,
    ),
    other_group(
        "telemetry.istio.io",
        &["v1", "v1alpha1"],
        "Telemetry",
        "telemetries",
        Content::Later,
    ),
    other_group(
        "extensions.istio.io",
        &["v1alpha1"],
        "WasmPlugin",
        "wasmplugins",
        Content::Later,
    ),
    other_group(
        "extensions.istio.io",
        &["v1alpha1"],
        "TrafficExtension",
        "trafficextensions",
        Content::Later,
    ),
    other_group(
        "authentication.istio.io",
        &["v1alpha1"],
        "Policy",
        "policies",
        Content::Later,
    ),
    of_cluster(other_group(
        "authentication.istio.io",
        &["v1alpha1"],
        "MeshPolicy",
        "meshpolicies",
        Content::Later,
    )),
    rbac("RbacConfig", "rbacconfigs"),
    of_cluster(rbac("ClusterRbacConfig", "clusterrbacconfigs")),
    rbac("ServiceRole", "serviceroles"),
    rbac("ServiceRoleBinding", "servicerolebindings"),
    mixer("HTTPAPISpec", "httpapispecs"),
    mixer("HTTPAPISpecBinding", "httpapispecbindings"),
    mixer("QuotaSpec", "quotaspecs"),
    mixer("QuotaSpecBinding", "quotaspecbindings"),
    mixer("rule", "rules"),
    mixer("attributemanifest", "attributemanifests"),
    mixer("adapter", "adapters"),
    mixer("template", "templates"),
    mixer("handler", "handlers"),
    mixer("instance", "instances"),
    mixer("bypass", "bypasses"),
    mixer("circonus", "circonuses"),
    mixer("cloudwatch", "cloudwatches"),
    mixer("denier", "deniers"),
    mixer("dogstatsd", "dogstatsds"),
    mixer("fluentd", "fluentds"),
    mixer("kubernetesenv", "kubernetesenvs"),
    mixer("listchecker", "listcheckers"),
    mixer("memquota", "memquotas"),
    mixer("noop", "noops"),
    mixer("opa", "opas"),
    mixer("prometheus", "prometheuses"),
    mixer("rbac", "rbacs"),
    mixer("redisquota", "redisquotas"),
    mixer("signalfx", "signalfxs"),
    mixer("solarwinds", "solarwindses"),
    mixer("stackdriver", "stackdrivers"),
    mixer("statsd", "statsds"),
    mixer("stdio", "stdios"),
    mixer("zipkin", "zipkins"),
    mixer("apikey", "apikeys"),
    mixer("authorization", "authorizations"),
    mixer("checknothing", "checknothings"),
    mixer("edge", "edges"),
    mixer("kubernetes", "kuberneteses"),
    mixer("listentry", "listentries"),
    mixer("logentry", "logentries"),
    mixer("metric", "metrics"),
    mixer("quota", "quotas"),
    mixer("reportnothing", "reportnothings"),
    mixer("tracespan", "tracespans"),
    other_group(
        "mesh",
        &["v1"],
        "LocalApplication",
        "localapplications",
        Content::Tolerated,
    ),
    of_cluster(kubernetes(
        "",
        "Namespace",
        "namespaces",
        &["ns"],
        Content::Namespace,
    )),
    kubernetes("", "Service", "services", &["svc"], Content::Service),
    kubernetes(
        "",
        "ServiceAccount",
        "serviceaccounts",
        &["sa"],
        Content::ServiceAccount,
    ),
    kubernetes("", "Pod", "pods", &["po"], Content::Pod),
    of_cluster(kubernetes("", "Node", "nodes", &["no"], Content::Node)),
    kubernetes("", "ConfigMap", "configmaps", &["cm"], Content::Tolerated),
    kubernetes("", "Secret", "secrets", &[], Content::Secret),
    kubernetes(
        "",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        &["pvc"],
        Content::Tolerated,
    ),
    kubernetes(
        "discovery.k8s.io",
        "EndpointSlice",
        "endpointslices",
        &[],
        Content::EndpointSlice,
    ),
    at_versions(
        &["v1", "v1beta1"],
        kubernetes(
            "networking.k8s.io",
            "Ingress",
            "ingresses",
            &["ing"],
            Content::Ingress,
        ),
    ),
    of_cluster(kubernetes(
        "networking.k8s.io",
        "IngressClass",
        "ingressclasses",
        &[],
        Content::IngressClass,
    )),
    workload(
        "Deployment",
        "deployments",
        &["deploy"],
        Content::Deployment,
    ),
    workload(
        "StatefulSet",
        "statefulsets",
        &["sts"],
        Content::OtherWorkload,
    ),
    workload("ReplicaSet", "replicasets", &["rs"], Content::OtherWorkload),
    workload("DaemonSet", "daemonsets", &["ds"], Content::OtherWorkload),
];

#[cfg(test)]
mod tests;
