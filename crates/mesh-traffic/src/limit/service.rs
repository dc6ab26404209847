//! Global rate limits: how many requests pass, as a service says that counts for many proxies.
//!
//! As Envoy's `ratelimit` filter asks `envoy.service.ratelimit.v3`. Nothing is sent from here: what is to be asked comes
//! out as bytes, and the answer is judged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mesh_http::{Fields, RequestHead, ResponseHead};
use mesh_model::Str;
use mesh_proto::envoy::envoy::config::core::v3::HeaderValue;
use mesh_proto::envoy::envoy::extensions::common::ratelimit::v3 as common;
use mesh_proto::envoy::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use mesh_proto::envoy::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus,
};
use mesh_proto::envoy::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use prost::Message;

use super::descriptor::{Known, Recipe};
use super::{LIMIT, Lasts, OfHost, REMAINING, RESET};
use crate::decide::RouteDecision;
use crate::fault::Share;
use crate::shape::{self, HeaderOp};
use crate::template::Facts;

/// The method of the service.
pub const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// Envoy tells clients by it that a limit has answered, and not the application.
const RATE_LIMITED: &str = "x-envoy-ratelimited";
/// What belongs to a message or a connection, and is no service's to set.
const NOT_THEIRS: [&str; 6] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
];

/// A limit that a service counts.
#[derive(Debug)]
pub struct GlobalLimit {
    rules: ServiceRules,
    counts: OnceLock<Arc<Counts>>,
}

/// The same as it is written.
#[derive(Debug, PartialEq)]
pub(crate) struct ServiceRules {
    pub(crate) domain: Str,
    pub(crate) stage: u32,
    pub(crate) cluster: Str,
    pub(crate) authority: Str,
    pub(crate) timeout: Duration,
    /// Whether requests are refused while the service cannot be asked.
    pub(crate) denies_on_error: bool,
    pub(crate) error_status: u16,
    pub(crate) status: u16,
    pub(crate) grpc: Option<u16>,
    pub(crate) enabled: Share,
    pub(crate) enforced: Share,
    pub(crate) shows_window: bool,
    pub(crate) says_limited: bool,
    pub(crate) tell: Vec<HeaderOp>,
    pub(crate) recipes: Vec<Recipe>,
}

/// What a route table says of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfPlace {
    pub(crate) off: bool,
    pub(crate) of_host: OfHost,
    pub(crate) domain: Option<Str>,
    pub(crate) recipes: Vec<Recipe>,
}

#[derive(Debug, Default)]
struct Counts {
    passed: AtomicU64,
    limited: AtomicU64,
    failed: AtomicU64,
    let_pass: AtomicU64,
}

/// How often what came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// The service let the request pass.
    pub passed: u64,
    /// It did not.
    pub limited: u64,
    /// It could not be asked, or gave no answer that can be read.
    pub failed: u64,
    /// And the request passed all the same.
    pub let_pass: u64,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passes.
    Passes,
    /// It does not: it is one too many.
    Refused,
    /// It does not: nobody knows whether it is.
    Unknown,
}

/// What is made of the service's answer.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What becomes of the request.
    pub outcome: Outcome,
    /// What is added to it, where it passes.
    pub request: Fields,
    /// What is added to its answer.
    pub response: Fields,
    /// The body of the answer, where it does not pass.
    pub body: Vec<u8>,
}

impl GlobalLimit {
    pub(crate) fn new(rules: ServiceRules) -> Self {
        Self {
            rules,
            counts: OnceLock::new(),
        }
    }

    /// What is counted together.
    #[must_use]
    pub fn domain(&self) -> &Str {
        &self.rules.domain
    }

    /// The cluster of the service.
    #[must_use]
    pub fn cluster(&self) -> &Str {
        &self.rules.cluster
    }

    /// The authority by which it is called.
    #[must_use]
    pub fn authority(&self) -> &Str {
        &self.rules.authority
    }

