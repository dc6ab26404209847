//! `RouteAction`: where requests are forwarded to, and how.

use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::route_action::{
    ClusterNotFoundResponseCode as NotFound, ClusterSpecifier, HostRewriteSpecifier,
};
use mesh_proto::envoy::envoy::config::route::v3::weighted_cluster::{
    ClusterWeight, cluster_weight::HostRewriteSpecifier as OwnHost,
};

use super::common::{duration, is_true, is_true_or, limit, number, text};
use super::ops::{self, lists};
use super::route::{Inherited, refuse, refuse_filters};
use super::{descriptor, hash, mirror, redirect, retry};
use crate::matching::path::PathMatch;
use crate::reject::{At, Compiled, Fault};
use crate::route::{ForwardPolicy, ForwardRoute, HostRewrite, PathRewrite, WeightedCluster};
use crate::shape::HeaderOps;

/// Envoy's timeout of a route that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn compile(
    pb: &pb::RouteAction,
    matched: &PathMatch,
    inherited: &Inherited,
) -> Compiled<ForwardRoute> {
    refuse_unsupported(pb)?;
    let own = pb
        .retry_policy
        .as_ref()
        .map(retry::compile)
        .transpose()
        .at("retry_policy")?;
    let websocket = pb
        .upgrade_configs
        .iter()
        .find(|u| is_websocket(&u.upgrade_type));
    Ok(ForwardRoute {
        rate_limits: descriptor::recipes(&pb.rate_limits)?,
        includes_host_limits: is_true(pb.include_vh_rate_limits.as_ref()),
        clusters: clusters(pb)?,
        policy: ForwardPolicy {
            timeout: limit("timeout", pb.timeout.as_ref(), Some(DEFAULT_TIMEOUT))?,
            idle_timeout: duration("idle_timeout", pb.idle_timeout.as_ref())?,
            max_grpc_timeout: duration("max_grpc_timeout", pb.max_grpc_timeout.as_ref())?,
            retry: own.map_or_else(|| inherited.retry.clone(), Arc::new),
            host_rewrite: host_rewrite(pb)?,
            path_rewrite: path_rewrite(pb, matched)?,
            append_x_forwarded_host: pb.append_x_forwarded_host,
            cluster_not_found: cluster_not_found(pb.cluster_not_found_response_code)?,
            websocket: websocket.map(|u| is_true_or(u.enabled.as_ref(), true)),
            fault: None,
            cors: None,
            mirrors: mirror::mirrors(&pb.request_mirror_policies, &inherited.mirrors)?,
            hash: hash::policies(&pb.hash_policy)?,
        },
    })
}

pub(super) fn is_websocket(upgrade: &str) -> bool {
    upgrade.eq_ignore_ascii_case("websocket")
}

fn refuse_unsupported(pb: &pb::RouteAction) -> Compiled<()> {
    let features = [
        (pb.metadata_match.is_some(), "metadata_match"),
        (pb.path_rewrite_policy.is_some(), "path_rewrite_policy"),
        (!pb.path_rewrite.is_empty(), "path_rewrite"),
        (
            pb.retry_policy_typed_config.is_some(),
            "retry_policy_typed_config",
        ),
        (
            pb.internal_redirect_policy.is_some(),
            "internal_redirect_policy",
        ),
        (pb.internal_redirect_action != 0, "internal_redirect_action"),
        (pb.hedge_policy.is_some(), "hedge_policy"),
    ];
    refuse(&features)
}

fn clusters(pb: &pb::RouteAction) -> Compiled<Vec<WeightedCluster>> {
    match &pb.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) if !name.is_empty() => Ok(vec![WeightedCluster {
            cluster: name.into(),
            weight: 1,
            host_rewrite: None,
            ops: HeaderOps::default(),
        }]),
        Some(ClusterSpecifier::WeightedClusters(list)) => weighted(list).at("weighted_clusters"),
        Some(ClusterSpecifier::ClusterHeader(_)) => Err(Fault::unsupported("cluster_header")),
        Some(
            ClusterSpecifier::ClusterSpecifierPlugin(_)
            | ClusterSpecifier::InlineClusterSpecifierPlugin(_),
        ) => Err(Fault::unsupported("cluster_specifier_plugin")),
        Some(ClusterSpecifier::Cluster(_)) | None => Err(Fault::missing("cluster")),
    }
}

