//! Local rate limits: how many requests pass a place in so much time, counted by this proxy alone.
//!
//! As Envoy's `local_ratelimit` filter decides. All workers share a limit's buckets; nothing is locked but where
//! values that nobody has written down get buckets of their own.

mod bucket;
mod connections;
pub(crate) mod descriptor;
mod dynamic;
pub mod service;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use mesh_http::{RequestHead, ResponseHead};
use mesh_model::Str;
use smallvec::SmallVec;

pub use self::bucket::Window;
pub(crate) use self::bucket::{Bucket, Filling};
pub use self::connections::ConnectionLimit;
use self::descriptor::{Descriptor, Recipe};
pub use self::descriptor::{Known, client_address};
use self::dynamic::Dynamic;
use crate::decide::RouteDecision;
use crate::fault::Share;
use crate::shape::{self, HeaderOp};
use crate::template::Facts;

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const RESET: &str = "x-ratelimit-reset";
const RETRY_AFTER: &str = "retry-after";

/// What a place of the configuration says of how many requests pass.
#[derive(Debug)]
pub struct LocalLimit {
    rules: Rules,
    state: OnceLock<Arc<State>>,
}

/// The same as it is written.
#[derive(Debug, PartialEq)]
pub(crate) struct Rules {
    pub(crate) stat_prefix: Str,
    /// With what a request is answered that may not pass: HTTP, and gRPC where that is said apart.
    pub(crate) status: u16,
    pub(crate) grpc: Option<u16>,
    pub(crate) filling: Filling,
    pub(crate) enabled: Share,
    pub(crate) enforced: Share,
    /// What is written into requests that pass although they are too many.
    pub(crate) mark: Vec<HeaderOp>,
    /// What is written into the answers of those that do not pass.
    pub(crate) tell: Vec<HeaderOp>,
    pub(crate) descriptors: Vec<Described>,
    /// How requests are described; where nothing is said, as their routes say.
    pub(crate) recipes: Vec<Recipe>,
    pub(crate) stage: u32,
    pub(crate) of_host: OfHost,
    /// Whether requests with a bucket of their own take from the common one too.
    pub(crate) always_common: bool,
    /// For how many values a descriptor without values has buckets.
    pub(crate) most_values: usize,
    pub(crate) per_connection: bool,
    pub(crate) shows_window: bool,
    pub(crate) says_retry_after: bool,
}

/// Requests that have a bucket of their own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    /// Keys and values; an empty value stands for each that comes.
    pub(crate) entries: Vec<(Str, Str)>,
    pub(crate) filling: Filling,
}

/// Whether the descriptors of the virtual host count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfHost {
    /// Where the route has none.
    Unless,
    /// Always.
    Include,
    /// Never.
    Ignore,
}

/// What a route table says of the limit of a place.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// Another than the listener's.
    Limit(Arc<LocalLimit>),
    /// There is none.
    Off,
}

/// What lasts while configurations change.
#[derive(Debug)]
struct State {
    buckets: Buckets,
    counts: Counts,
}

/// The buckets of a limit.
#[derive(Debug)]
pub(crate) struct Buckets {
    common: Bucket,
    own: Vec<Own>,
}

#[derive(Debug)]
enum Own {
    Bucket(Arc<Bucket>),
    OfEach(Dynamic),
}

#[derive(Debug, Default)]
struct Counts {
    enabled: AtomicU64,
    enforced: AtomicU64,
    limited: AtomicU64,
    passed: AtomicU64,
}

/// How often what was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Requests that were counted at all.
    pub enabled: u64,
    /// Requests that did not pass.
    pub enforced: u64,
    /// Requests that were too many, whether they passed or not.
    pub limited: u64,
    /// Requests that were not.
    pub passed: u64,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not counted.
    Uncounted,
    /// It passes.
    Passes,
    /// It is one too many, and passes all the same.
    Marked,
    /// It does not pass.
    Refused,
}

/// What is decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub verdict: Verdict,
    /// How full the bucket is that tells.
    pub window: Option<Window>,
}

/// The buckets that one connection has for itself.
#[derive(Debug, Default)]
pub struct OfConnection(RefCell<Vec<(Weak<LocalLimit>, Arc<Buckets>)>>);