    /// How long it may take to answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.rules.timeout
    }

    /// The statuses of HTTP and gRPC with which a request is answered that does not pass.
    #[must_use]
    pub fn statuses(&self, outcome: Outcome) -> (u16, Option<u16>) {
        match outcome {
            Outcome::Unknown => (self.rules.error_status, None),
            Outcome::Passes | Outcome::Refused => (self.rules.status, self.rules.grpc),
        }
    }

    /// How often what came of asking.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let Counts {
            passed,
            limited,
            failed,
            let_pass,
        } = self.counts();
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Asked {
            passed: of(passed),
            limited: of(limited),
            failed: of(failed),
            let_pass: of(let_pass),
        }
    }

    /// The message for the service; `None` where there is nothing to ask about a request.
    pub fn question(
        &self,
        known: &Known<'_>,
        route: &RouteDecision<'_>,
        draw: impl FnOnce() -> u64,
    ) -> Option<Vec<u8>> {
        let place = route.global_limit();
        if place.is_some_and(|place| place.off) {
            return None;
        }
        let rules = &self.rules;
        let describe = |recipe: &Recipe| {
            let entries = recipe.describe(known)?.into_iter().map(|entry| {
                common::rate_limit_descriptor::Entry {
                    key: entry.key.to_owned(),
                    // A field of protobuf is text; a byte that is none must not make the question unreadable.
                    value: String::from_utf8_lossy(&entry.value).into_owned(),
                }
            });
            Some(common::RateLimitDescriptor {
                entries: entries.collect(),
                ..Default::default()
            })
        };
        let own = match place {
            Some(place) if !place.recipes.is_empty() => place.recipes.as_slice(),
            Some(_) | None => rules.recipes.as_slice(),
        };
        let of_host = place.map_or(OfHost::Unless, |place| place.of_host);
        let descriptors: Vec<_> = match own {
            [] => {
                let recipes = route.recipes(of_host);
                let recipes = recipes.filter(|recipe| recipe.stage == rules.stage);
                recipes.filter_map(describe).collect()
            }
            own => own.iter().filter_map(describe).collect(),
        };
        let is_counted = rules.enabled.takes_all() || rules.enabled.takes(draw());
        if descriptors.is_empty() || !is_counted {
            return None;
        }
        let domain = place.and_then(|place| place.domain.as_ref());
        let question = RateLimitRequest {
            domain: domain.unwrap_or(&rules.domain).to_string(),
            descriptors,
            hits_addend: 0,
        };
        Some(question.encode_to_vec())
    }

    /// Judges what came of the question; nothing where no answer did.
    pub fn judge(&self, answer: Option<&[u8]>, draw: impl FnOnce() -> u64) -> Judged {
        let count = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        let counts = self.counts();
        let answer = answer.and_then(|bytes| RateLimitResponse::decode(bytes).ok());
        let code = answer.as_ref().map(RateLimitResponse::overall_code);
        let (Some(answer), Some(Code::Ok | Code::OverLimit)) = (answer, code) else {
            count(&counts.failed);
            return self.unknown(counts);
        };
        let is_over = code == Some(Code::OverLimit);
        count(if is_over {
            &counts.limited
        } else {
            &counts.passed
        });
        let enforced = self.rules.enforced;
        let refuses = is_over && (enforced.takes_all() || enforced.takes(draw()));
        let mut judged = Judged {
            outcome: if refuses {
                Outcome::Refused
            } else {
                Outcome::Passes
            },
            request: fields(&answer.request_headers_to_add),
            response: fields(&answer.response_headers_to_add),
            body: if refuses { answer.raw_body } else { Vec::new() },
        };
        if is_over && self.rules.says_limited {
            add(&mut judged.response, RATE_LIMITED, "true");
        }
        if self.rules.shows_window {
            show(&answer.statuses, &mut judged.response);
        }
        judged
    }

    fn unknown(&self, counts: &Counts) -> Judged {
        let outcome = match self.rules.denies_on_error {
            true => Outcome::Unknown,
            false => {
                counts.let_pass.fetch_add(1, Ordering::Relaxed);
                Outcome::Passes
            }
        };
        Judged {
            outcome,
            request: Fields::new(),
            response: Fields::new(),
            body: Vec::new(),
        }
    }

    /// Writes into the answer of a request that does not pass what it shall say.
    pub fn tell(&self, head: &mut ResponseHead, request: &RequestHead, facts: &Facts<'_>) {
        shape::change_response(&self.rules.tell, head, request, facts);
    }

    fn counts(&self) -> &Counts {
        self.counts.get_or_init(Arc::default)
    }
}

/// Limits are the same when they say the same.
impl PartialEq for GlobalLimit {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Lasts for GlobalLimit {
    fn follow(&self, before: &Self) {
        before.counts();
        if let Some(counts) = before.counts.get() {
            self.counts.set(counts.clone()).ok();
        }
    }
}

/// What a service wants to be added; what would change the message's shape is not added.
fn fields(list: &[HeaderValue]) -> Fields {
    let mut fields = Fields::new();
    for header in list {
        let name = header.key.to_ascii_lowercase();
        if !NOT_THEIRS.contains(&name.as_str()) {
            add(&mut fields, &name, &header.value);
        }
    }
    fields
}

/// What cannot stand in a field is left out.
fn add(fields: &mut Fields, name: &str, value: &str) {
    fields.append(name, value).ok();
}

/// Writes how many more may come, by the limit that is nearest to its end.
fn show(statuses: &[DescriptorStatus], fields: &mut Fields) {
    let limited = statuses.iter();
    let limited = limited.filter_map(|status| Some((status, status.current_limit.as_ref()?)));
    let mut policies = String::new();
    for (_, limit) in limited.clone() {
        if let Some(seconds) = seconds(limit.unit()) {
            policies.push_str(&format!(", {};w={seconds}", limit.requests_per_unit));
            if !limit.name.is_empty() {
                policies.push_str(&format!(";name=\"{}\"", limit.name));
            }
        }
    }
    let Some((status, limit)) = limited.min_by_key(|(status, _)| status.limit_remaining) else {
        return;
    };
    let reset = status.duration_until_reset.as_ref();
    let reset = reset.map_or(0, |reset| reset.seconds);
    add(
        fields,
        LIMIT,
        &format!("{}{policies}", limit.requests_per_unit),
    );
    add(fields, REMAINING, &status.limit_remaining.to_string());
    add(fields, RESET, &reset.to_string());
}

fn seconds(unit: Unit) -> Option<u32> {
    const DAY: u32 = 86_400;
    Some(match unit {
        Unit::Unknown => return None,
        Unit::Second => 1,
        Unit::Minute => 60,
        Unit::Hour => 3600,
        Unit::Day => DAY,
        Unit::Week => 7 * DAY,
        Unit::Month => 30 * DAY,
        Unit::Year => 365 * DAY,
    })
}

#[cfg(test)]
mod tests;
