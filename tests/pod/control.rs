//! Port 9999: what a test has a pod do. Requests are JSON by POST.
//!
//! | path | body | answer |
//! |---|---|---|
//! | `/get` | `url`, `headers` | `Ok`: `status`, `headers`, `body`; or `Err` with the reason |
//! | `/open` | `address`, `say` | `Ok` with the first words heard, or `Err` with the reason |
//! | `/load` | `url`, `headers`, `rate` (per second), `expect` (a part of each body) | |
//! | `/tally` | | the load so far: `sent`, `good`, `failures` |
//! | `/end` | | the same, when all requests have ended |

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Answer;
use crate::app::json_answer;
use crate::calls::{self, Call, Caller};
use crate::load::{Load, Wish};

/// What is under way.
pub(crate) struct Control {
    caller: Caller,
    load: Mutex<Option<Load>>,
    tasks: Tasks,
}

#[derive(Deserialize)]
struct Opening {
    address: String,
    #[serde(default)]
    say: String,
}

impl Control {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self {
            caller: Caller::default(),
            load: Mutex::new(None),
            tasks,
        }
    }

    /// Does what a request asks for.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        Ok(match self.done(&path, &body).await {
            Ok(value) => json_answer(&value),
            Err(error) => {
                let mut answer = json_answer(&Value::from(error.to_string()));
                *answer.status_mut() = StatusCode::BAD_REQUEST;
                answer
            }
        })
    }

    async fn done(&self, path: &str, body: &Bytes) -> Result<Value, serde_json::Error> {
        match path {
            "/get" => {
                let call: Call = serde_json::from_slice(body)?;
                serde_json::to_value(self.caller.call(&call).await)
            }
            "/open" => {
                let opening: Opening = serde_json::from_slice(body)?;
                serde_json::to_value(calls::open(&opening.address, &opening.say).await)
            }
            "/load" => {
                let wish: Wish = serde_json::from_slice(body)?;
                *self.load.lock() = Some(Load::start(wish, &self.tasks));
                Ok(Value::Null)
            }
            "/tally" => Ok(self.load.lock().as_ref().map_or(Value::Null, Load::tally)),
            "/end" => {
                let load = self.load.lock().take();
                match load {
                    Some(load) => Ok(load.end().await),
                    None => Ok(Value::Null),
                }
            }
            _ => Ok(json!("no such path")),
        }
    }
}
