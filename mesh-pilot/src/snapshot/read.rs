//! From what users wrote to rules that speak of complete names.

use std::sync::Arc;

use mesh_api::networking::destination_rule as dr;
use mesh_api::networking::gateway as gw;
use mesh_api::networking::locality::Warmup;
use mesh_api::networking::string_match::StringMatch;
use mesh_api::networking::virtual_service as vs;
use mesh_api::networking::virtual_service::cors::{CorsPolicy, UnmatchedPreflights};
use mesh_api::security::peer_authentication as pa;
use mesh_api::to_model::{resolve_gateway, resolve_host};
use mesh_api::{ObjectMeta, Resource, ResourceSet};
use mesh_model::Str;
use mesh_model::name::{Hostname, NamespacedName};

use super::destination_rule::DestinationRule;
use super::gateway::{Gateway, ServedHost, Server, Serves};
use super::ingress;
use super::peer_authentication::PeerAuthentication;
use super::rules::{
    Abort, Balancer, Balancing, ClientTls, ConsistentHash, Cookie, Cors, Destination,
    DestinationPolicy, Export, Fault, GatewayRef, HashKey, HashTable, HeaderChanges,
    HeaderOperations, HttpMatch, HttpRule, PolicyBlocks, Routing, SubsetPolicy, TextMatch,
    TlsMatch, TlsRule, TrafficPolicy,
};
use super::view::{Certificate, Clients, MtlsMode, ServerTls, Stored, TlsVersion};
use crate::translate::names;

/// What the mesh's own configuration says, each list the oldest first.
pub(super) struct Configuration {
    pub(super) routings: Vec<Routing>,
    pub(super) rules: Vec<DestinationRule>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) authentications: Vec<PeerAuthentication>,
}

/// Reads the mesh's own configuration.
pub(super) fn configuration(set: &ResourceSet, domain: &str) -> Configuration {
    let mut configured = written(set, domain);
    // They were asked for by hand; what comes of Ingresses comes after them.
    let (gateways, routings) = ingress::configuration(set, domain);
    configured.gateways.extend(gateways);
    configured.routings.extend(routings);
    configured
}

fn written(set: &ResourceSet, domain: &str) -> Configuration {
    Configuration {
        routings: each(&set.virtual_services, domain, |scope, spec| {
            Some(routing(scope, spec))
        }),
        rules: each(&set.destination_rules, domain, destination_rule),
        gateways: each(&set.gateways, domain, |scope, spec| {
            Some(gateway(scope, spec))
        }),
        authentications: each(&set.peer_authentications, domain, |scope, spec| {
            Some(authentication(scope, spec))
        }),
    }
}

fn each<T, U>(
    resources: &[Arc<Resource<T>>],
    domain: &str,
    read: impl Fn(&Scope<'_>, &T) -> Option<U>,
) -> Vec<U> {
    let read = |resource: &Arc<Resource<T>>| {
        let meta = &resource.meta;
        read(&Scope { meta, domain }, &resource.spec)
    };
    resources.iter().filter_map(read).collect()
}

/// Where an object's short names are completed.
struct Scope<'a> {
    meta: &'a ObjectMeta,
    domain: &'a str,
}

