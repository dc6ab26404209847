//! Codes of the diagnostics that this crate makes: Istio's analyzer numbers where it has one.

/// A label or annotation for pods stands on the object around them (Istio: MisplacedAnnotation).
pub const MISPLACED: &str = "IST0107";
/// A document cannot be read.
pub const SYNTAX: &str = "MESH0001";
/// An annotation of the sidecar's family that nobody knows (Istio: UnknownAnnotation).
pub const UNKNOWN_ANNOTATION: &str = "IST0108";
/// An annotation whose value cannot be used (Istio: InvalidAnnotation).
pub const INVALID_ANNOTATION: &str = "IST0125";
/// A container runs as the sidecar's user, so its traffic is not captured (Istio: InvalidApplicationUID).
pub const PROXY_USER: &str = "IST0144";
/// A workload is no pod, or has names that the sidecar needs.
pub const SHAPE: &str = "IST0106";
/// An annotation that Istio knows and that changes nothing here.
pub const NO_EFFECT: &str = "MESH0003";
/// A pod that will not end, or not start, as it is.
pub const LIFE_CYCLE: &str = "MESH0006";
