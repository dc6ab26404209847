//! What of an answer must be the same, whoever gave it.

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::{Request, Response};
use mesh_test::client::{Client, Http};
use serde_json::Value;

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'static str,
}

/// GET for a path.
pub(crate) fn get(path: &str) -> Ask<'_> {
    ask("GET", path, "")
}

/// A request without headers of its own.
pub(crate) fn ask<'a>(method: &'a str, path: &'a str, body: &'static str) -> Ask<'a> {
    Ask {
        method,
        path,
        headers: &[],
        body,
    }
}

/// The answer to it.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    status: u16,
    kind: String,
    location: String,
    /// Name and value, and whether it ends the cookie.
    cookie: Option<(String, bool)>,
    body: Body,
}

#[derive(Debug, PartialEq)]
enum Body {
    Json(Value),
    /// Without the space that no browser shows.
    Page(String),
    Text(String),
}

impl Ask<'_> {
    /// Sends it on a connection that was used before.
    pub(crate) async fn to(&self, address: SocketAddr) -> Answer {
        let mut client = Client::plain(address, Http::One).await.unwrap();
        let before = Request::get("/health").header("host", "shop");
        let before = client.send(before.body(Bytes::new()).unwrap()).await;
        assert_eq!(before.unwrap().status(), 200);
        let mut request = Request::builder().method(self.method).uri(self.path);
        request = request.header("host", "shop");
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::from(self.body)).unwrap();
        Answer::of(&client.send(request).await.unwrap())
    }
}

impl Answer {
    fn of(answer: &Response<Bytes>) -> Self {
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        let kind = header("content-type");
        let redirects = answer.status().is_redirection();
        Self {
            status: answer.status().as_u16(),
            location: header("location"),
            cookie: cookie(&header("set-cookie")),
            body: match kind.as_str() {
                // Nobody reads what stands there.
                _ if redirects => Body::Text(String::new()),
                "application/json" => {
                    Body::Json(serde_json::from_str(&text).unwrap_or(Value::Null))
                }
                "text/html; charset=utf-8" => Body::Page(shown(&text)),
                _ => Body::Text(text),
            },
            kind: if redirects { String::new() } else { kind },
        }
    }
}

fn cookie(set: &str) -> Option<(String, bool)> {
    let (pair, attributes) = set.split_once(';')?;
    Some((pair.to_owned(), attributes.contains("Max-Age=0")))
}

/// HTML with one space for many, and none beside a tag.
fn shown(page: &str) -> String {
    let words: Vec<&str> = page.split_whitespace().collect();
    let text = words.join(" ");
    let pieces: Vec<&str> = text.split('<').map(str::trim).collect();
    let text = pieces.join("<");
    let pieces: Vec<&str> = text.split('>').map(str::trim).collect();
    pieces.join(">")
}
