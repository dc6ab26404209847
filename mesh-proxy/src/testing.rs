//! What the tests of this crate build configurations from, and a proxy without a control plane.

pub(crate) mod dns;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::ident::SpiffeId;
use mesh_model::service::{Health, Locality};
use mesh_pki::live::LiveIdentity;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::health_check::HealthChecker;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;
use mesh_proto::envoy::envoy::r#type::v3::{FractionalPercent, TokenBucket};
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_runtime::{SystemClock, Tasks};
use mesh_traffic::cluster::{Discovery, LbPolicy, Transport, UpstreamProtocol};
use mesh_traffic::tls::{Identity, Roots, Sans, UpstreamTls};
use mesh_traffic::{Cluster, Config, Endpoint, Endpoints, Listener, RouteTable};

use tokio_util::sync::CancellationToken;

use crate::config::live::LiveConfig;
use crate::conn::listen::{FindDestination, Listeners};
use crate::conn::redirect;
use crate::http::exchange::OwnMetadata;
use crate::http::observe::{Observer, Unobserved};
use crate::worker::overload::settings::OverloadSettings;
use crate::worker::overload::{self, Level, Overload};
use crate::worker::{Door, Shared, Workers};

/// A route table of which every host's requests go where `routes` say.
pub(crate) fn table(name: &str, routes: Vec<route::Route>) -> route::RouteConfiguration {
    table_for(name, "*", routes)
}

pub(crate) fn table_for(
    name: &str,
    domain: &str,
    routes: Vec<route::Route>,
) -> route::RouteConfiguration {
    let host = route::VirtualHost {
        name: domain.into(),
        domains: vec![domain.into()],
        routes,
        ..Default::default()
    };
    route::RouteConfiguration {
        name: name.into(),
        virtual_hosts: vec![host],
        ..Default::default()
    }
}

/// A route for all paths to one cluster, with Istio's default retries.
pub(crate) fn to_cluster(name: &str) -> route::Route {
    let action = route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(name.into())),
        timeout: Some(wkt::Duration {
            seconds: 0,
            nanos: 0,
        }),
        retry_policy: Some(route::RetryPolicy {
            retry_on: "connect-failure,refused-stream,unavailable,cancelled".into(),
            num_retries: Some(wkt::UInt32Value { value: 2 }),
            ..Default::default()
        }),
        ..Default::default()
    };
    with_action(action)
}

pub(crate) fn with_action(action: route::RouteAction) -> route::Route {
    let prefix = route::route_match::PathSpecifier::Prefix("/".into());
    route::Route {
        r#match: Some(route::RouteMatch {
            path_specifier: Some(prefix),
            ..Default::default()
        }),
        action: Some(route::route::Action::Route(action)),
        ..Default::default()
    }
}

pub(crate) fn action_of(route: &mut route::Route) -> &mut route::RouteAction {
    match route.action.as_mut() {
        Some(route::route::Action::Route(action)) => action,
        _ => unreachable!("the route was made by to_cluster"),
    }
}