impl LocalLimit {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: OnceLock::new(),
        }
    }

    /// The prefix of its statistics.
    #[must_use]
    pub fn stat_prefix(&self) -> &Str {
        &self.rules.stat_prefix
    }

    /// The statuses of HTTP and gRPC with which requests are answered that do not pass.
    #[must_use]
    pub fn statuses(&self) -> (u16, Option<u16>) {
        (self.rules.status, self.rules.grpc)
    }

    /// How often what was decided.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let Counts {
            enabled,
            enforced,
            limited,
            passed,
        } = &self.state().counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            enabled: of(enabled),
            enforced: of(enforced),
            limited: of(limited),
            passed: of(passed),
        }
    }

    /// Decides about a request; `draw` is asked only where a share of them is meant.
    pub fn decide(
        self: &Arc<Self>,
        known: &Known<'_>,
        route: Option<&RouteDecision<'_>>,
        connection: &OfConnection,
        now: Instant,
        mut draw: impl FnMut() -> u64,
    ) -> Decision {
        let mut is_one_of = |share: Share| share.takes_all() || share.takes(draw());
        if !is_one_of(self.rules.enabled) {
            let (verdict, window) = (Verdict::Uncounted, None);
            return Decision { verdict, window };
        }
        let state = self.state();
        let count = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        count(&state.counts.enabled);
        let descriptors = self.describe(known, route);
        let (passes, window) = match self.rules.per_connection {
            true => connection.of(self).take(&self.rules, &descriptors, now),
            false => state.buckets.take(&self.rules, &descriptors, now),
        };
        let verdict = if passes {
            count(&state.counts.passed);
            Verdict::Passes
        } else {
            count(&state.counts.limited);
            match is_one_of(self.rules.enforced) {
                true => {
                    count(&state.counts.enforced);
                    Verdict::Refused
                }
                false => Verdict::Marked,
            }
        };
        Decision {
            verdict,
            window: Some(window),
        }
    }

    /// Writes into a request that it is one too many.
    pub fn mark(&self, head: &mut RequestHead, facts: &Facts<'_>) {
        shape::change_request(&self.rules.mark, head, facts);
    }

    /// Writes into the answer of a request that did not pass what it shall say.
    pub fn tell(&self, head: &mut ResponseHead, with: (&RequestHead, &Facts<'_>), window: Window) {
        let (request, facts) = with;
        shape::change_response(&self.rules.tell, head, request, facts);
        if self.rules.says_retry_after && head.status == 429 && !head.fields.contains(RETRY_AFTER) {
            let seconds = window.next.as_secs_f64().ceil().max(1.0);
            put(head, RETRY_AFTER, seconds as u64);
        }
    }

    /// Writes into any answer how full the bucket was, where that is wanted.
    pub fn show(&self, head: &mut ResponseHead, window: Window) {
        if !self.rules.shows_window {
            return;
        }
        put(head, LIMIT, window.most.into());
        put(head, REMAINING, window.remaining);
        // Envoy: whole seconds, and none where a token is there.
        put(head, RESET, window.next.as_secs());
    }

    fn describe<'k>(
        &'k self,
        known: &Known<'k>,
        route: Option<&RouteDecision<'k>>,
    ) -> SmallVec<[Descriptor<'k>; 2]> {
        let rules = &self.rules;
        if rules.descriptors.is_empty() {
            return SmallVec::new();
        }
        if !rules.recipes.is_empty() {
            let made = rules.recipes.iter();
            return made.filter_map(|recipe| recipe.describe(known)).collect();
        }
        let Some(route) = route else {
            return SmallVec::new();
        };
        let recipes = route.recipes(rules.of_host);
        recipes
            .filter(|recipe| recipe.stage == rules.stage)
            .filter_map(|recipe| recipe.describe(known))
            .collect()
    }

    fn state(&self) -> &State {
        self.state.get_or_init(|| {
            let buckets = Buckets::new(&self.rules);
            let counts = Counts::default();
            Arc::new(State { buckets, counts })
        })
    }
}

