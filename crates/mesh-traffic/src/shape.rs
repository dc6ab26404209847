//! Changes that a route makes to heads: header operations, host and path rewrites.

use mesh_http::{Fields, RequestHead, ResponseHead};
use mesh_model::Str;
use smallvec::SmallVec;

use crate::decide::{Action, Forward, RouteDecision};
use crate::route::{HostRewrite, PathRewrite};
use crate::template::{Facts, Template};

/// Header operations of one place in a route table, for requests and for responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeaderOps {
    pub(crate) request: Vec<HeaderOp>,
    pub(crate) response: Vec<HeaderOp>,
}

/// One change to a head's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderOp {
    /// Drops all fields of that name.
    Remove(Str),
    Put {
        name: Str,
        value: Template,
        how: Put,
        keep_empty: bool,
    },
}

/// What happens when there is a field of that name already, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// Adds one more.
    Append,
    /// Adds one if there is none.
    IfAbsent,
    /// Replaces what is there, or adds.
    Overwrite,
    /// Replaces what is there, and adds nothing.
    OverwriteIfExists,
}

impl RouteDecision<'_> {
    /// Changes a request as its route says: header operations, then the authority, then the path.
    ///
    /// The authority stays for a [`HostRewrite::Endpoint`]: the endpoint is not chosen yet.
    pub fn shape_request(&self, head: &mut RequestHead, facts: &Facts<'_>) {
        let Action::Forward(forward) = &self.action else {
            return;
        };
        for ops in self.ops_in_order(|ops| &ops.request) {
            change_request(ops, head, facts);
        }
        forward.rewrite(head);
    }

    /// Changes a response as its route says. `request` is the request as it came; what is written of it into the
    /// response is, as in Envoy, what was sent on.
    pub fn shape_response(
        &self,
        head: &mut ResponseHead,
        request: &RequestHead,
        facts: &Facts<'_>,
    ) {
        let all = self.ops_in_order(|ops| &ops.response);
        let mut sent = None;
        if all.iter().copied().flatten().any(HeaderOp::reads_request) {
            let sent = sent.insert(request.clone());
            self.shape_request(sent, facts);
            if let Action::Redirect(redirect) = &self.action
                && let Some(rewrite @ (PathRewrite::Prefix { .. } | PathRewrite::Regex { .. })) =
                    &redirect.path
            {
                // Envoy makes the location of the request's own path.
                sent.path = rewrite.apply(&sent.path);
            }
        }
        let request = sent.as_ref().unwrap_or(request);
        for ops in all {
            change_response(ops, head, request, facts);
        }
    }

    /// Envoy's order: the weighted cluster, then from the route out to the table, or these the other way round where
    /// the table says that the most specific shall win.
    fn ops_in_order(&self, of: impl Fn(&HeaderOps) -> &[HeaderOp]) -> [&[HeaderOp]; 4] {
        let choice = match &self.action {
            Action::Forward(forward) => of(forward.ops()),
            Action::Redirect(_) | Action::Respond(_) | Action::NotFound => &[],
        };
        let mut places = [
            self.route.map_or(&[][..], |route| of(&route.ops)),
            self.virtual_host.map_or(&[][..], |host| of(&host.ops)),
            of(&self.table.ops),
        ];
        if self.table.most_specific_wins {
            places.reverse();
        }
        let [first, second, third] = places;
        [choice, first, second, third]
    }
}

/// Changes the fields of a request.
pub(crate) fn change_request(ops: &[HeaderOp], head: &mut RequestHead, facts: &Facts<'_>) {
    remove(ops, &mut head.fields);
    let value = |template: &Template| template.fill(facts, head, None);
    let puts = wanted(ops, &head.fields, value);
    put_all(&puts, &mut head.fields);
}

/// Changes the fields of an answer.
pub(crate) fn change_response(
    ops: &[HeaderOp],
    head: &mut ResponseHead,
    request: &RequestHead,
    facts: &Facts<'_>,
) {
    remove(ops, &mut head.fields);
    let value = |template: &Template| template.fill(facts, request, Some(head));
    let puts = wanted(ops, &head.fields, value);
    put_all(&puts, &mut head.fields);
}