/// How a listener is served; the defaults are a sidecar's.
pub(crate) struct Mk {
    pub(crate) name: &'static str,
    pub(crate) inbound: bool,
    pub(crate) edge: bool,
    pub(crate) authority: Option<&'static str>,
    pub(crate) mutual_tls: bool,
    pub(crate) plaintext: bool,
    pub(crate) routes: Option<route::RouteConfiguration>,
    pub(crate) rds: &'static str,
    /// Filters before the router, by name.
    pub(crate) filters: Vec<(&'static str, mesh_proto::Any)>,
    /// How long heads may take; zero says nothing.
    pub(crate) head_millis: i32,
    /// How long a stream may be silent; zero says nothing.
    pub(crate) silence_millis: i32,
}

impl Default for Mk {
    fn default() -> Self {
        Self {
            name: "listener",
            inbound: false,
            edge: false,
            authority: None,
            mutual_tls: false,
            plaintext: true,
            routes: None,
            rds: "",
            filters: Vec::new(),
            head_millis: 0,
            silence_millis: 0,
        }
    }
}

impl Mk {
    fn manager(&self) -> hcm::HttpConnectionManager {
        let specifier = match &self.routes {
            Some(table) => hcm::http_connection_manager::RouteSpecifier::RouteConfig(table.clone()),
            None => hcm::http_connection_manager::RouteSpecifier::Rds(hcm::Rds {
                route_config_name: self.rds.into(),
                ..Default::default()
            }),
        };
        let filter = |(name, any): (&str, mesh_proto::Any)| hcm::HttpFilter {
            name: name.into(),
            config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any)),
            ..Default::default()
        };
        let router = ("envoy.filters.http.router", pack(&Router::default()));
        let filters = self.filters.iter().cloned().chain([router]);
        let upgrade = hcm::http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".into(),
            ..Default::default()
        };
        hcm::HttpConnectionManager {
            route_specifier: Some(specifier),
            http_filters: filters.map(filter).collect(),
            server_name: "istio-envoy".into(),
            use_remote_address: Some(wkt::BoolValue { value: self.edge }),
            common_http_protocol_options: Some(core::HttpProtocolOptions {
                headers_with_underscores_action: i32::from(self.edge),
                ..Default::default()
            }),
            request_headers_timeout: Some(wkt::Duration {
                seconds: 0,
                nanos: self.head_millis * 1_000_000,
            }),
            stream_idle_timeout: (self.silence_millis > 0).then(|| wkt::Duration {
                seconds: 0,
                nanos: self.silence_millis * 1_000_000,
            }),
            normalize_path: Some(wkt::BoolValue { value: true }),
            upgrade_configs: vec![upgrade],
            forward_client_cert_details: if self.inbound { 2 } else { 0 },
            set_current_client_cert_details: Some(
                hcm::http_connection_manager::SetCurrentClientCertDetails {
                    uri: true,
                    subject: Some(wkt::BoolValue { value: true }),
                    ..Default::default()
                },
            ),
            ..Default::default()
        }
    }

    pub(crate) fn filter(&self) -> listener::Filter {
        listener::Filter {
            name: "http".into(),
            config_type: Some(listener::filter::ConfigType::TypedConfig(pack(
                &self.manager(),
            ))),
        }
    }

    pub(crate) fn listener(&self, address: SocketAddr) -> Listener {
        let chain = |name: &str, transport: &str, socket| listener::FilterChain {
            name: name.into(),
            filter_chain_match: Some(listener::FilterChainMatch {
                transport_protocol: transport.into(),
                ..Default::default()
            }),
            filters: vec![self.filter()],
            transport_socket: socket,
            ..Default::default()
        };
        let mut chains = Vec::new();
        if self.mutual_tls {
            chains.push(chain(
                "mutual",
                "tls",
                Some(server_socket(&["h2", "http/1.1"])),
            ));
        }
        if self.plaintext {
            chains.push(chain("plain", "raw_buffer", None));
        }
        self.with_chains(address, chains)
    }

    pub(crate) fn tcp_listener(&self, address: SocketAddr, cluster: &str) -> Listener {
        let chain = listener::FilterChain {
            filters: vec![tcp_filter(cluster)],
            ..Default::default()
        };
        self.with_chains(address, vec![chain])
    }

    fn with_chains(&self, address: SocketAddr, chains: Vec<listener::FilterChain>) -> Listener {
        Listener::compile(&self.with_chains_pb(address, chains)).unwrap()
    }

    pub(crate) fn with_chains_pb(
        &self,
        address: SocketAddr,
        chains: Vec<listener::FilterChain>,
    ) -> listener::Listener {
        let direction = match (self.edge, self.inbound) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        listener::Listener {
            name: self.name.into(),
            address: Some(pb_address(address)),
            filter_chains: chains,
            traffic_direction: direction,
            metadata: self.authority.map(authority_metadata),
            ..Default::default()
        }
    }
}

/// Name of the filter that counts requests.
pub(crate) const LOCAL_LIMIT: &str = "envoy.filters.http.local_ratelimit";

/// A limit by which so many requests pass, and one more in an hour.
pub(crate) fn local_limit(most: u32) -> LocalRateLimit {
    let all = || core::RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator: 100,
            denominator: 0,
        }),
        ..Default::default()
    };
    LocalRateLimit {
        stat_prefix: "limit".into(),
        token_bucket: Some(TokenBucket {
            max_tokens: most,
            tokens_per_fill: None,
            fill_interval: Some(wkt::Duration {
                seconds: 3600,
                nanos: 0,
            }),
        }),
        filter_enabled: Some(all()),
        filter_enforced: Some(all()),
        ..Default::default()
    }
}

/// A health check that asks often; two failures of the network, or two answers, change an endpoint's health.
pub(crate) fn health_check(checker: HealthChecker) -> core::HealthCheck {
    let millis = |millis: i32| {
        Some(wkt::Duration {
            seconds: 0,
            nanos: millis * 1_000_000,
        })
    };
    let two = Some(wkt::UInt32Value { value: 2 });
    core::HealthCheck {
        timeout: millis(900),
        interval: millis(10),
        no_traffic_interval: millis(10),
        unhealthy_threshold: two,
        healthy_threshold: two,
        health_checker: Some(checker),
        ..Default::default()
    }
}

