//! `CorsPolicy` of routes, virtual hosts and tables to [`Cors`].

use std::collections::HashMap;
use std::sync::Arc;

use mesh_http::Fields;
use mesh_model::Str;
use mesh_proto::Any;
use mesh_proto::envoy::envoy::config::route::v3 as older;
use mesh_proto::envoy::envoy::config::route::v3::cors_policy::EnabledSpecifier;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::CorsPolicy;

use super::common::{runtime_share, unpack};
use super::matcher;
use crate::cors::Cors;
use crate::fault::Share;
use crate::reject::{At, Compiled, Fault};

/// Name of the filter, by which routes configure it.
pub(crate) const FILTER: &str = "envoy.filters.http.cors";

/// What a place in a route table says, with what wider places say besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// By the filter's configuration.
    filter: Option<Arc<Cors>>,
    /// By the older fields, which count where no place has the filter's configuration.
    field: Option<Arc<Cors>>,
}

impl Said {
    /// Reads what one place says.
    pub(super) fn of(
        per_filter: &HashMap<String, Any>,
        field: Option<&older::CorsPolicy>,
    ) -> Compiled<Self> {
        let filter = per_filter.get(FILTER).map(|any| {
            let compiled = unpack(any).and_then(|pb| compile(&pb));
            compiled.at(&format!("typed_per_filter_config[{FILTER:?}]"))
        });
        let field = field.map(|field| compile(&as_filter(field)).at("cors"));
        Ok(Self {
            filter: filter.transpose()?.map(Arc::new),
            field: field.transpose()?.map(Arc::new),
        })
    }

    /// The same within a wider place.
    pub(super) fn within(self, wider: &Self) -> Self {
        Self {
            filter: merged(self.filter, wider.filter.as_ref()),
            field: merged(self.field, wider.field.as_ref()),
        }
    }

    /// What holds.
    pub(super) fn policy(self) -> Option<Arc<Cors>> {
        self.filter.or(self.field)
    }
}

fn merged(own: Option<Arc<Cors>>, wider: Option<&Arc<Cors>>) -> Option<Arc<Cors>> {
    match (own, wider) {
        (Some(own), Some(wider)) => Some(Arc::new(own.or(wider))),
        (own, wider) => own.or_else(|| wider.cloned()),
    }
}

impl Cors {
    /// Each thing as the narrower place says it, else as the wider one does. Whether requests are heeded at all
    /// is a matter of the narrower one alone.
    fn or(&self, wider: &Self) -> Self {
        let text = |own: &Str, wider: &Str| if own.is_empty() { wider } else { own }.clone();
        Self {
            enabled: self.enabled,
            origins: match self.origins.is_empty() {
                true => wider.origins.clone(),
                false => self.origins.clone(),
            },
            methods: text(&self.methods, &wider.methods),
            headers: text(&self.headers, &wider.headers),
            exposed: text(&self.exposed, &wider.exposed),
            max_age: text(&self.max_age, &wider.max_age),
            credentials: self.credentials.or(wider.credentials),
            private_network: self.private_network.or(wider.private_network),
            forward_unmatched: self.forward_unmatched.or(wider.forward_unmatched),
        }
    }
}

fn compile(pb: &CorsPolicy) -> Compiled<Cors> {
    let origins = pb.allow_origin_string_match.iter().enumerate();
    let origins = origins.map(|(i, pb)| matcher::text(pb).at_index("allow_origin_string_match", i));
    let enabled = runtime_share(pb.filter_enabled.as_ref()).at("filter_enabled")?;
    // Where only this is on, origins are counted and nothing else happens; they are not counted here.
    runtime_share(pb.shadow_enabled.as_ref()).at("shadow_enabled")?;
    Ok(Cors {
        enabled: enabled.unwrap_or(Share::ALL),
        origins: origins.collect::<Compiled<_>>()?,
        methods: value("allow_methods", &pb.allow_methods)?,
        headers: value("allow_headers", &pb.allow_headers)?,
        exposed: value("expose_headers", &pb.expose_headers)?,
        max_age: value("max_age", &pb.max_age)?,
        credentials: pb.allow_credentials.as_ref().map(|it| it.value),
        private_network: pb.allow_private_network_access.as_ref().map(|it| it.value),
        forward_unmatched: pb
            .forward_not_matching_preflights
            .as_ref()
            .map(|it| it.value),
    })
}

/// A text that becomes the value of a header.
fn value(field: &str, text: &str) -> Compiled<Str> {
    match Fields::new().append("x", text) {
        Ok(()) => Ok(text.into()),
        Err(_) => Err(Fault::new(field, format!("{text:?} is no header value"))),
    }
}

/// The older message, as the filter's configuration says the same.
fn as_filter(pb: &older::CorsPolicy) -> CorsPolicy {
    let pb = pb.clone();
    CorsPolicy {
        allow_origin_string_match: pb.allow_origin_string_match,
        allow_methods: pb.allow_methods,
        allow_headers: pb.allow_headers,
        expose_headers: pb.expose_headers,
        max_age: pb.max_age,
        allow_credentials: pb.allow_credentials,
        filter_enabled: pb
            .enabled_specifier
            .map(|EnabledSpecifier::FilterEnabled(enabled)| enabled),
        shadow_enabled: pb.shadow_enabled,
        allow_private_network_access: pb.allow_private_network_access,
        forward_not_matching_preflights: pb.forward_not_matching_preflights,
    }
}

#[cfg(test)]
mod tests;
