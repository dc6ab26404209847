//! What a worker remembers: the cells of each combination that it has met.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::{self, Rc};
use std::sync::{Arc, Weak};

use mesh_model::Str;
use mesh_traffic::listener::Direction;
use mesh_traffic::{Cluster, Flags};

use crate::record::Record;
use crate::record::labels::{self, Labels};
use crate::record::metrics::Metrics;
use crate::record::metrics::cells::RequestCells;
use crate::record::peer::Side;

/// Combinations that are remembered; when there are more, the worker starts over.
const MAX_COMBINATIONS: usize = 4096;
/// Combinations below which none is forgotten.
const FEW_COMBINATIONS: usize = 64;

/// The combinations of one worker.
pub(super) struct Memo {
    known: Vec<Known>,
    /// Indexes into `known`, by hash.
    by_hash: HashMap<u64, Vec<usize>, ahash::RandomState>,
    /// The combination of the last request: the next one is often like it.
    last: usize,
    /// How many there may be before those of former configurations are forgotten.
    room: usize,
    hasher: ahash::RandomState,
    entered: Entered,
}

/// Cells by labels: a combination that was forgotten, or that differs in nothing a label says,
/// finds the cells that this worker has.
#[derive(Default)]
pub(super) struct Entered {
    cells: HashMap<Labels, Arc<RequestCells>, ahash::RandomState>,
}

/// Where a request is counted.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) cells: Arc<RequestCells>,
    /// The series stands for all that found no place of their own.
    pub(super) overflows: bool,
}

/// A combination. No other object can take the addresses that it knows, and what is there goes when
/// nobody else uses it.
struct Known {
    /// Of where it is in `by_hash`.
    hash: u64,
    direction: Direction,
    cluster: Option<Weak<Cluster>>,
    peer: rc::Weak<Side>,
    downstream: Option<Str>,
    upstream: Option<Option<Str>>,
    status: u16,
    grpc: Option<u32>,
    flags: Flags,
    is_grpc: bool,
    place: Place,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            known: Vec::new(),
            by_hash: HashMap::default(),
            last: 0,
            room: FEW_COMBINATIONS,
            hasher: ahash::RandomState::new(),
            entered: Entered::default(),
        }
    }

    /// The place of a record's combination; `find` is asked for that of a new one.
    pub(super) fn place(
        &mut self,
        record: &Record<'_>,
        peer: &Rc<Side>,
        find: impl FnOnce(&mut Entered) -> Place,
    ) -> Place {
        if labels::depend_on_authority(record) {
            return find(&mut self.entered);
        }
        let is_it = |known: &&Known| known.is(record, peer);
        if let Some(last) = self.known.get(self.last).filter(is_it) {
            return last.place.clone();
        }
        let hash = hash(&self.hasher, record, peer);
        let candidates = self.by_hash.get(&hash).into_iter().flatten();
        for index in candidates {
            if let Some(known) = self.known.get(*index).filter(is_it) {
                self.last = *index;
                return known.place.clone();
            }
        }
        let place = find(&mut self.entered);
        if self.known.len() >= self.room {
            self.forget();
        }
        self.last = self.known.len();
        self.by_hash.entry(hash).or_default().push(self.last);
        self.known
            .push(Known::new(hash, record, peer, place.clone()));
        place
    }

    /// Forgets what no request can be like any more, and everything if that leaves too many.
    fn forget(&mut self) {
        self.known.retain(Known::is_of_use);
        if self.known.len() >= MAX_COMBINATIONS {
            self.known.clear();
        }
        self.room = (2 * self.known.len()).clamp(FEW_COMBINATIONS, MAX_COMBINATIONS);
        self.by_hash.clear();
        for (index, known) in self.known.iter().enumerate() {
            self.by_hash.entry(known.hash).or_default().push(index);
        }
    }
}

impl Entered {
    /// The place for these labels; it is entered in the books if this worker has none yet.
    pub(super) fn place(&mut self, books: &Metrics, labels: Labels) -> Place {
        if let Some(cells) = self.cells.get(&labels) {
            return Place {
                cells: cells.clone(),
                overflows: false,
            };
        }
        let (labels, overflows) = books.reserve(labels);
        let enter = || books.enter(&labels);
        let cells = self
            .cells
            .entry(labels.clone())
            .or_insert_with(enter)
            .clone();
        Place { cells, overflows }
    }
}

fn hash(hasher: &ahash::RandomState, record: &Record<'_>, peer: &Rc<Side>) -> u64 {
    let mut state = hasher.build_hasher();
    let (downstream, upstream) = identities(record);
    let response = &record.response;
    record.cluster.map(Arc::as_ptr).hash(&mut state);
    Rc::as_ptr(peer).hash(&mut state);
    (record.connection.direction(), downstream, upstream).hash(&mut state);
    (response.status, response.grpc_status, response.flags).hash(&mut state);
    state.finish()
}

/// Who client and server are, as far as labels say so; the server only on mutual TLS.
fn identities<'a>(record: &Record<'a>) -> (Option<&'a Str>, Option<Option<&'a Str>>) {
    let downstream = record.connection.peer.as_ref().map(|peer| &peer.text);
    let mutual = record
        .upstream
        .as_ref()
        .filter(|upstream| upstream.mutual_tls);
    (downstream, mutual.map(|upstream| upstream.identity))
}

impl Known {
    fn new(hash: u64, record: &Record<'_>, peer: &Rc<Side>, place: Place) -> Self {
        let (downstream, upstream) = identities(record);
        Self {
            hash,
            direction: record.connection.direction(),
            cluster: record.cluster.map(Arc::downgrade),
            peer: Rc::downgrade(peer),
            downstream: downstream.cloned(),
            upstream: upstream.map(|identity| identity.cloned()),
            status: record.response.status,
            grpc: record.response.grpc_status,
            flags: record.response.flags,
            is_grpc: record.request.is_grpc(),
            place,
        }
    }

    /// Whether its cluster and its peer are still there.
    fn is_of_use(&self) -> bool {
        let cluster = self.cluster.as_ref();
        self.peer.strong_count() > 0 && cluster.is_none_or(|cluster| cluster.strong_count() > 0)
    }

    fn is(&self, record: &Record<'_>, peer: &Rc<Side>) -> bool {
        let same_cluster = match (&self.cluster, record.cluster) {
            (Some(own), Some(other)) => own.as_ptr() == Arc::as_ptr(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let response = &record.response;
        let upstream = self.upstream.as_ref().map(Option::as_ref);
        same_cluster
            && self.peer.as_ptr() == Rc::as_ptr(peer)
            && self.status == response.status
            && self.grpc == response.grpc_status
            && self.flags == response.flags
            && self.direction == record.connection.direction()
            && (self.downstream.as_ref(), upstream) == identities(record)
            && self.is_grpc == record.request.is_grpc()
    }
}
