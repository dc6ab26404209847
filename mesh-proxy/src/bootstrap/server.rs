//! The server that a bootstrap file names: the one to ask for everything (`ads_config`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mesh_identity::grpc_channel_to;
use mesh_model::Str;
use mesh_proto::envoy::envoy::config::bootstrap::v3::bootstrap::StaticResources;
use mesh_proto::envoy::envoy::config::cluster::v3 as clusters;
use mesh_proto::envoy::envoy::config::core::v3::address::Address;
use mesh_proto::envoy::envoy::config::core::v3::api_config_source::ApiType;
use mesh_proto::envoy::envoy::config::core::v3::grpc_service::TargetSpecifier;
use mesh_proto::envoy::envoy::config::core::v3::{ApiConfigSource, ApiVersion};
use mesh_proto::envoy::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use mesh_traffic::Cluster;
use mesh_traffic::cluster::Transport;
use mesh_traffic::tls::UpstreamTls;
use mesh_xds::Kind;
use mesh_xds::client::{ChannelMaker, ConnectError, Variant};
use tonic::transport::{Channel, Endpoint};

use super::{BadBootstrap, port};
use crate::upstream::tls::outside_grpc;

const FIELD: &str = "dynamic_resources.ads_config";
/// Silence after which a connection is probed, and how long the answer may take.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Who is asked, and how.
#[derive(Debug, Clone)]
pub struct Server {
    /// The variant of the protocol.
    pub variant: Variant,
    /// The types of which every resource is asked for.
    pub all_of: Vec<Kind>,
    addresses: Vec<String>,
    tls: Option<Arc<UpstreamTls>>,
    connect_timeout: Duration,
}

impl Server {
    /// The server of the cluster that `config` names.
    pub(super) fn new(
        config: &ApiConfigSource,
        fixed: &StaticResources,
        all_of: Vec<Kind>,
    ) -> Result<Self, BadBootstrap> {
        let variant = match ApiType::try_from(config.api_type) {
            Ok(ApiType::Grpc) => Variant::StateOfTheWorld,
            Ok(ApiType::DeltaGrpc) => Variant::Delta,
            _ => return Err(unsupported("api_type: any but GRPC and DELTA_GRPC")),
        };
        if config.transport_api_version != ApiVersion::V3 as i32 {
            return Err(BadBootstrap::field(
                &format!("{FIELD}.transport_api_version"),
                "is not V3",
            ));
        }
        let [service] = config.grpc_services.as_slice() else {
            return Err(unsupported("grpc_services: any number but one"));
        };
        let Some(TargetSpecifier::EnvoyGrpc(grpc)) = &service.target_specifier else {
            return Err(unsupported("grpc_services[0]: any but envoy_grpc"));
        };
        let name = &grpc.cluster_name;
        let found = fixed.clusters.iter().find(|cluster| cluster.name == *name);
        let Some(pb) = found else {
            let field = format!("{FIELD}.grpc_services[0].envoy_grpc.cluster_name");
            let why = format!("static_resources.clusters has no {name:?}");
            return Err(BadBootstrap::field(&field, why));
        };
        let at = |field: &str| format!("static_resources.clusters[{name:?}].{field}");
        let cluster = Cluster::compile(pb)
            .map_err(|reject| BadBootstrap::field(&at(&reject.field), reject.why))?;
        let tls = match &cluster.transport {
            Transport::Plain => None,
            Transport::Tls(tls) => Some(tls.clone()),
        };
        let addresses = addresses(pb, &at("load_assignment"))?;
        if addresses.is_empty() {
            return Err(BadBootstrap::field(
                &at("load_assignment"),
                "has no endpoint",
            ));
        }
        Ok(Self {
            variant,
            all_of,
            addresses,
            tls,
            connect_timeout: cluster.connect_timeout,
        })
    }

    /// Makes channels to it: each to the next of its endpoints.
    #[must_use]
    pub fn channels(&self) -> ChannelMaker {
        let (server, turn) = (self.clone(), AtomicUsize::new(0));
        Arc::new(move || {
            let turn = turn.fetch_add(1, Ordering::Relaxed) % server.addresses.len().max(1);
            let address = server.addresses.get(turn);
            let channel = address.map(|address| server.open(address));
            let none = || Err("the server has no endpoint".into());
            Box::pin(std::future::ready(channel.unwrap_or_else(none)))
        })
    }

    fn open(&self, address: &str) -> Result<Channel, ConnectError> {
        let Some(tls) = &self.tls else {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?
                .connect_timeout(self.connect_timeout)
                .http2_keep_alive_interval(PROBE_AFTER)
                .keep_alive_timeout(PROBE_TIMEOUT);
            return Ok(endpoint.connect_lazy());
        };
        // Files are read anew, for others renew them.
        let config = outside_grpc(tls)?;
        let name = tls.sni.as_deref();
        Ok(grpc_channel_to(address, name, config)?)
    }
}

fn unsupported(what: &str) -> BadBootstrap {
    BadBootstrap::Unsupported(format!("{FIELD}.{what}"))
}

/// `HOST:PORT` of each endpoint.
fn addresses(pb: &clusters::Cluster, field: &str) -> Result<Vec<String>, BadBootstrap> {
    let localities = pb.load_assignment.iter().flat_map(|all| &all.endpoints);
    let endpoints = localities.flat_map(|locality| &locality.lb_endpoints);
    let hosts = endpoints.filter_map(|endpoint| match &endpoint.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint.address.as_ref(),
        _ => None,
    });
    let text = |address: &mesh_proto::envoy::envoy::config::core::v3::Address| {
        let Some(Address::SocketAddress(socket)) = &address.address else {
            return Err(BadBootstrap::Unsupported(format!(
                "{field}: any but socket_address"
            )));
        };
        let host = match socket.address.contains(':') {
            true => Str::from(format!("[{}]", socket.address)),
            false => Str::from(&socket.address),
        };
        Ok(format!("{host}:{}", port(field, socket)?))
    };
    hosts.map(text).collect()
}
