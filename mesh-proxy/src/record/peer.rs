//! Who is at the other end, for labels: what proxies tell one another in headers, as Istio's do.
//!
//! `x-envoy-peer-metadata` carries a protobuf Struct in base64. Headers come from authenticated
//! peers only (the head stage drops others); still they are theirs, so everything is bounded here.
//! A header that was seen before costs one hash lookup.

use std::rc::Rc;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mesh_model::Str;
use mesh_model::ident::SpiffeId;
use mesh_proto::envoy::google::protobuf::value::Kind;
use mesh_proto::envoy::google::protobuf::{Struct, Value};
use mesh_traffic::endpoint::WorkloadNames;
use mesh_traffic::listener::Direction;
use prost::Message;

use crate::config::Workload;
use crate::http::exchange::OwnMetadata;
use crate::record::Record;
use crate::record::labels::{LATEST, UNKNOWN};

/// Peers that one worker remembers; when there are more, it starts over.
const MAX_PEERS: usize = 512;
/// How many sweeps a peer is remembered that nobody asks for, about a minute.
const KEPT_SWEEPS: u8 = 6;
/// Longest header that is read.
const MAX_HEADER: usize = 16 << 10;
/// Longest value that becomes a label.
const MAX_VALUE: usize = 253;

/// Istio writes padding and does not ask for it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One end of a request, in the words of the metrics' labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Side {
    /// Name of the workload (Deployment).
    pub workload: Str,
    /// Its namespace.
    pub namespace: Str,
    /// Canonical service.
    pub canonical_service: Str,
    /// Canonical revision.
    pub canonical_revision: Str,
    /// Label `app`.
    pub app: Str,
    /// Label `version`.
    pub version: Str,
    /// Cluster (of machines).
    pub cluster: Str,
}

impl Side {
    /// An end of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        let unknown: Str = UNKNOWN.into();
        Self {
            workload: unknown.clone(),
            namespace: unknown.clone(),
            canonical_service: unknown.clone(),
            canonical_revision: LATEST.into(),
            app: unknown.clone(),
            version: unknown.clone(),
            cluster: unknown,
        }
    }

    /// Our own end.
    #[must_use]
    pub fn own(workload: &Workload) -> Self {
        Self::of_metadata(&workload.metadata())
    }

    /// An end that sent its metadata.
    #[must_use]
    pub fn of_metadata(metadata: &Struct) -> Self {
        let none = Struct::default();
        let labels = match metadata
            .fields
            .get("LABELS")
            .and_then(|value| value.kind.as_ref())
        {
            Some(Kind::StructValue(labels)) => labels,
            _ => &none,
        };
        let label = |names: &[&str]| names.iter().find_map(|name| word(labels.fields.get(*name)));
        let field = |name: &str| word(metadata.fields.get(name));
        let unknown = || Str::from(UNKNOWN);
        let canonical_service = label(CANONICAL_NAME).or_else(|| field("WORKLOAD_NAME"));
        let canonical_service = canonical_service.unwrap_or_else(unknown);
        Self {
            workload: field("WORKLOAD_NAME").unwrap_or_else(unknown),
            namespace: field("NAMESPACE").unwrap_or_else(unknown),
            canonical_revision: label(CANONICAL_REVISION).unwrap_or_else(|| LATEST.into()),
            app: label(&["app"]).unwrap_or_else(|| canonical_service.clone()),
            canonical_service,
            version: label(&["version"]).unwrap_or_else(unknown),
            cluster: field("CLUSTER_ID").unwrap_or_else(unknown),
        }
    }

    /// An end of which the control plane told with its endpoint.
    #[must_use]
    pub fn of_endpoint(names: WorkloadNames<'_>) -> Self {
        let known = |text: &str| bounded(text).unwrap_or_else(|| UNKNOWN.into());
        let revision = bounded(names.canonical_revision);
        Self {
            workload: known(names.name),
            namespace: known(names.namespace),
            canonical_service: known(names.canonical_name),
            canonical_revision: revision.clone().unwrap_or_else(|| LATEST.into()),
            app: known(names.canonical_name),
            version: revision
                .filter(|text| *text != LATEST)
                .unwrap_or_else(|| UNKNOWN.into()),
            cluster: known(names.cluster),
        }
    }
}

/// Labels that name the canonical service, the strongest first.
const CANONICAL_NAME: &[&str] = &[
    "service.istio.io/canonical-name",
    "app.kubernetes.io/name",
    "app",
];
/// Labels that name the canonical revision, the strongest first.
const CANONICAL_REVISION: &[&str] = &[
    "service.istio.io/canonical-revision",
    "app.kubernetes.io/version",
    "version",
];

fn word(value: Option<&Value>) -> Option<Str> {
    match value?.kind.as_ref()? {
        Kind::StringValue(text) => bounded(text),
        _ => None,
    }
}

/// A peer's word, if it is one: not empty, not endless, and without control characters.
fn bounded(text: &str) -> Option<Str> {
    let fine = !text.is_empty() && text.len() <= MAX_VALUE && !text.chars().any(char::is_control);
    fine.then(|| text.into())
}

/// Our own metadata, as the two headers carry it.
#[must_use]
pub fn own_metadata(workload: &Workload) -> OwnMetadata {
    let value = BASE64.encode(workload.metadata().encode_to_vec());
    let own = match OwnMetadata::new(&workload.node_id(), &value) {
        Ok(own) => own,
        Err(error) => {
            tracing::warn!(%error, "our metadata cannot be told to peers");
            OwnMetadata::default()
        }
    };
    own.in_cluster(workload.cluster().into())
}

