//! What is made of a service's answer.

use std::sync::atomic::{AtomicU64, Ordering};

use mesh_http::{RequestHead, ResponseHead};
use mesh_proto::envoy::envoy::config::core::v3::HeaderValueOption;
use mesh_proto::envoy::envoy::config::core::v3::header_value_option::HeaderAppendAction as Action;
use mesh_proto::envoy::envoy::service::auth::v3::check_response::HttpResponse;
use mesh_proto::envoy::envoy::service::auth::v3::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use prost::Message;

use super::change::{self, Change, Changes, How};
use super::{Check, Counts, Service, http};
use crate::shape::Put;

/// What a request is answered that a service refuses without saying how.
const FORBIDDEN: u16 = 403;
/// By which an upstream knows that nobody was asked.
const FAILURE_ALLOWED: &str = "x-envoy-auth-failure-mode-allowed";

/// An answer of a service.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its head.
    pub head: &'a ResponseHead,
    /// Its body; of gRPC the message.
    pub body: &'a [u8],
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passes.
    Passes,
    /// It does not: the service says so.
    Denied,
    /// It does not: nobody can say whether it may.
    Unknown,
    /// It does not: the service wants what cannot be done.
    Invalid,
}

/// What is made of a service's answer.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What becomes of the request.
    pub outcome: Outcome,
    /// With which status it is answered, if it does not pass.
    pub status: u16,
    /// The body of that answer.
    pub body: Vec<u8>,
    /// Whether the request's route is looked for once more.
    pub reroutes: bool,
    pub(super) request: Changes,
    pub(super) answer: Vec<Change>,
}

impl Judged {
    pub(super) fn passing() -> Self {
        Self {
            outcome: Outcome::Passes,
            status: FORBIDDEN,
            body: Vec::new(),
            reroutes: false,
            request: Changes::default(),
            answer: Vec::new(),
        }
    }

    /// Changes the request as the service wants it; false if that is nothing.
    pub fn change(&self, head: &mut RequestHead) -> bool {
        self.request.apply(head);
        !self.request.is_empty()
    }

    /// Writes into the answer to a request that does not pass what it shall say.
    pub fn tell(&self, head: &mut ResponseHead, request: &RequestHead) {
        if self.outcome == Outcome::Denied || self.outcome == Outcome::Unknown {
            // A call of gRPC is answered as one, whatever the service thinks of.
            let skipped = request.is_grpc().then_some("content-type");
            change::answer(&self.answer, head, skipped);
        }
    }

    /// Adds to the answer of a request that passes what the service wants to be added.
    pub fn show(&self, head: &mut ResponseHead) {
        if self.outcome == Outcome::Passes {
            change::add(&self.answer, head);
        }
    }
}

impl Check {
    /// Judges what came of the question; nothing where no answer did.
    #[must_use]
    pub fn judge(&self, answer: Option<Answer<'_>>) -> Judged {
        let judged = answer.and_then(|answer| match self.service() {
            Service::Grpc { .. } => of_message(answer.body),
            Service::Http(service) => http::judge(service, answer),
        });
        let counts = self.of.counts();
        let mut judged = judged.unwrap_or_else(|| Judged {
            outcome: Outcome::Unknown,
            status: 0,
            ..Judged::passing()
        });
        if self.of.rules.validates && !judged.is_valid() {
            judged = Judged {
                outcome: Outcome::Invalid,
                ..Judged::passing()
            };
        }
        match judged.outcome {
            Outcome::Passes => {
                count(&counts.passed);
                judged.reroutes = self.of.rules.clears_route && !judged.request.is_empty();
            }
            Outcome::Denied => {
                count(&counts.denied);
                self.shorten(&mut judged.body);
            }
            Outcome::Invalid => count(&counts.invalid),
            Outcome::Unknown => return self.unknown(counts, judged),
        }
        judged
    }

    /// What becomes of a request that is none of those that are asked about, and shall not pass.
    #[must_use]
    pub fn refuse(&self) -> Judged {
        Judged {
            outcome: Outcome::Unknown,
            status: self.of.rules.error_status,
            ..Judged::passing()
        }
    }

