//! Which fields Kubernetes' objects have: those the mesh reads, and those it passes over.

use crate::schema::{Message, Shape};

pub(crate) static SERVICE: Message = Message {
    fields: &[
        ("ports", Shape::List(&Shape::Message(&SERVICE_PORT))),
        ("selector", Shape::Map(&Shape::Text)),
        ("clusterIP", Shape::Text),
        ("clusterIPs", Shape::List(&Shape::Text)),
        (
            "type",
            Shape::Choice {
                now: &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
                later: &[],
            },
        ),
        ("externalName", Shape::Text),
        ("publishNotReadyAddresses", Shape::Bool),
    ],
    ignored: &[
        "allocateLoadBalancerNodePorts",
        "externalIPs",
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamilyPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "sessionAffinity",
        "sessionAffinityConfig",
        "trafficDistribution",
    ],
    ..Message::KUBERNETES
};

static TRANSPORT: Shape = Shape::Choice {
    now: &["TCP", "UDP", "SCTP"],
    later: &[],
};

static SERVICE_PORT: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("port", Shape::Port),
        ("targetPort", Shape::PortOrName),
        ("protocol", Shape::Same(&TRANSPORT)),
        ("appProtocol", Shape::Text),
    ],
    ignored: &["nodePort"],
    ..Message::KUBERNETES
};

pub(crate) static DEPLOYMENT: Message = Message {
    fields: &[
        ("replicas", Shape::Count),
        ("selector", Shape::Message(&LABEL_SELECTOR)),
        ("template", Shape::Message(&POD_TEMPLATE)),
    ],
    ignored: &[
        "minReadySeconds",
        "ordinals",
        "paused",
        "persistentVolumeClaimRetentionPolicy",
        "podManagementPolicy",
        "progressDeadlineSeconds",
        "revisionHistoryLimit",
        "serviceName",
        "strategy",
        "updateStrategy",
        "volumeClaimTemplates",
    ],
    ..Message::KUBERNETES
};

static LABEL_SELECTOR: Message = Message {
    fields: &[("matchLabels", Shape::Map(&Shape::Text))],
    ignored: &["matchExpressions"],
    ..Message::KUBERNETES
};

static POD_TEMPLATE: Message = Message {
    fields: &[
        ("metadata", Shape::Message(&TEMPLATE_META)),
        ("spec", Shape::Message(&POD_SPEC)),
    ],
    ..Message::KUBERNETES
};

static TEMPLATE_META: Message = Message {
    fields: &[
        ("labels", Shape::Map(&Shape::Text)),
        ("annotations", Shape::Map(&Shape::Text)),
    ],
    ignored: &[
        "creationTimestamp",
        "finalizers",
        "generateName",
        "name",
        "namespace",
        "ownerReferences",
    ],
    ..Message::KUBERNETES
};

pub(crate) static POD_SPEC: Message = Message {
    fields: &[
        ("serviceAccountName", Shape::Text),
        ("serviceAccount", Shape::Text),
        ("containers", Shape::List(&Shape::Message(&CONTAINER))),
        ("initContainers", Shape::List(&Shape::Message(&CONTAINER))),
        ("hostNetwork", Shape::Bool),
        ("nodeName", Shape::Text),
        ("terminationGracePeriodSeconds", Shape::Count),
    ],
    ignored: &[
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "hostAliases",
        "hostIPC",
        "hostPID",
        "hostUsers",
        "hostname",
        "imagePullSecrets",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "securityContext",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    ],
    ..Message::KUBERNETES
};

static CONTAINER: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("image", Shape::Text),
        ("command", Shape::List(&Shape::Text)),
        ("args", Shape::List(&Shape::Text)),
        ("workingDir", Shape::Text),
        ("env", Shape::List(&Shape::Message(&ENV_VAR))),
        ("ports", Shape::List(&Shape::Message(&CONTAINER_PORT))),
    ],
    ignored: &[
        "envFrom",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
    ],
    ..Message::KUBERNETES
};

static ENV_VAR: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("value", Shape::Text),
        ("valueFrom", Shape::Message(&ENV_VAR_SOURCE)),
    ],
    ..Message::KUBERNETES
};

static ENV_VAR_SOURCE: Message = Message {
    fields: &[("fieldRef", Shape::Message(&FIELD_REF))],
    ignored: &[
        "configMapKeyRef",
        "fileKeyRef",
        "resourceFieldRef",
        "secretKeyRef",
    ],
    ..Message::KUBERNETES
};

static FIELD_REF: Message = Message {
    fields: &[("fieldPath", Shape::Text)],
    ignored: &["apiVersion"],
    ..Message::KUBERNETES
};

static CONTAINER_PORT: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("containerPort", Shape::Port),
        ("protocol", Shape::Same(&TRANSPORT)),
    ],
    ignored: &["hostIP", "hostPort"],
    ..Message::KUBERNETES
};

