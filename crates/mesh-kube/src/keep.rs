//! What is kept of an object while its JSON is read; all else is skipped and never stored.
//!
//! The API server tells some ten KiB of a pod, of which the mesh reads one or two. What is skipped
//! here also cannot make an object look changed: a heartbeat of a node is no event.

use std::fmt;

use mesh_api::kinds::{Content, Kind};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Which parts of a value are kept.
#[derive(Debug)]
pub(crate) enum Keep {
    /// The whole of it.
    All,
    /// Nothing; the member is left out.
    Nothing,
    /// Of an object these members.
    Only(&'static [(&'static str, &'static Self)]),
    /// Of an object all members, these by their own rule.
    But(&'static [(&'static str, &'static Self)]),
    /// Of each element of a list.
    Each(&'static Self),
}

impl Keep {
    /// What the mesh reads of objects of a kind.
    pub(crate) fn of(kind: &Kind) -> &'static Self {
        match kind.content {
            Content::Service => &SERVICE,
            Content::Pod => &POD,
            Content::EndpointSlice => &ENDPOINT_SLICE,
            Content::Namespace | Content::ServiceAccount | Content::Later => &METADATA_ALONE,
            Content::VirtualService
            | Content::DestinationRule
            | Content::Gateway
            | Content::PeerAuthentication => &OF_THE_MESH,
            Content::Deployment | Content::OtherWorkload => &ALL_BUT_STATUS,
            Content::Node => &NODE,
            Content::Secret => &SECRET,
            Content::Ingress | Content::IngressClass | Content::Tolerated => &ALL_BUT_STATUS,
        }
    }

    fn member(&self, name: &str) -> &'static Self {
        let listed = |members: &'static [(&'static str, &'static Self)]| {
            let mut members = members.iter();
            members
                .find(|(known, _)| *known == name)
                .map(|(_, keep)| *keep)
        };
        match self {
            Self::All | Self::Each(_) => &Self::All,
            Self::Nothing => &Self::Nothing,
            Self::Only(members) => listed(members).unwrap_or(&Self::Nothing),
            Self::But(members) => listed(members).unwrap_or(&Self::All),
        }
    }

    const fn element(&self) -> &'static Self {
        match self {
            Self::Each(keep) => keep,
            Self::All | Self::Nothing | Self::Only(_) | Self::But(_) => &Self::All,
        }
    }
}

impl<'de> DeserializeSeed<'de> for &Keep {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        match self {
            Keep::All => Value::deserialize(from),
            Keep::Nothing => IgnoredAny::deserialize(from).map(|_| Value::Null),
            Keep::Only(_) | Keep::But(_) | Keep::Each(_) => from.deserialize_any(Reader(self)),
        }
    }
}

/// Reads one value by its rule.
struct Reader<'a>(&'a Keep);

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(element) = list.next_element_seed(self.0.element())? {
            kept.push(element);
        }
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(found) = members.next_key_seed(Name(self.0))? {
            match found {
                Some((name, keep)) => {
                    kept.insert(name, members.next_value_seed(keep)?);
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Object(kept))
    }
}

/// Reads a member's name; `None` for one that is skipped, whose name is not stored either.
struct Name<'a>(&'a Keep);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<(String, &'static Keep)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<(String, &'static Keep)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(match self.0.member(name) {
            Keep::Nothing => None,
            keep => Some((name.to_owned(), keep)),
        })
    }
}

/// `resourceVersion` is taken out again where the objects are told: it says where to go on.
static METADATA: Keep = Keep::Only(&[
    ("annotations", &ANNOTATIONS),
    ("creationTimestamp", &Keep::All),
    ("deletionTimestamp", &Keep::All),
    ("labels", &Keep::All),
    ("name", &Keep::All),
    ("namespace", &Keep::All),
    ("ownerReferences", &Keep::Each(&OWNER)),
    ("resourceVersion", &Keep::All),
]);

/// kubectl keeps a second copy of the object there.
static ANNOTATIONS: Keep = Keep::But(&[(
    "kubectl.kubernetes.io/last-applied-configuration",
    &Keep::Nothing,
)]);

static OWNER: Keep = Keep::Only(&[("kind", &Keep::All), ("name", &Keep::All)]);

static METADATA_ALONE: Keep = Keep::Only(&[
    ("apiVersion", &Keep::All),
    ("kind", &Keep::All),
    ("metadata", &METADATA),
]);

