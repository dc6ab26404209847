//! Where requests go by where clients and endpoints are (`localityLbSetting`), and how endpoints that are new come
//! to their share (`warmup`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::schema::{Message, Shape};
use crate::wire;

/// Where requests go by where clients and endpoints are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalityLb {
    /// Whether any of it counts; it does if absent.
    pub enabled: Option<bool>,
    /// Shares of localities; the first that speaks of the client's counts.
    pub distribute: Vec<Distribute>,
    /// The region that comes next when one cannot take all.
    pub failover: Vec<Failover>,
    /// Labels, each alone or as `label=value`; the more of them an endpoint shares with the client, counted from the
    /// first on, the sooner it is used.
    pub failover_priority: Vec<String>,
}

/// Shares that clients of a locality give to others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Distribute {
    /// Where clients are: `region/zone/sub-zone`, of which the last may be `*` or missing.
    pub from: String,
    /// Where their requests go, in per cent.
    pub to: BTreeMap<String, u32>,
}

/// What comes after the client's own region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Failover {
    /// The client's region.
    pub from: String,
    /// The one that comes next.
    pub to: String,
}

/// How endpoints that are new come to their share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Warmup {
    /// How long they are new.
    #[serde(deserialize_with = "wire::duration")]
    pub duration: Option<Duration>,
    /// What they get at least of their share, in millionths; ten per cent if absent.
    #[serde(deserialize_with = "wire::optional_percent")]
    pub minimum_percent: Option<u32>,
    /// How much faster the share grows at first than later, in thousandths; 1 if absent, by which it grows evenly.
    #[serde(deserialize_with = "wire::optional_factor")]
    pub aggression: Option<u32>,
}

impl LocalityLb {
    /// Whether any of it counts.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

pub(crate) static LOCALITY_LB: Message = Message {
    fields: &[
        ("enabled", Shape::Bool),
        ("distribute", Shape::List(&Shape::Message(&DISTRIBUTE))),
        ("failover", Shape::List(&Shape::Message(&FAILOVER))),
        ("failoverPriority", Shape::List(&Shape::Text)),
    ],
    ..Message::ISTIO
};

static DISTRIBUTE: Message = Message {
    fields: &[("from", Shape::Text), ("to", Shape::Map(&Shape::Count))],
    ..Message::ISTIO
};

static FAILOVER: Message = Message {
    fields: &[("from", Shape::Text), ("to", Shape::Text)],
    ..Message::ISTIO
};

pub(crate) static WARMUP: Message = Message {
    fields: &[
        ("duration", Shape::Duration),
        ("minimumPercent", Shape::Percent),
        ("aggression", Shape::Factor),
    ],
    required: &["duration"],
    ..Message::ISTIO
};