/// A header that takes the place of what there is of its name.
pub(crate) fn overwrite(name: &str, value: &str) -> core::HeaderValueOption {
    core::HeaderValueOption {
        header: Some(core::HeaderValue {
            key: name.into(),
            value: value.into(),
            ..Default::default()
        }),
        append_action: 2,
        ..Default::default()
    }
}

/// The listener filter by which a listener learns where connections were going.
pub(crate) fn original_destination() -> listener::ListenerFilter {
    listener::ListenerFilter {
        name: "original_dst".into(),
        config_type: Some(listener::listener_filter::ConfigType::TypedConfig(pack(
            &OriginalDst {},
        ))),
        ..Default::default()
    }
}

pub(crate) fn tcp_filter(cluster: &str) -> listener::Filter {
    let proxy = tcp::TcpProxy {
        stat_prefix: "tcp".into(),
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster(cluster.into())),
        ..Default::default()
    };
    listener::Filter {
        name: "tcp".into(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(pack(&proxy))),
    }
}

fn authority_metadata(authority: &str) -> core::Metadata {
    let value = wkt::Value {
        kind: Some(wkt::value::Kind::StringValue(authority.into())),
    };
    let fields = [("authority".to_owned(), value)].into_iter().collect();
    let filter_metadata = [("mesh".to_owned(), wkt::Struct { fields })]
        .into_iter()
        .collect();
    core::Metadata {
        filter_metadata,
        ..Default::default()
    }
}

pub(crate) fn pb_address(address: SocketAddr) -> core::Address {
    let port = core::socket_address::PortSpecifier::PortValue(address.port().into());
    core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(port),
            ..Default::default()
        })),
    }
}

pub(crate) fn server_socket(alpn: &[&str]) -> core::TransportSocket {
    let secret = |name: &str| tls::SdsSecretConfig {
        name: name.into(),
        ..Default::default()
    };
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![secret("default")],
            validation_context_type: Some(
                tls::common_tls_context::ValidationContextType::ValidationContextSdsSecretConfig(
                    secret("ROOTCA"),
                ),
            ),
            alpn_protocols: alpn.iter().map(|&word| word.into()).collect(),
            ..Default::default()
        }),
        require_client_certificate: Some(wkt::BoolValue { value: true }),
        ..Default::default()
    };
    core::TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(pack(
            &context,
        ))),
    }
}

/// A cluster of endpoints that are written in it.
pub(crate) fn mk_cluster(name: &str, addresses: &[SocketAddr]) -> Cluster {
    let endpoint = |address: &SocketAddr| Endpoint {
        address: *address,
        weight: 1,
        health: Health::Healthy,
        priority: 0,
        locality: Arc::new(Locality::default()),
        hostname: None,
        transport_match: Vec::new(),
        workload: None,
        probing: Default::default(),
    };
    let endpoints = addresses.iter().map(endpoint).collect();
    Cluster {
        name: name.into(),
        discovery: Discovery::Static(Arc::new(Endpoints::new(name.into(), endpoints))),
        policy: LbPolicy::RoundRobin,
        panic_threshold: 0,
        weighs_localities: false,
        slow_start: None,
        sources: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        protocol: UpstreamProtocol::Http1,
        transport: Transport::Plain,
        transport_matches: Vec::new(),
        breaker: None,
        detector: None,
        checker: None,
        closes_failed: false,
        idle_timeout: None,
        max_requests_per_connection: None,
        max_connection_duration: None,
        max_streams: None,
        keepalive: None,
        service: None,
        subset: None,
        config: None,
    }
}

/// Mutual TLS towards servers of the given identity.
pub(crate) fn mutual_tls(server: &str) -> Transport {
    Transport::Tls(Arc::new(UpstreamTls {
        identity: Some(Identity::Workload),
        roots: Roots::Mesh,
        servers: Sans {
            exact: vec![SpiffeId::parse(server).unwrap()],
            prefixes: Vec::new(),
        },
        dns_names: Vec::new(),
        sni: Some("outbound_.80_._.app.default.svc.cluster.local".into()),
        alpn: Vec::new(),
    }))
}

/// A configuration of these resources.
pub(crate) fn mk_config(
    listeners: Vec<Listener>,
    tables: Vec<route::RouteConfiguration>,
    clusters: Vec<Cluster>,
) -> Config {
    let mut config = Config::default();
    for listener in listeners {
        config
            .listeners
            .insert(listener.name.clone(), Arc::new(listener));
    }
    for table in tables {
        let table = RouteTable::compile(&table).unwrap();
        config.routes.insert(table.name.clone(), Arc::new(table));
    }
    for cluster in clusters {
        config
            .clusters
            .insert(cluster.name.clone(), Arc::new(cluster));
    }
    config
}