fn weighted(pb: &pb::WeightedCluster) -> Compiled<Vec<WeightedCluster>> {
    if pb.random_value_specifier.is_some() {
        return Err(Fault::unsupported("random_value_specifier"));
    }
    let clusters = pb.clusters.iter().enumerate();
    let clusters = clusters.map(|(i, pb)| weighted_cluster(pb).at_index("clusters", i));
    let clusters: Vec<_> = clusters.collect::<Compiled<_>>()?;
    match clusters.iter().any(|cluster| cluster.weight > 0) {
        true => Ok(clusters),
        false => Err(Fault::new("clusters", "the sum of all weights is zero")),
    }
}

fn weighted_cluster(pb: &ClusterWeight) -> Compiled<WeightedCluster> {
    let features = [
        (pb.metadata_match.is_some(), "metadata_match"),
        (!pb.cluster_header.is_empty(), "cluster_header"),
    ];
    refuse(&features)?;
    refuse_filters(&pb.typed_per_filter_config, &[])?;
    let host_rewrite = match &pb.host_rewrite_specifier {
        Some(OwnHost::HostRewriteLiteral(host)) => literal_host(host)?,
        None => None,
    };
    let cluster = text(&pb.name).ok_or_else(|| Fault::missing("name"))?;
    Ok(WeightedCluster {
        cluster,
        weight: number(pb.weight.as_ref()).unwrap_or_default(),
        host_rewrite,
        ops: ops::compile(&lists!(pb))?,
    })
}

fn literal_host(host: &str) -> Compiled<Option<Str>> {
    redirect::header_safe("host_rewrite_literal", host)?;
    Ok(text(host))
}

fn host_rewrite(pb: &pb::RouteAction) -> Compiled<Option<HostRewrite>> {
    match &pb.host_rewrite_specifier {
        None => Ok(None),
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => {
            Ok(literal_host(host)?.map(HostRewrite::Literal))
        }
        Some(HostRewriteSpecifier::HostRewriteHeader(name)) => {
            Ok(text(&name.to_ascii_lowercase()).map(HostRewrite::Header))
        }
        Some(HostRewriteSpecifier::AutoHostRewrite(auto)) => {
            Ok(auto.value.then_some(HostRewrite::Endpoint))
        }
        Some(HostRewriteSpecifier::HostRewritePathRegex(rewrite)) => {
            let (pattern, with) = redirect::replacement("host_rewrite_path_regex", rewrite)?;
            redirect::header_safe("host_rewrite_path_regex.substitution", &with)?;
            Ok(Some(HostRewrite::Path { pattern, with }))
        }
        Some(HostRewriteSpecifier::HostRewrite(_)) => Err(Fault::unsupported("host_rewrite")),
    }
}

fn path_rewrite(pb: &pb::RouteAction, matched: &PathMatch) -> Compiled<Option<PathRewrite>> {
    match (pb.prefix_rewrite.as_str(), &pb.regex_rewrite) {
        ("", None) => Ok(None),
        ("", Some(rewrite)) => redirect::regex("regex_rewrite", rewrite).map(Some),
        (with, None) => {
            redirect::header_safe("prefix_rewrite", with)?;
            Ok(Some(redirect::prefix(with, matched)))
        }
        (_, Some(_)) => Err(Fault::new("prefix_rewrite", "cannot go with regex_rewrite")),
    }
}

fn cluster_not_found(code: i32) -> Compiled<u16> {
    match NotFound::try_from(code) {
        Ok(NotFound::ServiceUnavailable) => Ok(503),
        Ok(NotFound::NotFound) => Ok(404),
        Ok(NotFound::InternalServerError) => Ok(500),
        Err(_) => Err(Fault::new(
            "cluster_not_found_response_code",
            format!("{code} is none"),
        )),
    }
}
