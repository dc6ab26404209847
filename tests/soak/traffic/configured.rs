//! What the configuration decides, judged by the versions that were in force meanwhile.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::StatusCode;
use mesh_runtime::Tasks;
use mesh_tests::pattern::Pattern;
use serde_json::Value;

use super::Traffic;
use super::requests::Keeper;
use crate::course::{Course, State};
use crate::http::{Connection, Http, Way, chain, whole};
use crate::ledger::{Judged, Reason, Verdict};
use crate::raw::Raw;

const STAMP: &str = "x-soak-stamp";

/// Requests to `web`: which version answers, and what the route did to heads.
pub(crate) struct Configured {
    keeper: Keeper,
    course: Arc<Course>,
}

impl Configured {
    pub(crate) fn new(way: Way, course: &Arc<Course>, tasks: &Tasks) -> Self {
        Self {
            keeper: Keeper::new(way, Http::Two, tasks),
            course: course.clone(),
        }
    }
}

impl Traffic for Configured {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.keeper.take().await?;
        let begun = self.course.now();
        let seen = Seen::ask(&mut connection, &self.keeper.way).await?;
        self.keeper.keep(connection);
        let states = self.course.since(begun);
        if states.iter().any(|state| seen.fits(state)) {
            return Ok(Verdict::Good(1));
        }
        Err(format!("{seen:?}, while there were {states:?}"))
    }
}

/// What came of such a request.
#[derive(Debug)]
struct Seen {
    server: String,
    stamps: [Option<String>; 2],
}

impl Seen {
    async fn ask(connection: &mut Connection, way: &Way) -> Result<Self, String> {
        let request = connection.request(way, "/seen").body(Pattern::exact(0));
        let answer = connection.send(request.map_err(|error| error.to_string())?);
        let (head, body) = answer.await?.into_parts();
        let body = body.collect().await.map_err(|error| chain(&error))?;
        let body = body.to_bytes();
        if head.status != StatusCode::OK {
            return Err(format!(
                "{}: {}",
                head.status,
                String::from_utf8_lossy(&body)
            ));
        }
        let json: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let arrived = json.pointer(&format!("/headers/{STAMP}/0"));
        let field = |name| {
            let value = head.headers.get(name)?.to_str();
            value.ok().map(str::to_owned)
        };
        Ok(Self {
            server: field("x-server-name").unwrap_or_default(),
            stamps: [
                arrived.and_then(Value::as_str).map(str::to_owned),
                field(STAMP),
            ],
        })
    }

    /// Whether one version explains all of it: a request sees one configuration.
    fn fits(&self, state: &State) -> bool {
        let stamp = Some(state.stamp.to_string());
        state.reaches(&self.server) && self.stamps == [stamp.clone(), stamp]
    }
}

/// Requests that take longer than the route's time-out, while it has one.
pub(crate) struct TimedOut {
    keeper: Keeper,
    course: Arc<Course>,
}

impl TimedOut {
    pub(crate) fn new(way: Way, course: &Arc<Course>, tasks: &Tasks) -> Self {
        Self {
            keeper: Keeper::new(way, Http::One, tasks),
            course: course.clone(),
        }
    }
}

impl Traffic for TimedOut {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.keeper.take().await?;
        let way = &self.keeper.way;
        let begun = self.course.now();
        let request = connection
            .request(way, "/after/700")
            .body(Pattern::exact(0));
        let answer = connection.send(request.map_err(|error| error.to_string())?);
        let answer = answer.await?;
        let status = answer.status().as_u16();
        if status == 200 {
            whole(answer.into_body(), 10).await?;
        } else {
            let read = answer.into_body().collect().await;
            read.map_err(|error| chain(&error))?;
        }
        self.keeper.keep(connection);
        let states = self.course.since(begun);
        let may = |timeout| states.iter().any(|state| state.timeout == timeout);
        match status {
            200 if may(false) => Ok(Verdict::Good(1)),
            504 if may(true) => Ok(Verdict::Expected(Reason::RouteTimeout)),
            other => Err(format!("status {other}, while there were {states:?}")),
        }
    }
}

/// Requests that are served while one thing of the configuration is so, and else refused.
pub(crate) struct Switched {
    way: Way,
    course: Arc<Course>,
    serves: fn(&State) -> bool,
    refusal: fn(&Result<u16, String>) -> Option<Reason>,
}

impl Switched {
    /// In plain text to a workload that takes mutual TLS alone from time to time.
    pub(crate) fn denied(way: Way, course: &Arc<Course>) -> Self {
        Self {
            way,
            course: course.clone(),
            serves: |state| !state.strict,
            refusal: |seen| seen.is_err().then_some(Reason::Denied),
        }
    }

    /// For a host that the gateway has from time to time.
    pub(crate) fn extra(way: Way, course: &Arc<Course>) -> Self {
        Self {
            way,
            course: course.clone(),
            serves: |state| state.extra,
            refusal: |seen| (*seen == Ok(404)).then_some(Reason::NoRoute),
        }
    }
}

impl Traffic for Switched {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        let begun = self.course.now();
        let seen = status(&self.way).await;
        let states = self.course.since(begun);
        let may = |serves| states.iter().any(|state| (self.serves)(state) == serves);
        match (self.refusal)(&seen) {
            None if seen == Ok(200) && may(true) => Ok(Verdict::Good(1)),
            Some(reason) if may(false) => Ok(Verdict::Expected(reason)),
            _ => Err(format!("{seen:?}, while there were {states:?}")),
        }
    }
}

/// The status of a small request over a connection of its own.
async fn status(way: &Way) -> Result<u16, String> {
    let mut raw = Raw::open(way).await?;
    let request = format!("GET /bytes/10 HTTP/1.1\r\nHost: {}\r\n\r\n", way.authority);
    raw.write(request.as_bytes()).await?;
    Ok(raw.head().await?.status)
}