/// Reads the value of `x-envoy-peer-metadata`.
#[must_use]
pub fn decode(header: &[u8]) -> Option<Side> {
    if header.len() > MAX_HEADER {
        return None;
    }
    let bytes = BASE64.decode(header).ok()?;
    Some(Side::of_metadata(&Struct::decode(bytes.as_slice()).ok()?))
}

/// The peers that one worker has met.
pub struct Peers {
    known: std::collections::HashMap<Box<[u8]>, Known, ahash::RandomState>,
    /// The last ones by the place of their identity in memory: a connection's requests come one
    /// after the other.
    recent: [Option<Recent>; RECENT],
    nobody: Rc<Side>,
    key: Vec<u8>,
}

/// A peer, and for how many sweeps nobody has asked for it.
struct Known {
    side: Rc<Side>,
    unused: u8,
}

const RECENT: usize = 16;

/// A peer; what it points to is kept, so that nothing else can take that address.
struct Recent {
    identity: Option<Str>,
    endpoint: Option<Str>,
    told: Box<[u8]>,
    side: Rc<Side>,
}

impl Recent {
    fn is(&self, identity: Option<&Str>, endpoint: Option<&Str>, told: &[u8]) -> bool {
        at(self.identity.as_ref()) == at(identity)
            && at(self.endpoint.as_ref()) == at(endpoint)
            && *self.told == *told
    }

    fn place(identity: Option<&Str>, endpoint: Option<&Str>) -> usize {
        // Texts on the heap lie sixteen bytes apart at least.
        ((at(identity) ^ at(endpoint)) >> 4) % RECENT
    }
}

fn at(text: Option<&Str>) -> usize {
    text.map_or(0, |text| text.as_ptr().addr())
}

impl Peers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            known: std::collections::HashMap::default(),
            recent: [const { None }; RECENT],
            nobody: Rc::new(Side::unknown()),
            key: Vec::new(),
        }
    }

    /// The other end of a request: the client of an inbound one, the server of any other.
    pub fn of(&mut self, record: &Record<'_>) -> Rc<Side> {
        let inbound = record.connection.direction() == Direction::Inbound;
        let upstream = record.upstream.as_ref();
        let identity = match inbound {
            true => record.connection.peer.as_ref().map(|peer| &peer.text),
            false => upstream.and_then(|upstream| upstream.identity),
        };
        let told = record.peer_metadata;
        let endpoint = match inbound || !told.is_empty() {
            true => None,
            false => upstream.and_then(|upstream| upstream.workload),
        };
        if told.is_empty() && endpoint.is_none() && identity.is_none() {
            return self.nobody.clone();
        }
        let place = Recent::place(identity, endpoint);
        if let Some(Some(recent)) = self.recent.get(place)
            && recent.is(identity, endpoint, told)
        {
            return recent.side.clone();
        }
        let side = self.remembered(
            told,
            endpoint.map_or("", |endpoint| endpoint),
            identity.map_or("", |identity| identity),
        );
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = Some(Recent {
                identity: identity.cloned(),
                endpoint: endpoint.cloned(),
                told: told.into(),
                side: side.clone(),
            });
        }
        side
    }

    fn remembered(&mut self, told: &[u8], endpoint: &str, identity: &str) -> Rc<Side> {
        self.key.clear();
        for part in [identity.as_bytes(), endpoint.as_bytes(), told] {
            self.key.extend_from_slice(part);
            self.key.push(0);
        }
        if let Some(known) = self.known.get_mut(self.key.as_slice()) {
            known.unused = 0;
            return known.side.clone();
        }
        let learnt = learn(told, endpoint, identity);
        // The pods of a workload differ in what no label says.
        let alike = self.known.values().find(|known| *known.side == learnt);
        let side = alike.map_or_else(|| Rc::new(learnt), |known| known.side.clone());
        if told.len() <= MAX_HEADER {
            if self.known.len() >= MAX_PEERS {
                self.known.clear();
            }
            let known = Known {
                side: side.clone(),
                unused: 0,
            };
            self.known.insert(self.key.as_slice().into(), known);
        }
        side
    }

    /// Forgets those that nobody has asked for since a while: pods come and go.
    pub fn sweep(&mut self) {
        self.recent = [const { None }; RECENT];
        self.known.retain(|_, known| {
            known.unused = known.unused.saturating_add(1);
            known.unused <= KEPT_SWEEPS
        });
        if self.known.capacity() > 4 * self.known.len() {
            self.known.shrink_to_fit();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.len()
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self::new()
    }
}

/// A namespace that the certificate proves counts before one that is only told.
fn learn(told: &[u8], endpoint: &str, identity: &str) -> Side {
    let mut side = if !told.is_empty() {
        decode(told).unwrap_or_else(Side::unknown)
    } else if !endpoint.is_empty() {
        Side::of_endpoint(workload_names(endpoint))
    } else {
        Side::unknown()
    };
    let account = SpiffeId::parse(identity)
        .ok()
        .and_then(|id| id.service_account());
    if let Some(account) = account {
        side.namespace = account.namespace;
    }
    side
}

fn workload_names(text: &str) -> WorkloadNames<'_> {
    let mut parts = text.split(';');
    let mut next = || parts.next().unwrap_or_default();
    WorkloadNames {
        name: next(),
        namespace: next(),
        canonical_name: next(),
        canonical_revision: next(),
        cluster: next(),
    }
}

#[cfg(test)]
mod tests;
