//! Codes of the diagnostics that this crate makes. Istio's analyzer numbers where it has one.

/// A document is not YAML, or not an object.
pub const SYNTAX: &str = "MESH0001";
/// A kind or version that nobody here knows.
pub const UNKNOWN_KIND: &str = "MESH0002";
/// A kind, field or value that Istio knows and this version of mesh does not support yet.
pub const UNSUPPORTED: &str = "MESH0003";
/// The same object is declared twice.
pub const DUPLICATE: &str = "MESH0004";
/// Something that an object refers to does not exist (Istio: ReferencedResourceNotFound).
pub const REFERENCE: &str = "IST0101";
/// An object breaks the rules of its kind (Istio: SchemaValidationError).
pub const SCHEMA: &str = "IST0106";
/// Two VirtualServices claim one host for all sidecars (Istio: ConflictingMeshGatewayVirtualServiceHosts).
pub const CONFLICTING_HOSTS: &str = "IST0109";
/// A destination without port whose service has several (Istio: VirtualServiceDestinationPortSelectorRequired).
pub const PORT_REQUIRED: &str = "IST0112";
/// A selector that no workload matches (Istio: NoMatchingWorkloadsFound).
pub const NO_WORKLOADS: &str = "IST0127";
/// A rule that can never be reached (Istio: VirtualServiceUnreachableRule).
pub const UNREACHABLE: &str = "IST0130";
/// A file or folder cannot be read.
pub const UNREADABLE: &str = "MESH0005";
