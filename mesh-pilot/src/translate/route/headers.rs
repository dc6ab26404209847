//! Header operations of rules and destinations.

use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::header_value_option::HeaderAppendAction;

use crate::snapshot::rules::HeaderChanges;

/// `set` first, each sorted by name. Pseudo headers are none of these: a host among them is a
/// rewrite, see [`host_rewrite`].
pub(super) fn to_add(changes: &HeaderChanges) -> Vec<core::HeaderValueOption> {
    let set = changes
        .set
        .iter()
        .map(|pair| option(pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = changes
        .add
        .iter()
        .map(|pair| option(pair, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add).flatten().collect()
}

/// The host that the operations ask for; `set` wins over `add`.
pub(super) fn host_rewrite(changes: &HeaderChanges) -> Option<&str> {
    changes
        .set
        .iter()
        .chain(&changes.add)
        .find(|(name, _)| is_host(name))
        .map(|(_, value)| value.as_str())
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

fn option(
    (name, value): (&String, &String),
    action: HeaderAppendAction,
) -> Option<core::HeaderValueOption> {
    if name.starts_with(':') || is_host(name) {
        return None;
    }
    Some(core::HeaderValueOption {
        header: Some(core::HeaderValue {
            key: name.clone(),
            value: value.clone(),
            raw_value: Vec::new(),
        }),
        append_action: action.into(),
        ..Default::default()
    })
}
