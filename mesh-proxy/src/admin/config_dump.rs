//! `/config_dump`: what is in force, in the shape of Envoy's, with the key fields of resources.
//!
//! `?resource=dynamic_listeners` and its like pick one list, `?name_regex=` resources by name and
//! `?mask=` fields, as Envoy's parameters do. Endpoints are in it whether `include_eds` says so or
//! not. Keys are never in it: it says `[redacted]` where Envoy does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_model::service::Health;
use mesh_model::time::rfc3339;
use mesh_proto::any;
use mesh_runtime::admin::{Page, Query};
use mesh_traffic::cluster::{Discovery, Hashing, LbPolicy, Transport};
use mesh_traffic::listener::{Direction, Network, RouteSource};
use mesh_traffic::secret::Content;
use mesh_traffic::{Cluster, Endpoint, Endpoints, Listener, Pattern, RouteTable, Secret};
use mesh_xds::Kind;
use serde_json::{Map, Value, json};

use crate::admin::Sources;
use crate::admin::node::node;
use crate::config::catalog::Entry;

pub(super) fn page(sources: &Sources, query: &Query) -> Page {
    let config = sources.live.current();
    let clusters: BTreeMap<_, _> = config.clusters.iter().collect();
    let endpoints: BTreeMap<_, _> = config.endpoints.iter().collect();
    let routes: BTreeMap<_, _> = config.routes.iter().collect();
    let secrets: BTreeMap<_, _> = config.secrets.iter().collect();
    let dump = Dump { sources };
    let lists = [
        (
            "ClustersConfigDump",
            "dynamic_active_clusters",
            dump.list(
                Kind::Cluster,
                clusters.values().map(|c| (&*c.name, cluster(c))),
                "cluster",
            ),
        ),
        (
            "EndpointsConfigDump",
            "dynamic_endpoint_configs",
            dump.list(
                Kind::Endpoint,
                endpoints.values().map(|e| (&*e.name, assignment(e))),
                "endpoint_config",
            ),
        ),
        ("ListenersConfigDump", "dynamic_listeners", {
            let listeners = config.listeners.values().map(|l| (&*l.name, listener(l)));
            dump.list(Kind::Listener, listeners, "listener")
                .into_iter()
                .map(as_listener)
                .collect()
        }),
        (
            "RoutesConfigDump",
            "dynamic_route_configs",
            dump.list(
                Kind::Route,
                routes.values().map(|r| (&*r.name, table(r))),
                "route_config",
            ),
        ),
        (
            "SecretsConfigDump",
            "dynamic_active_secrets",
            dump.list(
                Kind::Secret,
                secrets.values().map(|s| (&*s.name, secret(s))),
                "secret",
            )
            .into_iter()
            .map(named)
            .collect(),
        ),
    ];
    let asked = match Asked::of(query) {
        Ok(asked) => asked,
        Err(why) => return Page::text(400, why),
    };
    let lists = lists.map(|(kind, name, mut list)| {
        list.retain(|entry| asked.takes(entry));
        (kind, name, list)
    });
    if let Some(wanted) = query.get("resource") {
        let found = lists.into_iter().find(|(_, name, _)| name == wanted);
        return match found {
            Some((kind, _, list)) => {
                let of_type = member(kind);
                let entries = list.iter().map(|entry| of_type(asked.masked(entry)));
                Page::json(&json!({ "configs": entries.collect::<Vec<_>>() }))
            }
            None => Page::text(404, format!("{wanted} not found in config dump\n")),
        };
    }
    let mut configs = vec![json!({
        "@type": admin_type("BootstrapConfigDump"),
        "bootstrap": { "node": node(sources) },
    })];
    configs.extend(lists.map(|(kind, name, list)| {
        let mut dump = Map::new();
        dump.insert("@type".to_owned(), admin_type(kind).into());
        dump.insert("version_info".to_owned(), config.version.to_string().into());
        dump.insert(name.to_owned(), list.into());
        Value::Object(dump)
    }));
    let configs: Vec<_> = configs.iter().map(|config| asked.masked(config)).collect();
    Page::json(&json!({ "configs": configs }))
}

