//! Ordinary requests: all sizes, with and without lengths, trailers; one after the other or at once.

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use mesh_runtime::Tasks;
use mesh_tests::pattern::Pattern;
use tokio::time::timeout;

use super::Traffic;
use crate::http::{Connection, Http, Way, whole};
use crate::ledger::{Judged, Verdict};

/// Streams of a burst.
const STREAMS: usize = 8;
/// No request takes longer; less than what all exchanges may take.
const PATIENCE: Duration = Duration::from_secs(25);
const MIB: u64 = 1 << 20;
const TRAILER: &str = "x-checksum";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    /// A body with its length.
    Bytes(u64),
    /// A body without its length.
    Chunks(u64),
    /// The head of such a body.
    Head(u64),
    /// What was sent, with its length.
    Echo(u64),
    /// What was sent without its length, with trailers.
    EchoTrailers(u64),
    /// A status alone.
    Status(u16),
}

impl Ask {
    /// Any of them; one in twenty bodies has up to 1 MiB, half have less than 1 KiB.
    fn any(chance: &mut Rng) -> Self {
        let most = match chance.u8(0..20) {
            0 => MIB,
            1..10 => 64 * 1024,
            _ => 1024,
        };
        let length = chance.u64(0..=most);
        match chance.u8(0..10) {
            0..3 => Self::Bytes(length),
            3 => Self::Chunks(length),
            4 => Self::Head(length),
            5..7 => Self::Echo(length),
            7..9 => Self::EchoTrailers(length),
            _ => {
                let codes = [200, 204, 304, 404, 500];
                Self::Status(chance.choice(codes).unwrap_or(200))
            }
        }
    }

    fn path(self) -> String {
        match self {
            Self::Bytes(length) | Self::Head(length) => format!("/bytes/{length}"),
            Self::Chunks(length) => format!("/chunks/{length}"),
            Self::Echo(_) | Self::EchoTrailers(_) => "/echo".to_owned(),
            Self::Status(code) => format!("/status/{code}"),
        }
    }

    fn request(self, connection: &Connection, way: &Way) -> Result<Request<Pattern>, String> {
        let request = connection.request(way, &self.path());
        let request = match self {
            Self::Bytes(_) | Self::Chunks(_) | Self::Status(_) => request.body(Pattern::exact(0)),
            Self::Head(_) => request.method(Method::HEAD).body(Pattern::exact(0)),
            Self::Echo(length) => request.method(Method::POST).body(Pattern::exact(length)),
            Self::EchoTrailers(length) => {
                let mut trailers = HeaderMap::new();
                trailers.insert(TRAILER, HeaderValue::from(length));
                let body = Pattern::of_any_length(length).with_trailers(trailers);
                let request = request.method(Method::POST).header("trailer", TRAILER);
                request.header("te", "trailers").body(body)
            }
        };
        request.map_err(|error| error.to_string())
    }

    /// Asks it and checks the answer whole.
    pub(crate) async fn perform(
        self,
        connection: &mut Connection,
        way: &Way,
    ) -> Result<(), String> {
        let exchange = timeout(PATIENCE, self.exchange(connection, way)).await;
        let exchange = exchange.unwrap_or_else(|_| Err(format!("no end within {PATIENCE:?}")));
        exchange.map_err(|error| format!("{self:?}: {error}"))
    }

    async fn exchange(self, connection: &mut Connection, way: &Way) -> Result<(), String> {
        let request = self.request(connection, way)?;
        let (head, body) = connection.send(request).await?.into_parts();
        let (status, length) = match self {
            Self::Bytes(length)
            | Self::Chunks(length)
            | Self::Echo(length)
            | Self::EchoTrailers(length) => (200, length),
            Self::Head(_) => (200, 0),
            Self::Status(code) => (code, 0),
        };
        if head.status != status {
            return Err(format!("status {} {:?}", head.status, head.headers));
        }
        if let Self::Head(length) = self
            && head.headers.get(CONTENT_LENGTH) != Some(&HeaderValue::from(length))
        {
            return Err(format!("{:?}", head.headers));
        }
        let trailers = whole(body, length).await?;
        if let Self::EchoTrailers(length) = self {
            let trailer = trailers.as_ref().and_then(|fields| fields.get(TRAILER));
            if trailer != Some(&HeaderValue::from(length)) {
                return Err(format!("trailers {trailers:?}"));
            }
        }
        Ok(())
    }
}

