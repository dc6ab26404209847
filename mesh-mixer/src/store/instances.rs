//! The lives of proxy processes: which batch of each was counted last.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use mesh_model::Str;
use mesh_model::ident::SpiffeId;

use super::Limits;

/// Why a stream or a batch is not taken at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// A life belongs to the identity that named it first.
    #[error("this instance belongs to another identity")]
    NotYours,
    /// The identity has too many lives or streams.
    #[error("too many instances or streams of this identity")]
    TooManyOfYours,
    /// All identities together have too many lives.
    #[error("too many instances")]
    TooMany,
    /// Batches are numbered from 1 upwards.
    #[error("a batch has no number")]
    NoNumber,
    /// The stream did not open the life before.
    #[error("the instance is not open")]
    NotOpen,
}

/// Whether a batch is to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    New { skipped: u64 },
    CountedBefore,
}

#[derive(Debug)]
struct Life {
    /// Shared by all of its lives: many are remembered of one that comes and goes.
    peer: Arc<SpiffeId>,
    /// Number of the last batch that was counted. None if there was none: a life that began
    /// before this process did goes on with whatever number comes first.
    last: Option<u64>,
    seen: Duration,
    streams: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct OfPeer {
    lives: usize,
    streams: usize,
}

/// All lives that are remembered.
#[derive(Debug)]
pub(super) struct Instances {
    limits: Limits,
    lives: AHashMap<Str, Life>,
    peers: AHashMap<Arc<SpiffeId>, OfPeer>,
}

impl Instances {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lives: AHashMap::new(),
            peers: AHashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lives.len()
    }

    pub(super) fn streams(&self) -> usize {
        self.peers.values().map(|peer| peer.streams).sum()
    }

    pub(super) fn open(
        &mut self,
        instance: &Str,
        peer: &SpiffeId,
        at: Duration,
    ) -> Result<(), NotCounted> {
        let known = self.lives.get(instance);
        if known.is_some_and(|life| *life.peer != *peer) {
            return Err(NotCounted::NotYours);
        }
        let new = known.is_none();
        let own = self.peers.get(peer).copied().unwrap_or_default();
        let share = self.limits.instances / self.limits.share.max(1);
        if own.streams >= self.limits.streams_per_identity || (new && own.lives >= share) {
            return Err(NotCounted::TooManyOfYours);
        }
        if new && self.lives.len() >= self.limits.instances {
            return Err(NotCounted::TooMany);
        }
        let known = self.peers.get_key_value(peer);
        let peer = known.map_or_else(|| Arc::new(peer.clone()), |(peer, _)| peer.clone());
        let life = self.lives.entry(instance.clone()).or_insert_with(|| Life {
            peer: peer.clone(),
            last: None,
            seen: at,
            streams: 0,
        });
        life.streams += 1;
        life.seen = at;
        let own = self.peers.entry(peer).or_default();
        own.streams += 1;
        own.lives += usize::from(new);
        Ok(())
    }

    pub(super) fn close(&mut self, instance: &Str, at: Duration) {
        let Some(life) = self.lives.get_mut(instance) else {
            return;
        };
        life.streams = life.streams.saturating_sub(1);
        life.seen = at;
        if let Some(own) = self.peers.get_mut(&life.peer) {
            own.streams = own.streams.saturating_sub(1);
        }
    }

    pub(super) fn turn(
        &mut self,
        instance: &Str,
        sequence: u64,
        at: Duration,
    ) -> Result<Turn, NotCounted> {
        if sequence == 0 {
            return Err(NotCounted::NoNumber);
        }
        let life = self.lives.get_mut(instance).ok_or(NotCounted::NotOpen)?;
        life.seen = at;
        let last = life.last.unwrap_or(sequence - 1);
        if sequence <= last {
            return Ok(Turn::CountedBefore);
        }
        life.last = Some(sequence);
        Ok(Turn::New {
            skipped: sequence - last - 1,
        })
    }

    pub(super) fn acknowledged(&self, instance: &Str) -> u64 {
        let life = self.lives.get(instance);
        life.and_then(|life| life.last).unwrap_or(0)
    }

    pub(super) fn forget_silent(&mut self, at: Duration) {
        let memory = self.limits.instance_memory;
        let peers = &mut self.peers;
        self.lives.retain(|_, life| {
            let keep = life.streams > 0 || at.saturating_sub(life.seen) < memory;
            if let (false, Some(own)) = (keep, peers.get_mut(&life.peer)) {
                own.lives = own.lives.saturating_sub(1);
            }
            keep
        });
        self.peers.retain(|_, own| own.lives > 0 || own.streams > 0);
    }
}