/// A proxy without a control plane: what it shall do is put into it by hand.
pub(crate) struct Proxy {
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) listeners: Listeners,
    pub(crate) tasks: Tasks,
    pub(crate) draining: CancellationToken,
    pub(crate) overload: Arc<Overload>,
    workers: Option<Workers>,
}

/// How long a proxy under test waits before it closes idle connections.
pub(crate) const DRAIN_TIME: Duration = Duration::from_millis(300);

/// A free address, held by nobody.
pub(crate) fn free_address() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

impl Proxy {
    pub(crate) fn start(config: Config, identity: Option<LiveIdentity>) -> Self {
        Self::observed(config, identity, || Rc::new(Unobserved))
    }

    pub(crate) fn observed(
        config: Config,
        identity: Option<LiveIdentity>,
        observers: impl Fn() -> Rc<dyn Observer> + Send + Sync + 'static,
    ) -> Self {
        Self::bounded(config, identity, &OverloadSettings::default(), observers)
    }

    pub(crate) fn bounded(
        config: Config,
        identity: Option<LiveIdentity>,
        settings: &OverloadSettings,
        observers: impl Fn() -> Rc<dyn Observer> + Send + Sync + 'static,
    ) -> Self {
        let destination = Arc::new(redirect::destination);
        Self::made(2, config, identity, settings, observers, destination)
    }

    /// A proxy of one worker: each worker has pools of its own.
    pub(crate) fn alone(config: Config) -> Self {
        let destination = Arc::new(redirect::destination);
        let settings = OverloadSettings::default();
        Self::made(
            1,
            config,
            None,
            &settings,
            || Rc::new(Unobserved),
            destination,
        )
    }

    /// A proxy to which connections are redirected that were going there.
    pub(crate) fn redirected(
        config: Config,
        destination: SocketAddr,
        observers: impl Fn() -> Rc<dyn Observer> + Send + Sync + 'static,
    ) -> Self {
        let settings = OverloadSettings::default();
        let destination = Arc::new(move |_: &std::net::TcpStream, _: SocketAddr| Some(destination));
        Self::made(2, config, None, &settings, observers, destination)
    }

    fn made(
        workers: usize,
        config: Config,
        identity: Option<LiveIdentity>,
        settings: &OverloadSettings,
        observers: impl Fn() -> Rc<dyn Observer> + Send + Sync + 'static,
        destination: FindDestination,
    ) -> Self {
        let overload = Arc::new(Overload::new(settings));
        let live = Arc::new(LiveConfig::new(Config::default()));
        let tasks = Tasks::new(&prometheus::Registry::new());
        let shared = Arc::new(Shared {
            live: live.clone(),
            identity,
            clock: Arc::new(SystemClock),
            own: OwnMetadata::new("sidecar~own", "own").unwrap(),
            observers: Box::new(observers),
            tasks: tasks.clone(),
            overload: overload.clone(),
        });
        let workers = Workers::start(workers, &shared).unwrap();
        overload::watch(&overload, workers.doors(), &tasks);
        let draining = CancellationToken::new();
        let listeners = {
            let draining = draining.clone();
            let (doors, tasks) = (workers.doors(), tasks.clone());
            Listeners::new(doors, tasks, DRAIN_TIME, draining, overload.clone())
                .finding(destination)
        };
        let mut proxy = Self {
            live,
            listeners,
            tasks,
            draining,
            overload,
            workers: Some(workers),
        };
        proxy.apply(config);
        proxy
    }

    /// The ways to its workers.
    pub(crate) fn doors(&self) -> Vec<Door> {
        let workers = self.workers.as_ref();
        workers.map(Workers::doors).unwrap_or_default()
    }

    /// Whether all connections of clients end in time.
    pub(crate) async fn emptied(&self, within: Duration) -> bool {
        match &self.workers {
            Some(workers) => workers.emptied(within).await,
            None => true,
        }
    }

    /// Puts a level of overload in force.
    pub(crate) fn overload(&self, level: Level) {
        self.overload.publish(level);
        let doors = self.workers.as_ref().map(Workers::doors);
        doors.iter().flatten().for_each(Door::wake);
    }

    pub(crate) fn apply(&mut self, config: Config) {
        self.listeners.apply(&config).unwrap();
        self.live.replace(config);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
        if let Some(workers) = self.workers.take() {
            workers.stop();
        }
    }
}