/// Names the type of an entry of a list, which there is one of for each.
fn member(list: &'static str) -> impl Fn(Value) -> Value {
    let kind = match list {
        "ClustersConfigDump" => "ClustersConfigDump.DynamicCluster",
        "EndpointsConfigDump" => "EndpointsConfigDump.DynamicEndpointConfig",
        "ListenersConfigDump" => "ListenersConfigDump.DynamicListener",
        "RoutesConfigDump" => "RoutesConfigDump.DynamicRouteConfig",
        _ => "SecretsConfigDump.DynamicSecret",
    };
    move |mut entry| {
        if let Some(members) = entry.as_object_mut() {
            members.insert("@type".to_owned(), admin_type(kind).into());
        }
        entry
    }
}

/// What of the configuration is asked for.
struct Asked {
    /// The names of resources.
    name: Option<Pattern>,
    /// The fields.
    mask: Vec<Vec<String>>,
}

impl Asked {
    /// Reads `name_regex` and `mask`.
    fn of(query: &Query) -> Result<Self, String> {
        let name = query.get("name_regex").filter(|name| !name.is_empty());
        let name = name.map(|name| Pattern::whole(name)).transpose();
        let name = name.map_err(|why| format!("Error while parsing name_regex from {why}\n"))?;
        let mask = query.get("mask").map(String::as_str).unwrap_or_default();
        let paths = mask.split(',').filter(|path| !path.is_empty());
        let mask = paths.map(|path| path.split('.').map(str::to_owned).collect());
        Ok(Self {
            name,
            mask: mask.collect(),
        })
    }

    /// Whether an entry of a list is of a resource with such a name.
    fn takes(&self, entry: &Value) -> bool {
        let Some(wanted) = &self.name else {
            return true;
        };
        let names = [
            "/name",
            "/cluster/name",
            "/route_config/name",
            "/endpoint_config/cluster_name",
        ];
        let mut names = names.iter().filter_map(|at| entry.pointer(at)?.as_str());
        names.any(|name| wanted.is_match(name.as_bytes()))
    }

    /// The fields of the mask, and the type; everything without a mask.
    fn masked(&self, value: &Value) -> Value {
        if self.mask.is_empty() {
            return value.clone();
        }
        let mut out = Map::new();
        if let Some(kind) = value.get("@type") {
            out.insert("@type".to_owned(), kind.clone());
        }
        for path in &self.mask {
            keep(&mut out, value, path);
        }
        Value::Object(out)
    }
}

/// Copies the field at `path`, if there is one.
fn keep(out: &mut Map<String, Value>, from: &Value, path: &[String]) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let Some(value) = from.get(name) else {
        return;
    };
    if rest.is_empty() || !value.is_object() {
        out.insert(name.clone(), value.clone());
        return;
    }
    let inner = out
        .entry(name.clone())
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(inner) = inner.as_object_mut() {
        // A packed message keeps its type.
        if let Some(kind) = value.get("@type") {
            inner.insert("@type".to_owned(), kind.clone());
        }
        keep(inner, value, rest);
    }
}

fn admin_type(name: &str) -> String {
    format!("type.googleapis.com/envoy.admin.v3.{name}")
}

struct Dump<'a> {
    sources: &'a Sources,
}

impl Dump<'_> {
    /// Resources in force, and after them those of which no version could be used.
    fn list<'r>(
        &self,
        kind: Kind,
        in_force: impl Iterator<Item = (&'r str, Value)>,
        key: &str,
    ) -> Vec<Value> {
        let mut known = self.sources.catalog.of_kind(kind);
        let mut list: Vec<_> = in_force
            .map(|(name, resource)| dumped(known.remove(name).as_ref(), key, Some(resource)))
            .collect();
        let refused = known
            .into_iter()
            .filter(|(_, entry)| entry.refused.is_some());
        list.extend(refused.map(|(name, entry)| {
            let name = json!({ "@type": kind.type_url(), "name": name });
            dumped(Some(&entry), key, entry.accepted.is_none().then_some(name))
        }));
        list
    }
}

