//! The page of a book: asks details and reviews, and shows what they answer or that they did not.

mod page;
mod session;

use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HeaderMap, HeaderValue, REFERER, SET_COOKIE};
use http::{Method, Request, StatusCode};
use mesh_runtime::Tasks;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Upstream;
use crate::forward;
use crate::reply::{self, Reply};
use crate::server::Service;
use crate::settings::Environment;

/// How long each call may take (istio: productpage.py).
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often reviews are asked before the page does without (istio: productpage.py).
const REVIEW_ATTEMPTS: usize = 2;
/// Most extra calls per page that `FLOOD_FACTOR` may ask for.
const MAX_FLOOD: usize = 1000;

const NO_DETAILS: &str = "Sorry, product details are currently unavailable for this book.";
const NO_REVIEWS: &str = "Sorry, product reviews are currently unavailable for this book.";
const NO_RATINGS: &str = "Sorry, product ratings are currently unavailable for this book.";

/// The service.
pub(crate) struct ProductPage {
    details: Upstream,
    reviews: std::sync::Arc<Upstream>,
    ratings: Upstream,
    timeout: Duration,
    flood: usize,
    tasks: Tasks,
}

/// A part of the page: what a service said, or the status to pass on and the text to show.
type Part<T> = Result<T, (StatusCode, &'static str)>;

impl ProductPage {
    pub(crate) fn new(environment: &Environment, tasks: &Tasks) -> anyhow::Result<Self> {
        let upstream = |service| {
            let authority = environment.authority(service)?;
            anyhow::Ok(Upstream::new(authority, tasks))
        };
        Ok(Self {
            details: upstream("details")?,
            reviews: upstream("reviews")?.into(),
            ratings: upstream("ratings")?,
            timeout: TIMEOUT,
            flood: environment.number("FLOOD_FACTOR", 0)?.min(MAX_FLOOD),
            tasks: tasks.clone(),
        })
    }

    async fn details<T: DeserializeOwned>(&self, id: u64, headers: &HeaderMap) -> Part<T> {
        let path = format!("/details/{id}");
        let answer = self.details.json(&path, headers, self.timeout).await;
        answer.map_err(|status| (status, NO_DETAILS))
    }

    async fn reviews<T: DeserializeOwned>(&self, id: u64, headers: &HeaderMap) -> Part<T> {
        let path = format!("/reviews/{id}");
        let mut failed = StatusCode::INTERNAL_SERVER_ERROR;
        for _ in 0..REVIEW_ATTEMPTS {
            match self.reviews.json(&path, headers, self.timeout).await {
                Ok(reviews) => return Ok(reviews),
                Err(status) => failed = status,
            }
        }
        Err((failed, NO_REVIEWS))
    }

    async fn ratings<T: DeserializeOwned>(&self, id: u64, headers: &HeaderMap) -> Part<T> {
        let path = format!("/ratings/{id}");
        let answer = self.ratings.json(&path, headers, self.timeout).await;
        answer.map_err(|status| (status, NO_RATINGS))
    }

    /// Asks reviews as often as `FLOOD_FACTOR` says and forgets the answers.
    fn flood_reviews(&self, id: u64, headers: &HeaderMap) {
        for _ in 0..self.flood {
            let (reviews, headers) = (self.reviews.clone(), headers.clone());
            let timeout = self.timeout;
            self.tasks.spawn("flood", async move {
                let path = format!("/reviews/{id}");
                let _forgotten = reviews.get(&path, &headers, timeout).await;
            });
        }
    }

    async fn page(&self, request: &Request<Bytes>) -> Reply {
        let (user, headers) = caller(request);
        self.flood_reviews(page::BOOK, &headers);
        let details = self.details(page::BOOK, &headers).await;
        let reviews = self.reviews(page::BOOK, &headers).await;
        let page = page::Product {
            user: user.as_deref(),
            details: details.map_err(|(_, text)| text),
            reviews: reviews.map_err(|(_, text)| text),
        };
        reply::html(page.render())
    }

    /// `/api/v1/products...`, without the prefix: status and body of the service behind it.
    async fn api(&self, rest: &str, request: &Request<Bytes>) -> Reply {
        if rest.trim_matches('/').is_empty() {
            return reply::json(StatusCode::OK, &page::products());
        }
        let mut steps = rest.trim_matches('/').split('/');
        let id = steps.next().and_then(|id| id.parse::<u64>().ok());
        let (Some(id), kind, None) = (id, steps.next(), steps.next()) else {
            return reply::not_found();
        };
        let (_, headers) = caller(request);
        let part: Part<Value> = match kind {
            None => self.details(id, &headers).await,
            Some("reviews") => self.reviews(id, &headers).await,
            Some("ratings") => self.ratings(id, &headers).await,
            Some(_) => return reply::not_found(),
        };
        match part {
            Ok(value) => reply::json(StatusCode::OK, &value),
            Err((status, text)) => reply::error(status, text),
        }
    }
}

impl Service for ProductPage {
    async fn answer(&self, request: Request<Bytes>) -> Reply {
        let path = request.uri().path();
        if path == "/login" && *request.method() == Method::POST {
            return login(&request);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return reply::method_not_allowed();
        }
        match path {
            "/" | "/index.html" => reply::html(page::index()),
            "/health" => reply::text(StatusCode::OK, "Product page is healthy"),
            "/login" => reply::method_not_allowed(),
            "/logout" => logout(&request),
            "/productpage" => self.page(&request).await,
            _ => match path.strip_prefix("/api/v1/products") {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    self.api(rest, &request).await
                }
                _ => reply::not_found(),
            },
        }
    }
}

/// Who is signed in, and the headers to hand on: the session alone names the user.
fn caller(request: &Request<Bytes>) -> (Option<String>, HeaderMap) {
    let mut headers = forward::without_user(request.headers());
    let cookies = request.headers().get_all(COOKIE);
    let user = cookies.iter().find_map(session::user);
    if let Some(Ok(value)) = user
        .as_deref()
        .map(str::as_bytes)
        .map(HeaderValue::from_bytes)
    {
        headers.insert(forward::END_USER, value);
    }
    (user, headers)
}

/// Signs in whoever asks: the password is ignored, as in Istio's sample.
fn login(request: &Request<Bytes>) -> Reply {
    let Some(user) = session::form_field(request.body(), "username") else {
        return reply::error(StatusCode::BAD_REQUEST, "the form has no username");
    };
    match session::cookie_for(user.trim()) {
        Some(cookie) => back(request, cookie),
        None => reply::error(
            StatusCode::BAD_REQUEST,
            "a username has 1 to 64 characters, none of them a control character",
        ),
    }
}

fn logout(request: &Request<Bytes>) -> Reply {
    back(request, session::no_cookie())
}

/// Goes back to where the visitor came from, with a new cookie.
fn back(request: &Request<Bytes>, cookie: HeaderValue) -> Reply {
    let from = request.headers().get(REFERER).and_then(|r| r.to_str().ok());
    let location = from.and_then(session::place_on_this_site);
    let fallback = HeaderValue::from_static("/productpage");
    let mut reply = reply::redirect(location.unwrap_or(fallback));
    reply.headers_mut().insert(SET_COOKIE, cookie);
    reply
}

#[cfg(test)]
mod tests;
