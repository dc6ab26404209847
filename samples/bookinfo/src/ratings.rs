//! The stars that readers gave, in memory; some versions misbehave on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use mesh_model::time::Clock;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::reply::{self, Reply};
use crate::server::Service;
use crate::settings::Environment;

/// Books whose ratings can be replaced; beyond it the store refuses.
const MAX_BOOKS: usize = 10_000;

/// The service.
pub(crate) struct Ratings {
    behaviour: Behaviour,
    clock: Arc<dyn Clock>,
    started: Instant,
    replaced: Mutex<BTreeMap<u64, Map<String, Value>>>,
}

/// What `SERVICE_VERSION` asks for (istio: ratings.js).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Sound,
    /// Half of the answers are 503.
    Faulty,
    /// Half of the answers take 7 s.
    Delayed,
    /// 60 s well, then 60 s of 503, and so on.
    Unavailable,
    /// 15 minutes well, then 15 minutes of 503 and failing health checks, and so on.
    Unhealthy,
}

/// How one request is treated.
#[derive(Debug, PartialEq, Eq)]
enum Treatment {
    Answer,
    Refuse,
    AnswerAfter(Duration),
}

impl Behaviour {
    fn of_version(version: &str) -> anyhow::Result<Self> {
        Ok(match version {
            "v-faulty" => Self::Faulty,
            "v-delayed" => Self::Delayed,
            "v-unavailable" => Self::Unavailable,
            "v-unhealthy" => Self::Unhealthy,
            "v2" => anyhow::bail!(
                "SERVICE_VERSION=v2: that version keeps ratings in MongoDB or MySQL, and this \
                 program has no database client; use v1"
            ),
            _ => Self::Sound,
        })
    }

    /// `chance` was drawn from `0.0..1.0`.
    fn treat(self, chance: f64, up: Duration) -> Treatment {
        match self {
            Self::Faulty if chance < 0.5 => Treatment::Refuse,
            Self::Delayed if chance < 0.5 => Treatment::AnswerAfter(Duration::from_secs(7)),
            Self::Unavailable | Self::Unhealthy if !self.is_well(up) => Treatment::Refuse,
            Self::Sound | Self::Faulty | Self::Delayed | Self::Unavailable | Self::Unhealthy => {
                Treatment::Answer
            }
        }
    }

    fn is_well(self, up: Duration) -> bool {
        let period = match self {
            Self::Sound | Self::Faulty | Self::Delayed => return true,
            Self::Unavailable => 60,
            Self::Unhealthy => 15 * 60,
        };
        (up.as_secs() / period).is_multiple_of(2)
    }
}

impl Ratings {
    pub(crate) fn new(environment: &Environment, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let version = environment.text("SERVICE_VERSION").unwrap_or("v1");
        Ok(Self {
            behaviour: Behaviour::of_version(version)?,
            started: clock.now(),
            clock,
            replaced: Mutex::new(BTreeMap::new()),
        })
    }

    fn up(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    fn health(&self) -> Reply {
        if self.behaviour == Behaviour::Unhealthy && !self.behaviour.is_well(self.up()) {
            let status = json!({"status": "Ratings is not healthy"});
            return reply::json(StatusCode::INTERNAL_SERVER_ERROR, &status);
        }
        reply::json(StatusCode::OK, &json!({"status": "Ratings is healthy"}))
    }

    async fn read(&self, id: u64) -> Reply {
        match self.behaviour.treat(fastrand::f64(), self.up()) {
            Treatment::Answer => {}
            Treatment::Refuse => {
                return reply::error(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable");
            }
            Treatment::AnswerAfter(delay) => tokio::time::sleep(delay).await,
        }
        let replaced = self.replaced.lock().get(&id).cloned();
        let ratings = replaced.map_or_else(|| json!({"Reviewer1": 5, "Reviewer2": 4}), Value::from);
        reply::json(StatusCode::OK, &json!({"id": id, "ratings": ratings}))
    }

    fn replace(&self, id: u64, body: &[u8]) -> Reply {
        let Ok(ratings) = serde_json::from_slice::<Map<String, Value>>(body) else {
            let text = "please provide valid ratings JSON";
            return reply::error(StatusCode::BAD_REQUEST, text);
        };
        let mut replaced = self.replaced.lock();
        if replaced.len() >= MAX_BOOKS && !replaced.contains_key(&id) {
            let text = "too many books have ratings of their own";
            return reply::error(StatusCode::INSUFFICIENT_STORAGE, text);
        }
        replaced.insert(id, ratings.clone());
        reply::json(StatusCode::OK, &json!({"id": id, "ratings": ratings}))
    }
}

impl Service for Ratings {
    async fn answer(&self, request: Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let read = matches!(*request.method(), Method::GET | Method::HEAD);
        if path == "/health" && read {
            return self.health();
        }
        let Some(id) = path.strip_prefix("/ratings/") else {
            return reply::not_found();
        };
        let Ok(id) = id.parse() else {
            let text = "please provide numeric product ID";
            return reply::error(StatusCode::BAD_REQUEST, text);
        };
        match *request.method() {
            Method::POST => self.replace(id, request.body()),
            _ if read => self.read(id).await,
            _ => reply::method_not_allowed(),
        }
    }
}

#[cfg(test)]
mod tests;