impl Scope<'_> {
    fn name(&self) -> NamespacedName {
        NamespacedName {
            namespace: self.meta.namespace.clone(),
            name: self.meta.name.clone(),
        }
    }

    fn host(&self, written: &str) -> Option<Hostname> {
        resolve_host(written, &self.meta.namespace, self.domain).ok()
    }

    fn export(&self, written: &[String]) -> Export {
        if written.is_empty() || written.iter().any(|namespace| namespace == "*") {
            return Export::Everyone;
        }
        let named = written.iter().map(|namespace| match namespace.as_str() {
            "." => self.meta.namespace.clone(),
            other => other.into(),
        });
        Export::Namespaces(named.collect())
    }

    fn gateway(&self, written: &str) -> GatewayRef {
        if written == vs::MESH_GATEWAY {
            return GatewayRef::Mesh;
        }
        let (namespace, name) = resolve_gateway(written, &self.meta.namespace);
        GatewayRef::Named(NamespacedName {
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// istio: the path by which tools find the object, always of this version.
    fn config_path(&self, group: &str, version: &str, kind: &str) -> Str {
        let (namespace, name) = (&self.meta.namespace, &self.meta.name);
        format!("/apis/{group}/{version}/namespaces/{namespace}/{kind}/{name}").into()
    }
}

const NETWORKING: &str = "networking.istio.io";
const NETWORKING_VERSION: &str = "v1alpha3";

fn routing(scope: &Scope<'_>, spec: &vs::VirtualService) -> Routing {
    Routing {
        name: scope.name(),
        config: scope.config_path(NETWORKING, NETWORKING_VERSION, "virtual-service"),
        hosts: spec.hosts.iter().filter_map(|h| scope.host(h)).collect(),
        gateways: spec.gateways().map(|g| scope.gateway(g)).collect(),
        export: scope.export(&spec.export_to),
        http: spec
            .http
            .iter()
            .map(|rule| http_rule(scope, rule))
            .collect(),
        tls: spec.tls.iter().map(|rule| tls_rule(scope, rule)).collect(),
    }
}

fn tls_rule(scope: &Scope<'_>, rule: &vs::TlsRoute) -> TlsRule {
    let matches = rule.matches.iter().map(|matched| TlsMatch {
        names: matched
            .sni_hosts
            .iter()
            .filter_map(|host| Hostname::parse(host).ok())
            .collect(),
        port: matched.port,
        gateways: matched.gateways.iter().map(|g| scope.gateway(g)).collect(),
    });
    let route = rule.route.iter().filter_map(|to| {
        Some(Destination {
            weight: to.weight,
            ..destination(scope, &to.destination)?
        })
    });
    TlsRule {
        matches: matches.collect(),
        route: route.collect(),
    }
}

fn http_rule(scope: &Scope<'_>, rule: &vs::HttpRoute) -> HttpRule {
    let destinations = rule.route.iter().filter_map(|to| {
        Some(Destination {
            weight: to.weight,
            headers: headers(&to.headers),
            ..destination(scope, &to.destination)?
        })
    });
    let copies = rule.copies().filter(|(_, share, _)| *share > 0);
    let copies = copies.filter_map(|(to, share, _)| Some((destination(scope, to)?, share)));
    HttpRule {
        name: rule.name.as_str().into(),
        matches: rule.matches.iter().map(|m| http_match(scope, m)).collect(),
        route: destinations.collect(),
        // Zero switches the limit off, as absence does.
        timeout: rule.timeout.filter(|timeout| !timeout.is_zero()),
        headers: headers(&rule.headers),
        fault: rule.fault.as_ref().map(fault),
        cors: rule.cors_policy.as_ref().map(cors),
        mirrors: copies.collect(),
    }
}

/// A destination that gets everything, as it comes.
fn destination(scope: &Scope<'_>, written: &vs::Destination) -> Option<Destination> {
    Some(Destination {
        host: scope.host(&written.host)?,
        port: written.port.map(|port| port.number),
        subset: written.subset.as_str().into(),
        weight: 0,
        headers: HeaderOperations::default(),
    })
}

fn fault(written: &vs::HttpFault) -> Fault {
    let delay = written.delay.as_ref().and_then(|delay| {
        let wait = delay.fixed_delay?;
        Some((delay.share(), wait))
    });
    let abort = written.abort.as_ref().and_then(|abort| {
        let http = abort.http_status.map(Abort::Http);
        let with = http.or_else(|| abort.grpc_code().map(Abort::Grpc))?;
        Some((abort.share(), with))
    });
    Fault { delay, abort }
}

fn cors(written: &CorsPolicy) -> Cors {
    Cors {
        origins: written.origins().filter_map(|o| text_match(&o)).collect(),
        methods: written.allow_methods.clone(),
        headers: written.allow_headers.clone(),
        exposed: written.expose_headers.clone(),
        max_age: written.max_age,
        credentials: written.allow_credentials,
        forward_unmatched: match written.unmatched_preflights {
            UnmatchedPreflights::Unspecified | UnmatchedPreflights::Forward => true,
            UnmatchedPreflights::Ignore => false,
        },
    }
}

fn http_match(scope: &Scope<'_>, wanted: &vs::HttpMatch) -> HttpMatch {
    let texts = |map: &std::collections::BTreeMap<String, StringMatch>| {
        map.iter()
            .map(|(name, text)| (name.clone(), text_match(text)))
            .collect()
    };
    let one = |text: &Option<StringMatch>| text.as_ref().and_then(text_match);
    HttpMatch {
        name: wanted.name.as_str().into(),
        uri: one(&wanted.uri),
        whole_segments: false,
        ignore_uri_case: wanted.ignore_uri_case,
        scheme: one(&wanted.scheme),
        method: one(&wanted.method),
        authority: one(&wanted.authority),
        headers: texts(&wanted.headers),
        without_headers: texts(&wanted.without_headers),
        query_params: texts(&wanted.query_params),
        port: wanted.port,
        source_labels: wanted.source_labels.clone(),
        source_namespace: wanted.source_namespace.as_str().into(),
        gateways: wanted.gateways.iter().map(|g| scope.gateway(g)).collect(),
    }
}

fn text_match(text: &StringMatch) -> Option<TextMatch> {
    match text {
        StringMatch::Exact(text) => Some(TextMatch::Exact(text.clone())),
        StringMatch::Prefix(text) => Some(TextMatch::Prefix(text.clone())),
        StringMatch::Regex(_) if text.is_presence() => None,
        StringMatch::Regex(text) => Some(TextMatch::Regex(text.clone())),
        StringMatch::Present => None,
    }
}

fn headers(written: &vs::Headers) -> HeaderOperations {
    let changes = |written: &vs::HeaderOperations| HeaderChanges {
        set: written.set.clone(),
        add: written.add.clone(),
        remove: written.remove.clone(),
    };
    HeaderOperations {
        request: changes(&written.request),
        response: changes(&written.response),
    }
}

fn destination_rule(scope: &Scope<'_>, spec: &dr::DestinationRule) -> Option<DestinationRule> {
    let subsets = spec.subsets.iter().map(|subset| SubsetPolicy {
        name: subset.name.as_str().into(),
        labels: subset.labels.clone(),
        traffic: traffic(subset.traffic_policy.as_ref()),
    });
    Some(DestinationRule {
        name: scope.name(),
        host: scope.host(&spec.host)?,
        export: scope.export(&spec.export_to),
        policy: DestinationPolicy {
            config: scope.config_path(NETWORKING, NETWORKING_VERSION, "destination-rule"),
            traffic: traffic(spec.traffic_policy.as_ref()),
            subsets: subsets.collect(),
        },
    })
}

fn traffic(written: Option<&dr::TrafficPolicy>) -> TrafficPolicy {
    let Some(written) = written else {
        return TrafficPolicy::default();
    };
    let ports = written.port_level_settings.iter().map(|of_port| {
        let own = PolicyBlocks {
            balancing: of_port.load_balancer.as_ref().map(balancing),
            pool: of_port.connection_pool.clone().map(Arc::new),
            outliers: of_port.outlier_detection.clone().map(Arc::new),
            // Istio has none for single ports.
            retry_budget: written.retry_budget,
            tls: of_port.tls.as_ref().map(client_tls),
        };
        (of_port.port.number, own)
    });
    TrafficPolicy {
        blocks: PolicyBlocks {
            balancing: written.load_balancer.as_ref().map(balancing),
            pool: written.connection_pool.clone().map(Arc::new),
            outliers: written.outlier_detection.clone().map(Arc::new),
            retry_budget: written.retry_budget,
            tls: written.tls.as_ref().map(client_tls),
        },
        ports: ports.collect(),
    }
}

fn client_tls(written: &dr::ClientTls) -> ClientTls {
    match written.mode {
        dr::ClientTlsMode::Disable => ClientTls::Disable,
        dr::ClientTlsMode::IstioMutual => ClientTls::IstioMutual,
    }
}

fn balancing(written: &dr::LoadBalancer) -> Arc<Balancing> {
    let older = written.warmup_duration_secs.map(|duration| Warmup {
        duration: Some(duration),
        ..Warmup::default()
    });
    Arc::new(Balancing {
        balancer: balancer(written),
        locality: written.locality_lb_setting.clone(),
        warmup: written.warmup.clone().or(older),
    })
}

fn balancer(written: &dr::LoadBalancer) -> Balancer {
    let hash = written.consistent_hash.as_ref();
    if let Some(hash) = hash.and_then(consistent_hash) {
        return Balancer::Hash(Arc::new(hash));
    }
    match written.simple {
        dr::SimpleLoadBalancer::RoundRobin => Balancer::RoundRobin,
        dr::SimpleLoadBalancer::Unspecified | dr::SimpleLoadBalancer::LeastRequest => {
            Balancer::LeastRequest
        }
        dr::SimpleLoadBalancer::Random => Balancer::Random,
    }
}

fn consistent_hash(written: &dr::ConsistentHash) -> Option<ConsistentHash> {
    /// Istio's sizes, where nothing is said.
    const POINTS: u64 = 1024;
    const SLOTS: u64 = 65_537;
    let key = match &written.http_cookie {
        Some(cookie) => HashKey::Cookie(self::cookie(cookie)),
        None if written.use_source_ip => HashKey::SourceIp,
        None if !written.http_header_name.is_empty() => {
            HashKey::Header(written.http_header_name.clone())
        }
        None if !written.http_query_parameter_name.is_empty() => {
            HashKey::Query(written.http_query_parameter_name.clone())
        }
        None => return None,
    };
    let or = |size: u64, default| if size == 0 { default } else { size };
    let table = match (&written.maglev, &written.ring_hash) {
        (Some(maglev), _) => HashTable::Maglev(or(maglev.table_size, SLOTS)),
        (None, Some(ring)) => HashTable::Ring(or(ring.minimum_ring_size, POINTS)),
        (None, None) => HashTable::Ring(or(written.minimum_ring_size, POINTS)),
    };
    Some(ConsistentHash { key, table })
}

fn cookie(written: &dr::HttpCookie) -> Cookie {
    let attributes = written.attributes.iter();
    let attributes = attributes.map(|one| (one.name.clone(), one.value.clone()));
    Cookie {
        name: written.name.clone(),
        path: written.path.clone(),
        ttl: written.ttl,
        attributes: attributes.collect(),
    }
}

fn gateway(scope: &Scope<'_>, spec: &gw::Gateway) -> Gateway {
    let servers = spec.servers.iter().map(|server| Server {
        port: server.port.number,
        port_name: server.port.name.as_str().into(),
        serves: serves(server),
        bind: server.bind.parse().ok(),
        hosts: server
            .hosts
            .iter()
            .filter_map(|host| served_host(scope, host))
            .collect(),
    });
    Gateway {
        name: scope.name(),
        selector: spec.selector.clone(),
        servers: servers.collect(),
    }
}

fn serves(server: &gw::Server) -> Serves {
    let tls = server.tls.as_ref();
    if !server.is_tls() {
        return Serves::Plain {
            https_redirect: tls.is_some_and(|tls| tls.https_redirect),
        };
    }
    match tls {
        None => Serves::Passed,
        Some(tls) if tls.mode == gw::ServerTlsMode::Passthrough => Serves::Passed,
        Some(tls) => Serves::Secure(server_tls(tls)),
    }
}

fn server_tls(tls: &gw::ServerTls) -> ServerTls {
    let version = |version| match version {
        gw::TlsVersion::Auto => None,
        gw::TlsVersion::V12 => Some(TlsVersion::V12),
        gw::TlsVersion::V13 => Some(TlsVersion::V13),
    };
    let named: Vec<String> = tls.credentials().map(names::certificate_secret).collect();
    let certificate = if !tls.mode.needs_certificate() {
        Certificate::Workload
    } else if named.is_empty() {
        Certificate::Files {
            chain: tls.server_certificate.as_str().into(),
            key: tls.private_key.as_str().into(),
        }
    } else {
        Certificate::Sent(named)
    };
    ServerTls {
        clients: match tls.mode {
            gw::ServerTlsMode::Passthrough | gw::ServerTlsMode::Simple => Clients::Anybody,
            gw::ServerTlsMode::OptionalMutual => Clients::Known,
            gw::ServerTlsMode::Mutual | gw::ServerTlsMode::IstioMutual => Clients::Certified,
        },
        certificate,
        roots: roots(tls),
        least: version(tls.min_protocol_version),
        most: version(tls.max_protocol_version),
    }
}

fn roots(tls: &gw::ServerTls) -> Option<Stored> {
    if !tls.mode.needs_roots() {
        return None;
    }
    if !tls.ca_certificates.is_empty() {
        return Some(Stored::File(tls.ca_certificates.as_str().into()));
    }
    let own = tls.ca_cert_credential_name.as_str();
    let own = Some(own).filter(|name| !name.is_empty());
    let name = own.or_else(|| tls.credentials().next())?;
    Some(Stored::Sent(names::roots_secret(name)))
}

/// `[namespace/]host`, where the namespace may be `*` for any and `.` for the Gateway's own.
fn served_host(scope: &Scope<'_>, written: &str) -> Option<ServedHost> {
    let (namespace, host) = match written.split_once('/') {
        None | Some(("*", _)) => (None, written.rsplit('/').next().unwrap_or(written)),
        Some((".", host)) => (Some(scope.meta.namespace.clone()), host),
        Some((namespace, host)) => (Some(namespace.into()), host),
    };
    Some(ServedHost {
        namespace,
        host: Hostname::parse(host).ok()?,
    })
}

fn authentication(scope: &Scope<'_>, spec: &pa::PeerAuthentication) -> PeerAuthentication {
    let ports = spec.port_level_mtls.iter();
    PeerAuthentication {
        name: scope.name(),
        selector: spec.selected_labels().cloned(),
        mode: mode(spec.mode()),
        ports: ports.map(|(&port, tls)| (port, mode(tls.mode))).collect(),
    }
}

fn mode(written: pa::MutualTlsMode) -> Option<MtlsMode> {
    match written {
        pa::MutualTlsMode::Unset => None,
        pa::MutualTlsMode::Disable => Some(MtlsMode::Disable),
        pa::MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        pa::MutualTlsMode::Strict => Some(MtlsMode::Strict),
    }
}