fn dumped(entry: Option<&Entry>, key: &str, resource: Option<Value>) -> Value {
    let mut dumped = Map::new();
    let version = entry.map(|entry| entry.version.clone()).unwrap_or_default();
    dumped.insert("version_info".to_owned(), version.into());
    if let Some(resource) = resource {
        dumped.insert(key.to_owned(), resource);
    }
    if let Some(at) = entry.and_then(|entry| entry.accepted) {
        dumped.insert("last_updated".to_owned(), rfc3339(at).into());
    }
    if let Some(refused) = entry.and_then(|entry| entry.refused.as_ref()) {
        let error = json!({
            "version_info": refused.version,
            "last_update_attempt": rfc3339(refused.at),
            "details": refused.why,
        });
        dumped.insert("error_state".to_owned(), error);
    }
    Value::Object(dumped)
}

/// Envoy names a secret beside its content.
fn named(mut dumped: Value) -> Value {
    let name = dumped.pointer("/secret/name").cloned();
    if let (Some(members), Some(name)) = (dumped.as_object_mut(), name) {
        members.insert("name".to_owned(), name);
    }
    dumped
}

fn secret(secret: &Secret) -> Value {
    let inline = |text: &str| json!({ "inline_bytes": STANDARD.encode(text) });
    match &secret.content {
        Content::Certificate(credential) => json!({
            "@type": any::SECRET,
            "name": &*secret.name,
            "tls_certificate": {
                "certificate_chain": inline(credential.chain()),
                // Envoy: the word, as bytes.
                "private_key": inline("[redacted]"),
            },
        }),
        Content::Roots(roots) => json!({
            "@type": any::SECRET,
            "name": &*secret.name,
            "validation_context": { "trusted_ca": inline(roots.pem()) },
        }),
    }
}

/// Envoy nests a listener's resource in its state.
fn as_listener(dumped: Value) -> Value {
    let Value::Object(mut state) = dumped else {
        return dumped;
    };
    let name = state
        .get("listener")
        .and_then(|listener| listener.get("name"))
        .cloned();
    let error = state.remove("error_state");
    let mut out = Map::new();
    out.insert("name".to_owned(), name.unwrap_or_default());
    out.insert("active_state".to_owned(), Value::Object(state));
    if let Some(error) = error {
        out.insert("error_state".to_owned(), error);
    }
    Value::Object(out)
}

pub(super) fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn cluster(cluster: &Cluster) -> Value {
    let (kind, service) = match &cluster.discovery {
        Discovery::Eds { service } => ("EDS", Some(service.as_str())),
        Discovery::Static(_) => ("STATIC", None),
        Discovery::Dns(dns) if dns.first_alone => ("LOGICAL_DNS", None),
        Discovery::Dns(_) => ("STRICT_DNS", None),
        Discovery::OriginalDst => ("ORIGINAL_DST", None),
    };
    let matches: Vec<_> = cluster
        .transport_matches
        .iter()
        .map(|m| m.name.as_str())
        .collect();
    let mut out = json!({
        "@type": any::CLUSTER,
        "name": &*cluster.name,
        "type": kind,
        "connect_timeout": format!("{}s", cluster.connect_timeout.as_secs_f64()),
        "lb_policy": policy(cluster.policy),
        "transport_socket": transport(&cluster.transport),
    });
    if let Value::Object(out) = &mut out {
        if let Some(service) = service {
            out.insert(
                "eds_cluster_config".to_owned(),
                json!({ "service_name": service }),
            );
        }
        if !matches.is_empty() {
            let matches: Vec<_> = matches.iter().map(|name| json!({ "name": name })).collect();
            out.insert("transport_socket_matches".to_owned(), matches.into());
        }
        let istio = istio_metadata(cluster);
        out.insert(
            "metadata".to_owned(),
            json!({ "filter_metadata": { "istio": istio } }),
        );
    }
    out
}

/// A policy in the words of Envoy's API.
fn policy(policy: LbPolicy) -> &'static str {
    match policy {
        LbPolicy::RoundRobin => "ROUND_ROBIN",
        LbPolicy::LeastRequest { .. } => "LEAST_REQUEST",
        LbPolicy::Random => "RANDOM",
        LbPolicy::Hash(Hashing::Ring { .. }) => "RING_HASH",
        LbPolicy::Hash(Hashing::Maglev { .. }) => "MAGLEV",
    }
}

