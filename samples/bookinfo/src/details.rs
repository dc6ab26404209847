//! Facts about a book: fixed ones (v1), or those of a book service on the Internet (v2).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use mesh_runtime::Tasks;
use serde_json::{Value, json};

use crate::client::Upstream;
use crate::forward;
use crate::reply::{self, Reply};
use crate::server::{Framing, Service};
use crate::settings::Environment;

/// How long the book service may take (istio: details.rb, `read_timeout`).
const EXTERNAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Which book v2 asks for (istio: details.rb).
const EXTERNAL_BOOK: &str = "/books/v1/volumes?q=isbn:0486424618";

/// The service.
pub(crate) struct Details {
    source: Source,
    framing: Framing,
}

enum Source {
    Fixed,
    Volumes(Upstream),
    /// Encrypted calls need TLS, which this program leaves to the mesh.
    Encrypted,
}

impl Details {
    pub(crate) fn new(
        environment: &Environment,
        framing: Framing,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let source = if !environment.is_true("ENABLE_EXTERNAL_BOOK_SERVICE") {
            Source::Fixed
        } else if environment.is_true("DO_NOT_ENCRYPT") {
            let host = environment.text("EXTERNAL_BOOK_HOSTNAME");
            let host = host.unwrap_or("www.googleapis.com");
            let port = environment.number("EXTERNAL_BOOK_PORT", 80_u16)?;
            Source::Volumes(Upstream::new(format!("{host}:{port}"), tasks))
        } else {
            Source::Encrypted
        };
        Ok(Self { source, framing })
    }

    async fn facts(&self, id: u64, headers: &HeaderMap) -> Result<Value, String> {
        match &self.source {
            Source::Fixed => Ok(fixed(id)),
            Source::Encrypted => Err(
                "this program does not encrypt: set DO_NOT_ENCRYPT=true and let the mesh originate TLS"
                    .to_owned(),
            ),
            Source::Volumes(service) => {
                let answer = service.get(EXTERNAL_BOOK, headers, EXTERNAL_TIMEOUT).await;
                let answer = answer.map_err(|error| error.to_string())?;
                let volumes = serde_json::from_slice(answer.body());
                let volumes: Value = volumes.map_err(|error| error.to_string())?;
                from_volumes(id, &volumes).ok_or_else(|| "the answer names no book".to_owned())
            }
        }
    }
}

impl Service for Details {
    fn framing(&self) -> Framing {
        self.framing
    }

    async fn answer(&self, request: Request<Bytes>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return reply::method_not_allowed();
        }
        let path = request.uri().path();
        if path == "/health" {
            return reply::json(StatusCode::OK, &json!({"status": "Details is healthy"}));
        }
        let Some(id) = path.strip_prefix("/details/") else {
            return reply::not_found();
        };
        let Ok(id) = id.parse() else {
            let text = "please provide numeric product id";
            return reply::error(StatusCode::BAD_REQUEST, text);
        };
        let headers = forward::with_user(request.headers());
        match self.facts(id, &headers).await {
            Ok(facts) => reply::json(StatusCode::OK, &facts),
            Err(why) => reply::error(StatusCode::BAD_REQUEST, &why),
        }
    }
}

fn fixed(id: u64) -> Value {
    json!({
        "id": id,
        "author": "William Shakespeare",
        "year": 1595,
        "type": "paperback",
        "pages": 200,
        "publisher": "PublisherA",
        "language": "English",
        "ISBN-10": "1234567890",
        "ISBN-13": "123-1234567890",
    })
}

/// Takes the first book out of a list of volumes.
fn from_volumes(id: u64, volumes: &Value) -> Option<Value> {
    let book = volumes.get("items")?.get(0)?.get("volumeInfo")?;
    let language = match book.get("language").and_then(Value::as_str) {
        Some("en") => "English",
        _ => "unknown",
    };
    let kind = match book.get("printType").and_then(Value::as_str) {
        Some("BOOK") => "paperback",
        _ => "unknown",
    };
    Some(json!({
        "id": id,
        "author": book.get("authors")?.get(0)?,
        "year": book.get("publishedDate")?,
        "type": kind,
        "pages": book.get("pageCount")?,
        "publisher": book.get("publisher")?,
        "language": language,
        "ISBN-10": identifier(book, "ISBN_10")?,
        "ISBN-13": identifier(book, "ISBN_13")?,
    }))
}

fn identifier<'a>(book: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = book.get("industryIdentifiers")?.as_array()?;
    let found = all.iter().find(|entry| {
        let named = entry.get("type").and_then(Value::as_str);
        named == Some(kind)
    })?;
    found.get("identifier")
}

#[cfg(test)]
mod tests;