/// A connection that is kept, and replaced when it has failed.
pub(crate) struct Keeper {
    pub(crate) way: Way,
    http: Http,
    tasks: Tasks,
    connection: Option<Connection>,
}

impl Keeper {
    pub(crate) fn new(way: Way, http: Http, tasks: &Tasks) -> Self {
        Self {
            way,
            http,
            tasks: tasks.clone(),
            connection: None,
        }
    }

    /// The connection, for one exchange: it is given back when that went well.
    pub(crate) async fn take(&mut self) -> Result<Connection, String> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.way, self.http, &self.tasks).await,
        }
    }

    /// Gives it back.
    pub(crate) fn keep(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }
}

/// One request after the other over one connection.
pub(crate) struct Kept {
    keeper: Keeper,
    chance: Rng,
}

impl Kept {
    pub(crate) fn new(way: Way, http: Http, tasks: &Tasks, chance: Rng) -> Self {
        let keeper = Keeper::new(way, http, tasks);
        Self { keeper, chance }
    }
}

impl Traffic for Kept {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.keeper.take().await?;
        let ask = Ask::any(&mut self.chance);
        ask.perform(&mut connection, &self.keeper.way).await?;
        self.keeper.keep(connection);
        Ok(Verdict::Good(1))
    }
}

/// A connection for each request.
pub(crate) struct Once {
    way: Way,
    tasks: Tasks,
    chance: Rng,
}

impl Once {
    pub(crate) fn new(way: Way, tasks: &Tasks, chance: Rng) -> Self {
        let tasks = tasks.clone();
        Self { way, tasks, chance }
    }
}

impl Traffic for Once {
    fn way(&self) -> &'static str {
        self.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = Connection::open(&self.way, Http::One, &self.tasks).await?;
        let ask = Ask::any(&mut self.chance);
        ask.perform(&mut connection, &self.way).await?;
        Ok(Verdict::Good(1))
    }
}

/// Some streams at once over one connection.
pub(crate) struct Burst {
    keeper: Keeper,
    chance: Rng,
}

impl Burst {
    pub(crate) fn new(way: Way, tasks: &Tasks, chance: Rng) -> Self {
        let keeper = Keeper::new(way, Http::Two, tasks);
        Self { keeper, chance }
    }
}

impl Traffic for Burst {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let connection = self.keeper.take().await?;
        let way = &self.keeper.way;
        let streams = (0..STREAMS).filter_map(|_| connection.share());
        let streams = streams.map(|mut stream| {
            let ask = Ask::any(&mut self.chance);
            async move { ask.perform(&mut stream, way).await }
        });
        let failed = join_all(streams).await.into_iter().find_map(Result::err);
        match failed {
            Some(failed) => Err(failed),
            None => {
                self.keeper.keep(connection);
                Ok(Verdict::Good(STREAMS as u64))
            }
        }
    }
}

/// Requests to a server that ends idle connections whenever it likes: none of them may be lost.
pub(crate) struct Unsteady {
    keeper: Keeper,
    chance: Rng,
}

impl Unsteady {
    pub(crate) fn new(way: Way, tasks: &Tasks, chance: Rng) -> Self {
        let keeper = Keeper::new(way, Http::One, tasks);
        Self { keeper, chance }
    }
}

impl Traffic for Unsteady {
    fn way(&self) -> &'static str {
        self.keeper.way.name
    }

    async fn once(&mut self) -> Judged {
        let mut connection = self.keeper.take().await?;
        let ask = Ask::Bytes(self.chance.u64(0..10_000));
        ask.perform(&mut connection, &self.keeper.way).await?;
        self.keeper.keep(connection);
        Ok(Verdict::Good(1))
    }
}
