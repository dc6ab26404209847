//! External authorization: a service says whether a request passes, and what is changed in it.
//!
//! As Envoy's `ext_authz` filter asks, by `envoy.service.auth.v3` or by plain HTTP. Nothing is sent from here: what is to
//! be asked comes out as a message or as a request, and the answer is judged.

mod attributes;
mod change;
mod http;
mod judge;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mesh_http::RequestHead;
use mesh_model::Str;

use crate::decide::RouteDecision;
use crate::fault::Share;
use crate::limit::Lasts;
use crate::matching::text::TextMatch;
use crate::template::Facts;

pub(crate) use self::http::{HttpService, PathOf};
pub use self::judge::{Answer, Judged, Outcome};

/// The method of the service.
pub const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The service is told by it whether it sees a part of a body only.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// A filter that asks a service about requests.
#[derive(Debug)]
pub struct Authorization {
    rules: Rules,
    counts: OnceLock<Arc<Counts>>,
}

/// The same as it is written.
#[derive(Debug, PartialEq)]
pub(crate) struct Rules {
    /// What its statistics begin with.
    pub(crate) stat_prefix: Str,
    pub(crate) service: Arc<Service>,
    /// Whether requests pass while the service cannot be asked.
    pub(crate) passes_on_error: bool,
    /// Whether those requests are told apart.
    pub(crate) marks_passed: bool,
    pub(crate) error_status: u16,
    pub(crate) body: Option<Buffering>,
    pub(crate) clears_route: bool,
    /// Whether an answer with what cannot be done is no answer at all.
    pub(crate) validates: bool,
    pub(crate) enabled: Share,
    pub(crate) denies_disabled: bool,
    pub(crate) shows_certificate: bool,
    pub(crate) shows_session: bool,
    /// Fields that the service sees; where nothing is said, what its kind sees.
    pub(crate) allowed: Option<Vec<TextMatch>>,
    pub(crate) disallowed: Vec<TextMatch>,
    pub(crate) raw_fields: bool,
    /// Bytes of a refusal's body that the client gets.
    pub(crate) most_denied_body: usize,
}

/// How much of a request's body the service sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffering {
    /// So many bytes at most.
    pub most: usize,
    /// Whether it sees the beginning of a longer one; else that is refused.
    pub allows_part: bool,
    pub(crate) as_bytes: bool,
}

/// Whom to ask.
#[derive(Debug, PartialEq)]
pub(crate) enum Service {
    Grpc {
        cluster: Str,
        authority: Str,
        timeout: Duration,
    },
    Http(HttpService),
}

/// What a route table says of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct OfPlace {
    pub(crate) off: bool,
    /// The inner one is empty where the service sees no bodies.
    pub(crate) body: Option<Option<Buffering>>,
    pub(crate) extensions: BTreeMap<String, String>,
    pub(crate) service: Option<Arc<Service>>,
}

/// A filter among those of a listener.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthorizationAt {
    /// What it does.
    pub filter: Arc<Authorization>,
    /// Whether it does so where routes say nothing.
    pub by_default: bool,
    /// When it does.
    pub moment: Moment,
}

/// When among the filters of a listener the service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before anything else is done.
    First,
    /// When pages of other origins were looked after, before requests are made to fail.
    BeforeFault,
    /// When requests were made to fail, before they are counted.
    BeforeLimit,
    /// After that.
    Last,
}

#[derive(Debug, Default)]
struct Counts {
    passed: AtomicU64,
    denied: AtomicU64,
    failed: AtomicU64,
    let_pass: AtomicU64,
    invalid: AtomicU64,
    disabled: AtomicU64,
}

/// How often what came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// The service let the request pass.
    pub passed: u64,
    /// It did not.
    pub denied: u64,
    /// It could not be asked, or gave no answer that can be read.
    pub failed: u64,
    /// And the request passed all the same.
    pub let_pass: u64,
    /// It wanted something that cannot be done.
    pub invalid: u64,
    /// It was not asked, as only a share of the requests is asked about.
    pub disabled: u64,
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Looked {
    /// It goes on.
    Passes,
    /// It does not: it is none of the share that is asked about, and then it shall not.
    Refused(Check),
    /// The service is to be asked about it.
    Asks(Check),
}

/// A request that a service is asked about: the filter, and what the request's route says of it.
#[derive(Debug, Clone)]
pub struct Check {
    of: Arc<Authorization>,
    place: Option<Arc<OfPlace>>,
}

/// What is known of a request that a service is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Its connection.
    pub facts: Facts<'a>,
    /// The client's certificate, in PEM and as it stands in a URL.
    pub certificate: Option<&'a str>,
    /// When it arrived, since 1970.
    pub arrived: Duration,
    /// Whether it has no body, or all of it is there.
    pub ended: bool,
}

