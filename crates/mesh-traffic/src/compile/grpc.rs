//! Services that are called by gRPC through a cluster of the configuration.

use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::core::v3::{ApiVersion, GrpcService, grpc_service};

use super::common::{duration, text};
use super::route;
use crate::reject::{Compiled, Fault};

/// Where a service is, and how it is called.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Called {
    pub(super) cluster: Str,
    pub(super) authority: Str,
    /// How long it may take to answer; `None` where nothing is said.
    pub(super) timeout: Option<Duration>,
}

/// Refuses all but the one version of Envoy's services that there is.
pub(super) fn version(version: i32) -> Compiled<()> {
    match ApiVersion::try_from(version) {
        Ok(ApiVersion::V3) => Ok(()),
        Ok(ApiVersion::Auto | ApiVersion::V2) | Err(_) => {
            Err(Fault::new("transport_api_version", "is not V3"))
        }
    }
}

pub(super) fn service(pb: &GrpcService) -> Compiled<Called> {
    let features = [
        (!pb.initial_metadata.is_empty(), "initial_metadata"),
        (pb.retry_policy.is_some(), "retry_policy"),
    ];
    route::refuse(&features)?;
    let envoy = match &pb.target_specifier {
        Some(grpc_service::TargetSpecifier::EnvoyGrpc(envoy)) => envoy,
        Some(grpc_service::TargetSpecifier::GoogleGrpc(_)) => {
            return Err(Fault::unsupported("google_grpc"));
        }
        None => return Err(Fault::missing("envoy_grpc")),
    };
    let features = [
        (envoy.retry_policy.is_some(), "envoy_grpc.retry_policy"),
        (
            envoy.max_receive_message_length.is_some(),
            "envoy_grpc.max_receive_message_length",
        ),
    ];
    route::refuse(&features)?;
    let cluster = text(&envoy.cluster_name);
    let cluster = cluster.ok_or_else(|| Fault::missing("envoy_grpc.cluster_name"))?;
    let given = duration("timeout", pb.timeout.as_ref())?;
    Ok(Called {
        // Envoy: the cluster's name stands for an authority that is not said.
        authority: text(&envoy.authority).unwrap_or_else(|| cluster.clone()),
        cluster,
        // An answer that may take for ever would hold the request for as long.
        timeout: given.filter(|it| !it.is_zero()),
    })
}
