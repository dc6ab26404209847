//! `/debug/syncz`: for each connected proxy what it was sent and has acknowledged.

use mesh_proto::any;
use mesh_xds::server::{ClientStatus, TypeStatus};
use serde_json::{Map, Value};

/// istio: the words of the page for each type.
const TYPES: [(&str, &str); 4] = [
    ("cluster", any::CLUSTER),
    ("endpoint", any::ENDPOINT),
    ("listener", any::LISTENER),
    ("route", any::ROUTE),
];

/// The page: one object per stream, nonces under `<type>_sent` and `<type>_acked`.
pub(super) fn page(streams: &[ClientStatus]) -> Value {
    streams.iter().map(stream).collect()
}

fn stream(status: &ClientStatus) -> Value {
    let mut out = Map::new();
    out.insert("proxy".into(), status.key.as_str().into());
    out.insert("node".into(), status.node.as_str().into());
    out.insert("version_published".into(), status.published_version.into());
    out.insert("version_acked".into(), status.acked_version.into());
    for (name, type_url) in TYPES {
        let of_type = status.types.get(type_url);
        let text = |field: fn(&TypeStatus) -> &String| of_type.map_or("", |t| field(t)).into();
        out.insert(format!("{name}_sent"), text(|t| &t.sent));
        out.insert(format!("{name}_acked"), text(|t| &t.acked));
    }
    out.insert("last_error".into(), last_error(status).into());
    Value::Object(out)
}

/// Why the proxy refused something, with the type's URL before it.
pub(super) fn last_error(status: &ClientStatus) -> Option<String> {
    let errors: Vec<_> = status
        .types
        .iter()
        .filter_map(|(type_url, of_type)| {
            let kind = type_url.rsplit('.').next().unwrap_or(type_url);
            of_type
                .last_error
                .as_ref()
                .map(|why| format!("{kind}: {why}"))
        })
        .collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

#[cfg(test)]
mod tests;