/// What a service sees of a body.
#[derive(Debug, Default)]
pub struct Body {
    /// Its beginning.
    pub bytes: Vec<u8>,
    /// Whether that is all.
    pub whole: bool,
}

/// What is to be sent to a service.
#[derive(Debug)]
pub enum Question {
    /// A message for [`METHOD`].
    Grpc {
        /// The authority by which the service is called.
        authority: Str,
        /// The message.
        message: Vec<u8>,
    },
    /// A request.
    Http {
        /// Its head.
        head: Box<RequestHead>,
        /// Its body.
        body: Vec<u8>,
    },
}

impl Authorization {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            counts: OnceLock::new(),
        }
    }

    /// What the names of its statistics begin with.
    #[must_use]
    pub fn stat_prefix(&self) -> &Str {
        &self.rules.stat_prefix
    }

    /// Whether the service sees clients' certificates.
    #[must_use]
    pub fn shows_certificate(&self) -> bool {
        self.rules.shows_certificate
    }

    /// How often what came of asking.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let Counts {
            passed,
            denied,
            failed,
            let_pass,
            invalid,
            disabled,
        } = self.counts();
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Asked {
            passed: of(passed),
            denied: of(denied),
            failed: of(failed),
            let_pass: of(let_pass),
            invalid: of(invalid),
            disabled: of(disabled),
        }
    }

    fn counts(&self) -> &Counts {
        self.counts.get_or_init(Arc::default)
    }
}

/// Filters are the same when they say the same.
impl PartialEq for Authorization {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Lasts for Authorization {
    fn follow(&self, before: &Self) {
        before.counts();
        if let Some(counts) = before.counts.get() {
            self.counts.set(counts.clone()).ok();
        }
    }
}

impl AuthorizationAt {
    /// What is to be done about a request; `route` is nothing where it has none.
    pub fn look(&self, route: Option<&RouteDecision<'_>>, draw: impl FnOnce() -> u64) -> Looked {
        let place = route.and_then(RouteDecision::authorization);
        if !place.map_or(self.by_default, |place| !place.off) {
            return Looked::Passes;
        }
        let check = Check {
            of: self.filter.clone(),
            place: place.cloned(),
        };
        let Rules {
            enabled,
            denies_disabled,
            ..
        } = self.filter.rules;
        if enabled.takes_all() || enabled.takes(draw()) {
            return Looked::Asks(check);
        }
        let counts = self.filter.counts();
        counts.disabled.fetch_add(1, Ordering::Relaxed);
        match denies_disabled {
            true => Looked::Refused(check),
            false => Looked::Passes,
        }
    }
}

impl Check {
    /// How much of the request's body the service sees, if anything.
    #[must_use]
    pub fn buffering(&self) -> Option<Buffering> {
        let said = self.place.as_ref().and_then(|place| place.body);
        said.unwrap_or(self.of.rules.body)
    }

    /// The cluster of the service.
    #[must_use]
    pub fn cluster(&self) -> &Str {
        match self.service() {
            Service::Grpc { cluster, .. } => cluster,
            Service::Http(service) => &service.cluster,
        }
    }

    /// How long it may take to answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self.service() {
            Service::Grpc { timeout, .. } => *timeout,
            Service::Http(service) => service.timeout,
        }
    }

    /// The status with which requests are answered that nobody can say anything about.
    #[must_use]
    pub fn error_status(&self) -> u16 {
        self.of.rules.error_status
    }

    /// How often nobody could.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.of.counts().failed.load(Ordering::Relaxed)
    }

    /// What is to be sent to the service; `body` is nothing where it sees none.
    #[must_use]
    pub fn question(&self, known: &Known<'_>, body: Option<Body>) -> Question {
        match self.service() {
            Service::Grpc { authority, .. } => Question::Grpc {
                authority: authority.clone(),
                message: attributes::message(self, known, body),
            },
            Service::Http(service) => http::question(service, &self.of.rules, known, body),
        }
    }

    fn service(&self) -> &Service {
        let said = self.place.as_ref().and_then(|place| place.service.as_ref());
        said.unwrap_or(&self.of.rules.service)
    }
}

impl OfPlace {
    /// What a narrower place says counts; texts for the service come from all of them.
    pub(crate) fn within(mut self, wider: &Self) -> Self {
        for (key, value) in &wider.extensions {
            let own = self.extensions.entry(key.clone());
            own.or_insert_with(|| value.clone());
        }
        self
    }
}

fn names(list: &[TextMatch], name: &str) -> bool {
    list.iter().any(|it| it.matches(name.as_bytes()))
}

#[cfg(test)]
mod tests;