fn put(head: &mut ResponseHead, name: &str, value: u64) {
    // Digits can stand in any field.
    head.fields.append(name, value.to_string()).ok();
}

/// Limits are the same when they say the same: what they have counted meanwhile is no matter.
impl PartialEq for LocalLimit {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Buckets {
    fn new(rules: &Rules) -> Self {
        let own = rules.descriptors.iter().map(|it| {
            match it.entries.iter().any(|(_, value)| value.is_empty()) {
                true => Own::OfEach(Dynamic::new(it.filling, rules.most_values)),
                false => Own::Bucket(Arc::new(Bucket::new(it.filling))),
            }
        });
        Self {
            common: Bucket::new(rules.filling),
            own: own.collect(),
        }
    }

    /// Envoy's order: of all buckets that a request has, the one that fills slowest is asked first; what was
    /// taken is not given back when a later one is empty.
    fn take(&self, rules: &Rules, asked: &[Descriptor<'_>], now: Instant) -> (bool, Window) {
        let found = asked.iter().filter_map(|it| self.of(rules, it));
        let mut found: SmallVec<[Arc<Bucket>; 2]> = found.collect();
        found.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
        for bucket in &found {
            if !bucket.take(now) {
                return (false, bucket.window(now));
            }
        }
        let first = found.first().map_or(&self.common, |bucket| &**bucket);
        if (found.is_empty() || rules.always_common) && !self.common.take(now) {
            return (false, self.common.window(now));
        }
        (true, first.window(now))
    }

    /// The bucket of a descriptor; what is written out counts before what stands for each value.
    fn of(&self, rules: &Rules, asked: &Descriptor<'_>) -> Option<Arc<Bucket>> {
        let both = || rules.descriptors.iter().zip(&self.own);
        let exact = both().find_map(|(described, own)| match own {
            Own::Bucket(bucket) if described.takes(asked) => Some(bucket.clone()),
            Own::Bucket(_) | Own::OfEach(_) => None,
        });
        let of_each = || {
            both().find_map(|(described, own)| match own {
                Own::OfEach(all) if described.takes(asked) => Some(all.of(asked)),
                Own::Bucket(_) | Own::OfEach(_) => None,
            })
        };
        exact.or_else(of_each)
    }
}

impl Described {
    fn takes(&self, asked: &Descriptor<'_>) -> bool {
        let same = |((key, value), entry): (&(Str, Str), &descriptor::Entry<'_>)| {
            **key == *entry.key && (value.is_empty() || value.as_bytes() == &*entry.value)
        };
        self.entries.len() == asked.len() && self.entries.iter().zip(asked).all(same)
    }
}

impl OfConnection {
    fn of(&self, limit: &Arc<LocalLimit>) -> Arc<Buckets> {
        let fresh = || Arc::new(Buckets::new(&limit.rules));
        let Ok(mut kept) = self.0.try_borrow_mut() else {
            return fresh();
        };
        let own = Arc::downgrade(limit);
        if let Some((_, buckets)) = kept.iter().find(|(of, _)| of.ptr_eq(&own)) {
            return buckets.clone();
        }
        // Those of configurations that are gone.
        kept.retain(|(of, _)| of.strong_count() > 0);
        let buckets = fresh();
        kept.push((own, buckets.clone()));
        buckets
    }
}

/// What may go on with what an older one has counted.
pub(crate) trait Lasts: PartialEq {
    /// Goes on with it.
    fn follow(&self, before: &Self);
}

impl Lasts for LocalLimit {
    fn follow(&self, before: &Self) {
        before.state();
        if let Some(state) = before.state.get() {
            self.state.set(state.clone()).ok();
        }
    }
}

/// Lets each go on with what one of the older ones that says the same has counted: a change elsewhere fills no bucket.
pub(crate) fn follow<L: Lasts>(limits: &[&Arc<L>], before: &[&Arc<L>]) {
    let mut left: Vec<_> = before.iter().rev().collect();
    for limit in limits {
        if let Some(at) = left.iter().rposition(|old| ***old == **limit) {
            limit.follow(left.remove(at));
        }
    }
}

#[cfg(test)]
mod tests;
