//! Where the followers of all kinds report, and what follows for the source as a whole.
//!
//! A state machine without I/O: it says once that everything of the start is known, and it says of
//! a server that is away one sentence, not one for each kind.

use mesh_api::codes;
use mesh_api::kinds::Kind;
use mesh_model::Str;
use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;
use mesh_source::Event;

use crate::course::Trouble;
use crate::known::ORIGIN;
use crate::watched::Watched;

/// What a follower tells.
pub(crate) struct Report {
    /// Which one.
    pub(crate) number: usize,
    /// What has changed.
    pub(crate) events: Vec<Event>,
    /// Whether nobody needs to wait for its first list any more.
    pub(crate) settled: bool,
    /// `Some(None)` when all is well, `Some(Some(_))` with what is wrong and what is in force
    /// nevertheless; `None` when nothing is to be said.
    pub(crate) trouble: Option<Option<(Trouble, Vec<ResourceKey>)>>,
}

/// How all followers stand.
pub(crate) struct Board {
    address: String,
    kinds: Vec<Standing>,
    /// Whether it was said that the server is away.
    away: bool,
    synced: bool,
}

struct Standing {
    watched: Watched,
    settled: bool,
    trouble: Option<Trouble>,
    /// Nobody follows it any more; what is still on its way is not heard.
    dropped: bool,
}

impl Board {
    pub(crate) fn new(address: String, watched: Vec<Watched>) -> Self {
        Self {
            address,
            kinds: watched.into_iter().map(Standing::new).collect(),
            away: false,
            synced: false,
        }
    }

    /// Adds something that is followed from now on; its number.
    pub(crate) fn add(&mut self, watched: Watched) -> usize {
        self.kinds.push(Standing::new(watched));
        self.kinds.len() - 1
    }

    /// Nobody follows it any more.
    pub(crate) fn drop(&mut self, number: usize, events: &mut Vec<Event>) {
        if let Some(standing) = self.kinds.get_mut(number) {
            standing.now(None, Vec::new(), events);
            standing.settled = true;
            standing.dropped = true;
        }
    }

    /// Nobody waits for its first list any more.
    pub(crate) fn wait_no_more(&mut self, number: usize) {
        if let Some(standing) = self.kinds.get_mut(number) {
            standing.settled = true;
        }
    }

    /// Whether nobody needs to wait for the first list of these any more.
    pub(crate) fn are_settled(&self, mut numbers: impl Iterator<Item = usize>) -> bool {
        numbers.all(|number| {
            self.kinds
                .get(number)
                .is_none_or(|standing| standing.settled)
        })
    }

    /// Takes in a report and appends what the source has to tell.
    pub(crate) fn on(&mut self, report: Report, events: &mut Vec<Event>) {
        let standing = self.kinds.get_mut(report.number);
        let Some(standing) = standing.filter(|standing| !standing.dropped) else {
            return;
        };
        events.extend(report.events);
        standing.settled |= report.settled;
        if let Some(trouble) = report.trouble {
            let at = events.len();
            let (trouble, held) = trouble.map_or_else(Default::default, |(t, h)| (Some(t), h));
            let text = match &trouble {
                Some(Trouble::Unreachable(text)) => text.clone(),
                _ => String::new(),
            };
            standing.now(trouble, held, events);
            self.reachable(&text, events);
            if !self.synced {
                log(events.get(at..).unwrap_or_default());
            }
        }
        if !self.synced && self.kinds.iter().all(|standing| standing.settled) {
            self.synced = true;
            events.push(Event::Synced);
        }
    }

    /// Says that the server is away, or back.
    fn reachable(&mut self, text: &str, events: &mut Vec<Event>) {
        let mut troubles = self.kinds.iter().map(|standing| &standing.trouble);
        let away = troubles.any(|trouble| matches!(trouble, Some(Trouble::Unreachable(_))));
        if away == self.away {
            return;
        }
        self.away = away;
        let origin: Str = format!("{ORIGIN} API server {}", self.address).into();
        events.push(if away {
            let text = format!("cannot be reached: {text}");
            let hint = "what was known of the cluster stays in force until it is back";
            broken(&origin, text, hint.to_owned(), Vec::new())
        } else {
            Event::Mended { origin }
        });
    }
}

impl Standing {
    fn new(watched: Watched) -> Self {
        Self {
            watched,
            settled: false,
            trouble: None,
            dropped: false,
        }
    }

    /// Says what is wrong with this kind alone, if it is something else than before.
    fn now(&mut self, trouble: Option<Trouble>, held: Vec<ResourceKey>, events: &mut Vec<Event>) {
        if self.trouble == trouble {
            return;
        }
        let origin: Str = format!("{ORIGIN} {}", self.watched.name()).into();
        let said = |trouble| explained(&self.watched, trouble);
        let before = self.trouble.as_ref().and_then(said);
        match trouble.as_ref().and_then(said) {
            Some((text, hint)) => events.push(broken(&origin, text, hint, held)),
            None if before.is_some() => events.push(Event::Mended { origin }),
            None => {}
        }
        self.trouble = trouble;
    }
}

/// What is said of a kind and the way out; `None` for what is no fault, or not this kind's own.
fn explained(watched: &Watched, trouble: &Trouble) -> Option<(String, String)> {
    match trouble {
        Trouble::Forbidden { verb } => {
            let text = format!("may not be read: this account has no permission to {verb} them");
            Some((text, rule(watched)))
        }
        Trouble::Refused { code: 0, text } => Some((
            format!("cannot be read: the API server sent {text}"),
            String::new(),
        )),
        Trouble::Refused { code, text } => {
            let text = format!("cannot be read: the API server answers {code} {text}");
            Some((text.trim_end().to_owned(), String::new()))
        }
        // Custom resources are there when somebody has installed them.
        Trouble::Missing if watched.essential => {
            Some(("are not served by the API server".to_owned(), String::new()))
        }
        Trouble::Missing | Trouble::Unreachable(_) => None,
    }
}

/// The rule that a role needs.
fn rule(watched: &Watched) -> String {
    let Kind { group, plural, .. } = watched.kind;
    let role = match &watched.namespace {
        Some(namespace) => format!("a Role in {namespace}"),
        None => "a ClusterRole".to_owned(),
    };
    format!(
        "bind {role} with the rule {{apiGroups: [\"{group}\"], resources: [\"{plural}\"], \
         verbs: [\"get\", \"list\", \"watch\"]}}"
    )
}

fn broken(origin: &Str, message: String, hint: String, held: Vec<ResourceKey>) -> Event {
    Event::Broken {
        origin: origin.clone(),
        diagnostics: vec![Diagnostic {
            code: codes::UNREADABLE,
            severity: Severity::Error,
            at: None,
            origin: origin.clone(),
            field: String::new(),
            message,
            hint,
        }],
        held,
    }
}

/// Before the first snapshot nobody else says what keeps it from coming.
fn log(events: &[Event]) {
    for event in events {
        match event {
            Event::Broken {
                origin,
                diagnostics,
                ..
            } => {
                for found in diagnostics {
                    tracing::warn!(%origin, error = %found, "configuration cannot be read");
                }
            }
            Event::Mended { origin } => {
                tracing::info!(%origin, "configuration can be read again");
            }
            Event::Upsert(_) | Event::Delete(_) | Event::Synced => {}
        }
    }
}

#[cfg(test)]
mod tests;
