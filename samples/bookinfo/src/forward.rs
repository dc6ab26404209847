//! The headers that a service hands on, so that a request keeps its trace, its user and its
//! credentials on the whole way.

use http::header::{HeaderMap, HeaderName};

/// What every service hands on (istio: the lists in the sample's sources, newest).
const ALWAYS: &[&str] = &[
    "x-request-id",
    "x-ot-span-context",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "sw8",
    "user-agent",
    "cookie",
    "authorization",
    "jwt",
];

/// The header that names the signed-in user.
pub(crate) const END_USER: HeaderName = HeaderName::from_static("end-user");

/// For services behind the product page: they trust the user that it names.
pub(crate) fn with_user(from: &HeaderMap) -> HeaderMap {
    let mut to = without_user(from);
    copy(from, &mut to, &END_USER);
    to
}

/// For the product page itself, whose session decides who the user is.
pub(crate) fn without_user(from: &HeaderMap) -> HeaderMap {
    let mut to = HeaderMap::new();
    for name in ALWAYS {
        copy(from, &mut to, &HeaderName::from_static(name));
    }
    to
}

fn copy(from: &HeaderMap, to: &mut HeaderMap, name: &HeaderName) {
    for value in from.get_all(name) {
        to.append(name, value.clone());
    }
}

#[cfg(test)]
mod tests;