static ALL_BUT_STATUS: Keep = Keep::But(&[("metadata", &METADATA), ("status", &Keep::Nothing)]);

/// Unknown fields stay, so that they are reported as in files; the generation is what a status is about.
static OF_THE_MESH: Keep = Keep::But(&[
    (
        "metadata",
        &Keep::Only(&[
            ("annotations", &ANNOTATIONS),
            ("creationTimestamp", &Keep::All),
            ("generation", &Keep::All),
            ("labels", &Keep::All),
            ("name", &Keep::All),
            ("namespace", &Keep::All),
            ("ownerReferences", &Keep::Each(&OWNER)),
            ("resourceVersion", &Keep::All),
        ]),
    ),
    ("status", &Keep::Nothing),
]);

static SERVICE: Keep = Keep::Only(&[
    ("apiVersion", &Keep::All),
    ("kind", &Keep::All),
    ("metadata", &METADATA),
    (
        "spec",
        &Keep::Only(&[
            ("clusterIP", &Keep::All),
            ("clusterIPs", &Keep::All),
            ("externalIPs", &Keep::All),
            ("externalName", &Keep::All),
            ("ports", &Keep::All),
            ("publishNotReadyAddresses", &Keep::All),
            ("selector", &Keep::All),
            ("type", &Keep::All),
        ]),
    ),
    // Where an Ingress is reached whose gateway it is.
    ("status", &Keep::Only(&[("loadBalancer", &Keep::All)])),
]);

static ENDPOINT_SLICE: Keep = Keep::Only(&[
    ("addressType", &Keep::All),
    ("apiVersion", &Keep::All),
    (
        "endpoints",
        &Keep::Each(&Keep::Only(&[
            ("addresses", &Keep::All),
            ("conditions", &Keep::All),
            ("hostname", &Keep::All),
            ("nodeName", &Keep::All),
            (
                "targetRef",
                &Keep::Only(&[
                    ("kind", &Keep::All),
                    ("name", &Keep::All),
                    ("namespace", &Keep::All),
                ]),
            ),
            ("zone", &Keep::All),
        ])),
    ),
    ("kind", &Keep::All),
    ("metadata", &METADATA),
    ("ports", &Keep::All),
]);

/// Environment, arguments and images of containers are nobody's business here.
static CONTAINER: Keep = Keep::Only(&[("name", &Keep::All), ("ports", &Keep::All)]);

static POD: Keep = Keep::Only(&[
    ("apiVersion", &Keep::All),
    ("kind", &Keep::All),
    ("metadata", &METADATA),
    (
        "spec",
        &Keep::Only(&[
            ("containers", &Keep::Each(&CONTAINER)),
            ("hostNetwork", &Keep::All),
            ("initContainers", &Keep::Each(&CONTAINER)),
            ("nodeName", &Keep::All),
            ("serviceAccount", &Keep::All),
            ("serviceAccountName", &Keep::All),
        ]),
    ),
    (
        "status",
        &Keep::Only(&[
            (
                "conditions",
                &Keep::Each(&Keep::Only(&[("status", &Keep::All), ("type", &Keep::All)])),
            ),
            ("phase", &Keep::All),
            ("podIP", &Keep::All),
            ("podIPs", &Keep::All),
        ]),
    ),
]);

static NODE: Keep = Keep::Only(&[
    ("apiVersion", &Keep::All),
    ("kind", &Keep::All),
    (
        "metadata",
        &Keep::Only(&[
            ("creationTimestamp", &Keep::All),
            ("labels", &Keep::All),
            ("name", &Keep::All),
            ("resourceVersion", &Keep::All),
        ]),
    ),
    ("status", &Keep::Only(&[("addresses", &Keep::All)])),
]);

/// The members that a gateway's credential may have.
static SECRET: Keep = Keep::Only(&[
    ("apiVersion", &Keep::All),
    (
        "data",
        &Keep::Only(&[
            ("ca.crl", &Keep::All),
            ("ca.crt", &Keep::All),
            ("cacert", &Keep::All),
            ("cert", &Keep::All),
            ("key", &Keep::All),
            ("tls.crt", &Keep::All),
            ("tls.key", &Keep::All),
            ("tls.ocsp-staple", &Keep::All),
        ]),
    ),
    ("kind", &Keep::All),
    ("metadata", &METADATA),
    ("type", &Keep::All),
]);

#[cfg(test)]
mod tests;
