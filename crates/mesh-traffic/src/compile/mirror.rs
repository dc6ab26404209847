//! `RequestMirrorPolicy` to [`Mirror`].

use std::sync::Arc;

use mesh_proto::envoy::envoy::config::route::v3::route_action::RequestMirrorPolicy;

use super::common::{runtime_share, text};
use super::redirect;
use crate::fault::Share;
use crate::matching::header::HeaderName;
use crate::mirror::{HostOf, Mirror, To};
use crate::reject::{At, Compiled, Fault};

/// The mirrors of a place in a route table; where it says nothing, those of the place that it is in.
pub(super) fn mirrors(
    list: &[RequestMirrorPolicy],
    wider: &Arc<[Mirror]>,
) -> Compiled<Arc<[Mirror]>> {
    if list.is_empty() {
        return Ok(wider.clone());
    }
    let mirrors = list.iter().enumerate();
    mirrors
        .map(|(index, pb)| mirror(pb).at_index("request_mirror_policies", index))
        .collect()
}

fn mirror(pb: &RequestMirrorPolicy) -> Compiled<Mirror> {
    // Nothing is traced, so `trace_sampled` has nothing to decide.
    if !pb.request_headers_mutations.is_empty() {
        return Err(Fault::unsupported("request_headers_mutations"));
    }
    let to = match (text(&pb.cluster), text(&pb.cluster_header)) {
        (Some(cluster), None) => To::Cluster(cluster),
        (None, Some(header)) => To::Header(HeaderName::parse(&header)),
        (None, None) => return Err(Fault::missing("cluster")),
        (Some(_), Some(_)) => return Err(Fault::new("cluster", "cannot go with cluster_header")),
    };
    redirect::header_safe("host_rewrite_literal", &pb.host_rewrite_literal)?;
    let host = match (
        text(&pb.host_rewrite_literal),
        pb.disable_shadow_host_suffix_append,
    ) {
        (Some(host), _) => HostOf::Literal(host),
        (None, true) => HostOf::Same,
        (None, false) => HostOf::Marked,
    };
    let share = runtime_share(pb.runtime_fraction.as_ref()).at("runtime_fraction")?;
    Ok(Mirror {
        to,
        share: share.unwrap_or(Share::ALL),
        host,
    })
}

#[cfg(test)]
mod tests;
