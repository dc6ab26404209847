//! PeerAuthentication: whether workloads accept plain text, mutual TLS, or both.

use std::collections::BTreeMap;

use mesh_model::labels::Labels;
use serde::Deserialize;

use crate::schema::{Message, Shape};
use crate::wire;

/// What the selected workloads ask of those who connect.
///
/// Precedence: port, workload, namespace, mesh (the root namespace without selector), and
/// PERMISSIVE when nothing says otherwise. Of several at one scope the oldest wins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerAuthentication {
    /// The workloads of its namespace that it is for; absent or empty means all of them.
    pub selector: Option<WorkloadSelector>,
    /// For all ports; absent inherits.
    pub mtls: Option<MutualTls>,
    /// For single ports of the workload (container ports); needs a selector.
    #[serde(deserialize_with = "by_port")]
    pub port_level_mtls: BTreeMap<u16, MutualTls>,
}

impl PeerAuthentication {
    /// The labels it selects by, unless it is for a whole namespace or mesh.
    #[must_use]
    pub fn selected_labels(&self) -> Option<&Labels> {
        self.selector
            .as_ref()
            .map(|selector| &selector.match_labels)
            .filter(|labels| !labels.0.is_empty())
    }

    /// The mode for all ports; [`MutualTlsMode::Unset`] inherits.
    #[must_use]
    pub fn mode(&self) -> MutualTlsMode {
        self.mtls.map(|mtls| mtls.mode).unwrap_or_default()
    }
}

/// Workloads by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadSelector {
    /// Labels that a workload must have.
    #[serde(deserialize_with = "wire::labels")]
    pub match_labels: Labels,
}

/// The setting of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MutualTls {
    /// What is accepted.
    pub mode: MutualTlsMode,
}

/// What is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MutualTlsMode {
    /// As the next wider scope says.
    #[default]
    Unset,
    /// Plain text only.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// Reads the keys, which are text in JSON, as ports.
fn by_port<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<u16, MutualTls>, D::Error> {
    BTreeMap::<String, MutualTls>::deserialize(from)?
        .into_iter()
        .map(|(port, mode)| Ok((port.parse().map_err(serde::de::Error::custom)?, mode)))
        .collect()
}

pub(crate) static PEER_AUTHENTICATION: Message = Message {
    fields: &[
        ("selector", Shape::Message(&SELECTOR)),
        ("mtls", Shape::Message(&MUTUAL_TLS)),
        (
            "portLevelMtls",
            Shape::MapByPort(&Shape::Message(&MUTUAL_TLS)),
        ),
    ],
    rules: &[(
        "!has(self.portLevelMtls) || (has(self.selector) && has(self.selector.matchLabels) \
         && self.selector.matchLabels.size() > 0)",
        "portLevelMtls needs a selector: ports belong to workloads",
    )],
    ..Message::ISTIO
};

static SELECTOR: Message = Message {
    fields: &[("matchLabels", Shape::Map(&Shape::Text))],
    ..Message::ISTIO
};

static MUTUAL_TLS: Message = Message {
    fields: &[(
        "mode",
        Shape::Choice {
            now: &["UNSET", "DISABLE", "PERMISSIVE", "STRICT"],
            later: &[],
        },
    )],
    ..Message::ISTIO
};