    fn unknown(&self, counts: &Counts, mut judged: Judged) -> Judged {
        count(&counts.failed);
        if !self.of.rules.passes_on_error {
            if judged.status == 0 {
                judged.status = self.of.rules.error_status;
            }
            self.shorten(&mut judged.body);
            return judged;
        }
        count(&counts.let_pass);
        let mut judged = Judged::passing();
        if self.of.rules.marks_passed {
            judged.request.fields.push(Change {
                name: FAILURE_ALLOWED.to_owned(),
                value: b"true".to_vec(),
                how: How::As(Put::Overwrite),
            });
        }
        judged
    }

    fn shorten(&self, body: &mut Vec<u8>) {
        body.truncate(self.of.rules.most_denied_body);
    }
}

impl Judged {
    fn is_valid(&self) -> bool {
        self.request.is_valid() && self.answer.iter().all(Change::is_valid)
    }
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What a message means; nothing where it is none.
fn of_message(bytes: &[u8]) -> Option<Judged> {
    let response = CheckResponse::decode(bytes).ok()?;
    let code = response.status.as_ref().map_or(0, |status| status.code);
    Some(match (code, response.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => passes(ok),
        (0, _) => Judged::passing(),
        (_, Some(HttpResponse::DeniedResponse(denied))) => {
            let (status, default) = (status(&denied), FORBIDDEN);
            refused(Outcome::Denied, status.unwrap_or(default), denied)
        }
        (_, Some(HttpResponse::ErrorResponse(error))) => {
            refused(Outcome::Unknown, status(&error).unwrap_or(0), error)
        }
        (_, Some(HttpResponse::OkResponse(_)) | None) => Judged {
            outcome: Outcome::Denied,
            ..Judged::passing()
        },
    })
}

fn status(pb: &DeniedHttpResponse) -> Option<u16> {
    let code = pb.status.as_ref()?.code;
    let code = u16::try_from(code).ok()?;
    (200..600).contains(&code).then_some(code)
}

fn refused(outcome: Outcome, status: u16, pb: DeniedHttpResponse) -> Judged {
    Judged {
        outcome,
        status,
        answer: changes(pb.headers, |pb| How::As(how(pb, Put::Overwrite))),
        body: pb.body.into_bytes(),
        ..Judged::passing()
    }
}

fn passes(pb: OkHttpResponse) -> Judged {
    let removed = pb.headers_to_remove.into_iter();
    let parameters = pb.query_parameters_to_set.into_iter();
    Judged {
        request: Changes {
            // Envoy: a service that says nothing replaces what a client has written.
            fields: changes(pb.headers, in_request),
            removed: removed.map(|name| name.to_ascii_lowercase()).collect(),
            parameters: parameters.map(|it| (it.key, it.value)).collect(),
            removed_parameters: pb.query_parameters_to_remove,
        },
        answer: changes(pb.response_headers_to_add, |pb| {
            How::As(how(pb, Put::Append))
        }),
        ..Judged::passing()
    }
}

fn changes(list: Vec<HeaderValueOption>, how: impl Fn(&HeaderValueOption) -> How) -> Vec<Change> {
    let change = |pb: HeaderValueOption| {
        let how = how(&pb);
        let header = pb.header?;
        Some(Change {
            name: header.key.to_ascii_lowercase(),
            value: match header.raw_value.is_empty() {
                true => header.value.into_bytes(),
                false => header.raw_value,
            },
            how,
        })
    };
    list.into_iter().filter_map(change).collect()
}

/// The older form joins what is put into a request to what is there.
#[expect(deprecated, reason = "services still send the older form")]
fn in_request(pb: &HeaderValueOption) -> How {
    match &pb.append {
        Some(append) if append.value => How::Joined,
        Some(_) | None => How::As(how(pb, Put::Overwrite)),
    }
}

#[expect(deprecated, reason = "services still send the older form")]
fn how(pb: &HeaderValueOption, default: Put) -> Put {
    match (&pb.append, Action::try_from(pb.append_action)) {
        (Some(append), _) if append.value => Put::Append,
        (Some(_), _) => Put::Overwrite,
        (None, Ok(Action::AppendIfExistsOrAdd)) => default,
        (None, Ok(Action::AddIfAbsent)) => Put::IfAbsent,
        (None, Ok(Action::OverwriteIfExists)) => Put::OverwriteIfExists,
        (None, Ok(Action::OverwriteIfExistsOrAdd) | Err(_)) => Put::Overwrite,
    }
}

#[cfg(test)]
mod tests;
