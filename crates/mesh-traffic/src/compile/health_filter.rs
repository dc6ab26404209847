//! `envoy.filters.http.health_check` to [`HealthFilter`].

use std::sync::Arc;

use mesh_model::Str;
use mesh_proto::envoy::envoy::extensions::filters::http::health_check::v3 as pb;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use parking_lot::Mutex;

use super::common::{duration, unpack};
use super::http::{message, typed};
use super::matcher;
use crate::health::{HealthFilter, Who};
use crate::reject::{At, Compiled, Fault};

/// The filter's configuration.
pub(super) const TYPE: &str = "envoy.extensions.filters.http.health_check.v3.HealthCheck";

/// The filter among those of a listener.
pub(super) fn of_manager(list: &[HttpFilter]) -> Compiled<Option<Arc<HealthFilter>>> {
    let is = |filter: &HttpFilter| typed(filter).is_some_and(|any| message(any) == TYPE);
    let mut found = None;
    for (index, filter) in list.iter().enumerate().filter(|(_, filter)| is(filter)) {
        if filter.disabled {
            continue;
        }
        if found.is_some() {
            let why = "there is one before it, and one is supported";
            return Err(Fault::new("", why)).at_index("http_filters", index);
        }
        found = own(filter).at_index("http_filters", index)?;
    }
    Ok(found.map(Arc::new))
}

fn own(filter: &HttpFilter) -> Compiled<Option<HealthFilter>> {
    let pb = typed(filter).map(unpack::<pb::HealthCheck>).transpose()?;
    pb.map(|pb| compile(&pb)).transpose().at("typed_config")
}

fn compile(pb: &pb::HealthCheck) -> Compiled<HealthFilter> {
    let passes = pb.pass_through_mode.as_ref();
    let passes = passes.ok_or_else(|| Fault::missing("pass_through_mode"))?;
    let time = duration("cache_time", pb.cache_time.as_ref())?;
    let clusters = clusters(pb)?;
    let kind = match (passes.value, time) {
        (true, _) if !clusters.is_empty() => {
            let why = "is not looked at where the application answers (pass_through_mode)";
            return Err(Fault::new("cluster_min_healthy_percentages", why));
        }
        (true, None) => Who::Application,
        (true, Some(time)) if time.is_zero() => Who::Application,
        (true, Some(time)) => Who::Cached {
            time,
            answered: Mutex::default(),
        },
        (false, Some(time)) if !time.is_zero() => {
            let why = "is only for answers of the application (pass_through_mode)";
            return Err(Fault::new("cache_time", why));
        }
        (false, _) => Who::Clusters(clusters),
    };
    let headers = pb.headers.iter().enumerate();
    let headers = headers.map(|(index, one)| matcher::header(one).at_index("headers", index));
    Ok(HealthFilter {
        headers: headers.collect::<Compiled<_>>()?,
        kind,
    })
}

/// By name, so that equal ones are.
fn clusters(pb: &pb::HealthCheck) -> Compiled<Vec<(Str, f64)>> {
    let mut all = Vec::new();
    for (name, percent) in &pb.cluster_min_healthy_percentages {
        if !(0.0..=100.0).contains(&percent.value) {
            let why = format!("that of {name} is not between 0 and 100");
            return Err(Fault::new("cluster_min_healthy_percentages", why));
        }
        all.push((Str::from(name), percent.value));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

#[cfg(test)]
mod tests;