/// What one place in a table puts; more than so many are rare.
type Puts<'o> = SmallVec<[(&'o str, Put, ValueOf<'o>); 4]>;

fn remove(ops: &[HeaderOp], fields: &mut Fields) {
    for op in ops {
        if let HeaderOp::Remove(name) = op {
            fields.remove(name);
        }
    }
}

/// What is to be put, by what the fields are before any of it is.
fn wanted<'o>(
    ops: &'o [HeaderOp],
    fields: &Fields,
    fill: impl Fn(&Template) -> Vec<u8>,
) -> Puts<'o> {
    let puts = ops.iter().filter_map(|op| match op {
        HeaderOp::Remove(_) => None,
        HeaderOp::Put { name, how, .. } => {
            let value = op.value(&fill)?;
            let is_wanted = match how {
                Put::Append | Put::Overwrite => true,
                Put::IfAbsent => !fields.contains(name),
                Put::OverwriteIfExists => fields.contains(name),
            };
            is_wanted.then_some((&**name, *how, value))
        }
    });
    puts.collect()
}

/// What replaces comes before what is added, whatever their order in the list, as Envoy does it.
fn put_all(puts: &Puts<'_>, fields: &mut Fields) {
    let replaces = |how: Put| matches!(how, Put::Overwrite | Put::OverwriteIfExists);
    for (name, _, value) in puts.iter().filter(|(_, how, _)| replaces(*how)) {
        put(fields, name, value);
    }
    for (name, _, value) in puts.iter().filter(|(_, how, _)| !replaces(*how)) {
        append(fields, name, value);
    }
}

impl Forward<'_> {
    fn rewrite(&self, head: &mut RequestHead) {
        let host = self.host_rewrite().and_then(|rewrite| match rewrite {
            HostRewrite::Literal(host) => Some(host.to_string()),
            HostRewrite::Header(name) => {
                let host = head.fields.get_str(&name).filter(|host| !host.is_empty());
                host.map(str::to_owned)
            }
            HostRewrite::Path { pattern, with } => {
                let host = pattern.replace(head.path_only(), &with);
                (!host.is_empty()).then_some(host)
            }
            HostRewrite::Endpoint => None,
        });
        if let Some(host) = host {
            self.set_authority(head, &host);
        }
        if let Some(rewrite) = &self.policy.path_rewrite {
            let path = rewrite.apply(&head.path);
            let old = std::mem::replace(&mut head.path, path);
            // istio: the application's logs and traces can tell what the client asked for.
            put(&mut head.fields, "x-envoy-original-path", old.as_bytes());
        }
    }

    /// Puts another authority into a request, as the route says it is to be done.
    pub fn set_authority(&self, head: &mut RequestHead, host: &str) {
        let old = std::mem::take(&mut head.authority);
        if !old.is_empty() {
            if self.policy.append_x_forwarded_host {
                append(&mut head.fields, "x-forwarded-host", old.as_bytes());
            }
            // As for the path: the application can tell what the client asked for.
            put(&mut head.fields, "x-envoy-original-host", old.as_bytes());
        }
        head.authority.push_str(host);
    }
}

impl HeaderOp {
    /// The value to be put; `None` for removals and for values that are empty and unwanted so.
    fn value<'o>(&'o self, fill: impl FnOnce(&Template) -> Vec<u8>) -> Option<ValueOf<'o>> {
        let Self::Put {
            value, keep_empty, ..
        } = self
        else {
            return None;
        };
        let filled = match value.literal() {
            Some(text) => ValueOf::Borrowed(text.as_bytes()),
            None => ValueOf::Owned(fill(value)),
        };
        (*keep_empty || !filled.is_empty()).then_some(filled)
    }

    /// Whether its value depends on the request.
    fn reads_request(&self) -> bool {
        matches!(self, Self::Put { value, .. } if value.reads_request())
    }
}

type ValueOf<'o> = std::borrow::Cow<'o, [u8]>;

/// A value from the message itself that cannot stand in a field is left out; names and values of
/// the table were checked when it was compiled.
fn put(fields: &mut Fields, name: &str, value: &[u8]) {
    fields.set(name, value).ok();
}

fn append(fields: &mut Fields, name: &str, value: &[u8]) {
    fields.append(name, value).ok();
}

#[cfg(test)]
mod tests;