fn transport(transport: &Transport) -> Value {
    match transport {
        Transport::Plain => json!({ "name": "envoy.transport_sockets.raw_buffer" }),
        Transport::Tls(tls) => json!({
            "name": "envoy.transport_sockets.tls",
            "sni": tls.sni.as_deref(),
            "subject_alt_names":
                tls.servers.exact.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    }
}

fn istio_metadata(cluster: &Cluster) -> Value {
    let mut out = Map::new();
    if let Some(config) = &cluster.config {
        out.insert("config".to_owned(), config.as_str().into());
    }
    if let Some(subset) = &cluster.subset {
        out.insert("subset".to_owned(), subset.as_str().into());
    }
    if let Some(names) = &cluster.service {
        let (host, name, namespace) = (&*names.host, &*names.name, &*names.namespace);
        let service = json!({ "host": host, "name": name, "namespace": namespace });
        out.insert("services".to_owned(), json!([service]));
    }
    Value::Object(out)
}

fn assignment(endpoints: &Endpoints) -> Value {
    let list: Vec<_> = endpoints.all.iter().map(endpoint).collect();
    json!({
        "@type": any::ENDPOINT,
        "cluster_name": &*endpoints.name,
        "endpoints": [{ "lb_endpoints": list }],
    })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    json!({
        "endpoint": { "address": address(endpoint.address) },
        "health_status": word(endpoint.health),
        "load_balancing_weight": endpoint.weight,
        "metadata": { "filter_metadata": {
            "istio": { "workload": endpoint.workload.as_deref() },
        } },
    })
}

/// Health in the words of Envoy's API.
pub(super) const fn word(health: Health) -> &'static str {
    match health {
        Health::Healthy => "HEALTHY",
        Health::Degraded => "DEGRADED",
        Health::Unhealthy => "UNHEALTHY",
        Health::Draining => "DRAINING",
    }
}

fn listener(listener: &Listener) -> Value {
    let chains: Vec<_> = listener
        .chains
        .iter()
        .map(|chain| {
            let filter = match &chain.network {
                Network::Http(manager) => json!({
                    "name": "envoy.filters.network.http_connection_manager",
                    "stat_prefix": &*manager.stat_prefix,
                    "route_config_name": match &manager.routes {
                        RouteSource::Rds(name) => name,
                        RouteSource::Inline(table) => &table.name,
                    }.as_str(),
                    "http_filters": manager.filters.iter().map(|f| f.as_str()).collect::<Vec<_>>(),
                }),
                Network::Tcp(proxy) => json!({
                    "name": "envoy.filters.network.tcp_proxy",
                    "stat_prefix": &*proxy.stat_prefix,
                    "clusters": proxy.clusters.iter().map(|(c, _)| c.as_str()).collect::<Vec<_>>(),
                }),
            };
            json!({ "name": &*chain.name, "tls": chain.tls.is_some(), "filters": [filter] })
        })
        .collect();
    json!({
        "@type": any::LISTENER,
        "name": &*listener.name,
        "address": address(listener.address),
        "traffic_direction": match listener.direction {
            Direction::Unspecified => "UNSPECIFIED",
            Direction::Inbound => "INBOUND",
            Direction::Outbound => "OUTBOUND",
        },
        "filter_chains": chains,
    })
}

fn table(table: &RouteTable) -> Value {
    let hosts: Vec<_> = table
        .virtual_hosts
        .iter()
        .map(|host| {
            let routes: Vec<_> = host
                .routes
                .iter()
                .map(|route| json!({ "name": &*route.name, "config": route.config.as_deref() }))
                .collect();
            let domains: Vec<_> = host.domains.iter().map(|d| d.as_str()).collect();
            json!({ "name": &*host.name, "domains": domains, "routes": routes })
        })
        .collect();
    json!({ "@type": any::ROUTE, "name": &*table.name, "virtual_hosts": hosts })
}
