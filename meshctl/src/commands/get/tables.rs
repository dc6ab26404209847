//! Objects as tables: the columns that kubectl shows for their kind, and what pilot made of them.

use mesh_api::Object;
use mesh_api::kinds::{Content, Kind};
use serde_json::Value;

use crate::target::ConfigStatus;
use crate::ui::table::Table;
use crate::ui::{Tone, Ui};

/// A column of a kind: its header, and where its value stands in the object.
type Column = (&'static str, &'static str);

/// Renders objects of one kind, or of several when `kind` is not given.
pub(super) fn render(
    kind: Option<&'static Kind>,
    objects: &[&Object],
    status: Option<&ConfigStatus>,
    all_namespaces: bool,
    ui: &Ui,
) -> String {
    let columns = kind.map_or(&[][..], columns);
    let ours = kind.is_none_or(|kind| has_state(kind.content));
    let mut headers = Vec::new();
    if all_namespaces {
        headers.push("namespace");
    }
    headers.push("name");
    headers.extend(columns.iter().map(|(header, _)| *header));
    if ours {
        headers.extend(["state", "message"]);
    }
    let mut table = Table::new(&headers);
    for object in objects {
        let mut cells = Vec::new();
        if all_namespaces {
            cells.push(object.key.namespace.to_string());
        }
        cells.push(match kind {
            Some(_) => object.key.name.to_string(),
            None => format!("{}/{}", object.kind.qualified(), object.key.name),
        });
        cells.extend(
            columns
                .iter()
                .map(|(_, pointer)| cell(object.value.pointer(pointer))),
        );
        if ours {
            cells.extend(state(object, status, ui));
        }
        table.row(cells);
    }
    table.render()
}

fn columns(kind: &'static Kind) -> &'static [Column] {
    match kind.content {
        Content::VirtualService => &[("gateways", "/spec/gateways"), ("hosts", "/spec/hosts")],
        Content::DestinationRule => &[("host", "/spec/host")],
        Content::Gateway => &[("selector", "/spec/selector")],
        Content::PeerAuthentication => &[("mode", "/spec/mtls/mode")],
        Content::Service => &[
            ("selector", "/spec/selector"),
            ("ports", "/spec/ports/0/port"),
        ],
        Content::Pod => &[
            ("ip", "/status/podIP"),
            ("ready", "/status/conditions/0/status"),
        ],
        Content::EndpointSlice
        | Content::Namespace
        | Content::ServiceAccount
        | Content::Deployment
        | Content::OtherWorkload
        | Content::Node
        | Content::Tolerated
        | Content::Later => &[],
        Content::Secret => &[("type", "/type")],
        Content::Ingress => &[("class", "/spec/ingressClassName")],
        Content::IngressClass => &[("controller", "/spec/controller")],
    }
}

fn has_state(content: Content) -> bool {
    matches!(
        content,
        Content::VirtualService
            | Content::DestinationRule
            | Content::Gateway
            | Content::PeerAuthentication
            | Content::Later
    )
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| cell(Some(item))).collect();
            items.join(",")
        }
        Some(Value::Object(members)) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{key}={}", cell(Some(value))))
                .collect();
            members.join(",")
        }
        Some(other) => other.to_string(),
    }
}

/// State and message; pilot that does not answer leaves them open.
fn state(object: &Object, status: Option<&ConfigStatus>, ui: &Ui) -> [String; 2] {
    let Some(status) = status else {
        return [
            ui.paint(Tone::Faint, "Unknown"),
            "pilot does not answer".to_owned(),
        ];
    };
    match status.object(&object.key) {
        None => [ui.paint(Tone::Faint, "NotRead"), String::new()],
        Some(one) => {
            let tone = if one.is_in_force() {
                Tone::Good
            } else {
                Tone::Bad
            };
            [ui.paint(tone, &one.state), one.why(&object.key)]
        }
    }
}
