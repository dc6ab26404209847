//! Names of generated things. Dashboards, logs and patches of users depend on them: they are ABI.
//!
//! istio: the newest form of each name.

use std::net::{IpAddr, SocketAddr};

use mesh_model::name::NamespacedName;

/// Cluster for calls to a service's port, or to a subset of its endpoints.
#[must_use]
pub fn outbound_cluster(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// Cluster of the application behind a container port.
#[must_use]
pub fn inbound_cluster(port: u16) -> String {
    format!("inbound|{port}||")
}

/// Virtual host of an inbound port.
#[must_use]
pub fn inbound_vhost(port: u16) -> String {
    format!("inbound|http|{port}")
}

/// Server name by which gateways between networks pick the cluster.
#[must_use]
pub fn sni(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// Virtual host, and the route table that holds it alone.
#[must_use]
pub fn host_port(host: &str, port: u16) -> String {
    format!("{host}:{port}")
}

/// Listener, and its filter chains.
#[must_use]
pub fn listener(address: SocketAddr) -> String {
    format!("{}_{}", address.ip(), address.port())
}

/// Route table of the plain HTTP servers that share a gateway's port.
#[must_use]
pub fn gateway_routes(port: u16, explicit_bind: Option<IpAddr>) -> String {
    match explicit_bind {
        Some(ip) => format!("http.{port}.{ip}"),
        None => format!("http.{port}"),
    }
}

/// Route table of a gateway's server that ends TLS.
///
/// istio: by the declared port, as each such server has a table of its own.
#[must_use]
pub fn secure_gateway_routes(
    port: u16,
    port_name: &str,
    gateway: &NamespacedName,
    explicit_bind: Option<IpAddr>,
) -> String {
    let NamespacedName { name, namespace } = gateway;
    let table = format!("https.{port}.{port_name}.{name}.{namespace}");
    match explicit_bind {
        Some(ip) => format!("{table}.{ip}"),
        None => table,
    }
}

/// The secret of a credential's certificate.
#[must_use]
pub fn certificate_secret(credential: &str) -> String {
    format!("kubernetes://{credential}")
}

/// The secret of a credential's roots.
#[must_use]
pub fn roots_secret(credential: &str) -> String {
    format!("kubernetes://{credential}-cacert")
}

/// The one virtual host of a gateway's port that nothing is bound to.
#[must_use]
pub fn blackhole(port: u16) -> String {
    format!("blackhole:{port}")
}

/// Listener of all redirected calls of a workload.
pub const VIRTUAL_OUTBOUND: &str = "virtualOutbound";
/// Its chain for calls to its own port.
pub const OUTBOUND_BLACKHOLE: &str = "virtualOutbound-blackhole";
/// Its chain for what no other listener takes.
pub const OUTBOUND_CATCHALL: &str = "virtualOutbound-catchall-tcp";
/// Chain of an HTTP port's listener for what is not HTTP.
pub const PASSTHROUGH_CHAIN: &str = "PassthroughFilterChain";
/// Listener of all redirected connections to a workload, and its chains that pass bytes on.
pub const VIRTUAL_INBOUND: &str = "virtualInbound";
/// Its chain for calls to its own port.
pub const INBOUND_BLACKHOLE: &str = "virtualInbound-blackhole";
/// Its chains for requests to ports that nobody declares.
pub const INBOUND_CATCHALL: &str = "virtualInbound-catchall-http";
/// Cluster without endpoints.
pub const BLACK_HOLE: &str = "BlackHoleCluster";
/// Cluster of the address that a client called.
pub const PASSTHROUGH: &str = "PassthroughCluster";
/// The same for the workload's own ports.
pub const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
/// Route table of the plain HTTP services that share a port.
#[must_use]
pub fn sidecar_routes(port: u16) -> String {
    port.to_string()
}

/// Virtual host, and its route, for hosts that the mesh does not know and lets pass.
pub const ALLOW_ANY: &str = "allow_any";
/// Route table of the explicit HTTP proxy.
pub const HTTP_PROXY: &str = "http_proxy";
/// Virtual host, and its route, for hosts that the mesh does not know.
pub const BLOCK_ALL: &str = "block_all";
/// A route that its rule does not name.
pub const DEFAULT_ROUTE: &str = "default";
/// Prefix of statistics; the `;` ends what belongs to it.
#[must_use]
pub fn stat_prefix(direction: &str, address: SocketAddr) -> String {
    format!("{direction}_{};", listener(address))
}