pub(crate) static POD_STATUS: Message = Message {
    fields: &[
        ("phase", Shape::Text),
        ("podIP", Shape::Text),
        ("podIPs", Shape::List(&Shape::Message(&POD_IP))),
        ("conditions", Shape::List(&Shape::Message(&CONDITION))),
    ],
    ignored: &[
        "containerStatuses",
        "ephemeralContainerStatuses",
        "hostIP",
        "hostIPs",
        "initContainerStatuses",
        "message",
        "nominatedNodeName",
        "observedGeneration",
        "qosClass",
        "reason",
        "resize",
        "resourceClaimStatuses",
        "startTime",
    ],
    ..Message::KUBERNETES
};

static POD_IP: Message = Message {
    fields: &[("ip", Shape::Text)],
    ..Message::KUBERNETES
};

static CONDITION: Message = Message {
    fields: &[("type", Shape::Text), ("status", Shape::Text)],
    ignored: &[
        "lastProbeTime",
        "lastTransitionTime",
        "message",
        "observedGeneration",
        "reason",
    ],
    ..Message::KUBERNETES
};

/// The members of an EndpointSlice beside its metadata.
pub(crate) static ENDPOINT_SLICE: Message = Message {
    fields: &[
        (
            "addressType",
            Shape::Choice {
                now: &["IPv4", "IPv6", "FQDN"],
                later: &[],
            },
        ),
        ("endpoints", Shape::List(&Shape::Message(&SLICE_ENDPOINT))),
        ("ports", Shape::List(&Shape::Message(&SLICE_PORT))),
    ],
    ignored: &["apiVersion", "kind", "metadata"],
    ..Message::KUBERNETES
};

static SLICE_ENDPOINT: Message = Message {
    fields: &[
        ("addresses", Shape::List(&Shape::Text)),
        ("conditions", Shape::Message(&ENDPOINT_CONDITIONS)),
        ("targetRef", Shape::Message(&OBJECT_REFERENCE)),
        ("nodeName", Shape::Text),
        ("zone", Shape::Text),
        ("hostname", Shape::Text),
    ],
    ignored: &["deprecatedTopology", "hints"],
    ..Message::KUBERNETES
};

static ENDPOINT_CONDITIONS: Message = Message {
    fields: &[
        ("ready", Shape::Bool),
        ("serving", Shape::Bool),
        ("terminating", Shape::Bool),
    ],
    ..Message::KUBERNETES
};

static OBJECT_REFERENCE: Message = Message {
    fields: &[
        ("kind", Shape::Text),
        ("name", Shape::Text),
        ("namespace", Shape::Text),
    ],
    ignored: &["apiVersion", "fieldPath", "resourceVersion", "uid"],
    ..Message::KUBERNETES
};

static SLICE_PORT: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("port", Shape::Port),
        ("protocol", Shape::Same(&TRANSPORT)),
        ("appProtocol", Shape::Text),
    ],
    ..Message::KUBERNETES
};

pub(crate) static SECRET: Message = Message {
    fields: &[
        ("type", Shape::Text),
        ("data", Shape::Map(&Shape::Hidden)),
        ("stringData", Shape::Map(&Shape::Hidden)),
    ],
    ignored: &["apiVersion", "immutable", "kind", "metadata"],
    ..Message::KUBERNETES
};

pub(crate) static INGRESS: Message = Message {
    fields: &[
        ("ingressClassName", Shape::Text),
        ("defaultBackend", Shape::Message(&INGRESS_BACKEND)),
        ("backend", Shape::Message(&INGRESS_BACKEND)),
        ("rules", Shape::List(&Shape::Message(&INGRESS_RULE))),
        ("tls", Shape::List(&Shape::Message(&INGRESS_TLS))),
    ],
    ..Message::KUBERNETES
};

static INGRESS_RULE: Message = Message {
    fields: &[
        ("host", Shape::Text),
        ("http", Shape::Message(&INGRESS_PATHS)),
    ],
    ..Message::KUBERNETES
};

static INGRESS_PATHS: Message = Message {
    fields: &[("paths", Shape::List(&Shape::Message(&INGRESS_PATH)))],
    ..Message::KUBERNETES
};

static INGRESS_PATH: Message = Message {
    fields: &[
        ("path", Shape::Text),
        (
            "pathType",
            Shape::Choice {
                now: &["Exact", "Prefix", "ImplementationSpecific"],
                later: &[],
            },
        ),
        ("backend", Shape::Message(&INGRESS_BACKEND)),
    ],
    ..Message::KUBERNETES
};

static INGRESS_BACKEND: Message = Message {
    fields: &[
        ("service", Shape::Message(&INGRESS_SERVICE)),
        ("serviceName", Shape::Text),
        ("servicePort", Shape::PortOrName),
    ],
    ignored: &["resource"],
    ..Message::KUBERNETES
};

static INGRESS_SERVICE: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("port", Shape::Message(&INGRESS_PORT)),
    ],
    ..Message::KUBERNETES
};

static INGRESS_PORT: Message = Message {
    fields: &[("number", Shape::Port), ("name", Shape::Text)],
    ..Message::KUBERNETES
};

static INGRESS_TLS: Message = Message {
    fields: &[
        ("hosts", Shape::List(&Shape::Text)),
        ("secretName", Shape::Text),
    ],
    ..Message::KUBERNETES
};

pub(crate) static INGRESS_CLASS: Message = Message {
    fields: &[("controller", Shape::Text)],
    ignored: &["parameters"],
    ..Message::KUBERNETES
};
