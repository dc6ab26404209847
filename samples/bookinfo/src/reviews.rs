//! What two readers say about a book: without stars (v1), with black (v2) or red ones (v3).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use mesh_runtime::Tasks;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Upstream;
use crate::forward;
use crate::reply::{self, Reply};
use crate::server::Service;
use crate::settings::Environment;

/// How long ratings may take with black stars: longer than the product page waits, which is the
/// bug that the fault-injection task finds (istio: LibertyRestEndpoint).
const BLACK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long ratings may take with stars of another colour (istio: LibertyRestEndpoint).
const OTHER_TIMEOUT: Duration = Duration::from_millis(2500);
/// What stands in place of the stars when there are none to be had.
const NO_RATINGS: &str = "Ratings service is currently unavailable";

const TEXTS: [(&str, &str); 2] = [
    (
        "Reviewer1",
        "Two pairs of twins, one confusion after another: I laughed from the first page to the last.",
    ),
    (
        "Reviewer2",
        "Light and quick, a joy on any stage. Do not look for the depth of the later plays in it.",
    ),
];

/// The service.
pub(crate) struct Reviews {
    pod_name: String,
    cluster_name: String,
    stars: Option<Stars>,
}

struct Stars {
    color: String,
    ratings: Upstream,
    timeout: Duration,
}

/// What ratings answers.
#[derive(Deserialize)]
struct Answer {
    ratings: Given,
}

#[derive(Deserialize)]
struct Given {
    #[serde(rename = "Reviewer1")]
    first: i64,
    #[serde(rename = "Reviewer2")]
    second: i64,
}

impl Reviews {
    pub(crate) fn new(environment: &Environment, tasks: &Tasks) -> anyhow::Result<Self> {
        let stars = if environment.is_true("ENABLE_RATINGS") {
            let color = environment.text("STAR_COLOR").unwrap_or("black").to_owned();
            let timeout = match color.as_str() {
                "black" => BLACK_TIMEOUT,
                _ => OTHER_TIMEOUT,
            };
            let ratings = Upstream::new(environment.authority("ratings")?, tasks);
            Some(Stars {
                color,
                ratings,
                timeout,
            })
        } else {
            None
        };
        let cluster_name = environment.text("CLUSTER_NAME").unwrap_or("null");
        Ok(Self {
            pod_name: environment.pod_name("reviews"),
            cluster_name: cluster_name.to_owned(),
            stars,
        })
    }

    async fn reviews(&self, id: &str, headers: &HeaderMap) -> Value {
        let ratings = match &self.stars {
            None => [None, None],
            Some(stars) => stars.of(id, headers).await.map(Some),
        };
        let reviews = TEXTS.iter().zip(ratings).map(|((reviewer, text), rating)| {
            let mut review = json!({"reviewer": reviewer, "text": text});
            if let (Some(fields), Some(rating)) = (review.as_object_mut(), rating) {
                fields.insert("rating".to_owned(), rating);
            }
            review
        });
        json!({
            "id": id,
            "podname": self.pod_name,
            "clustername": self.cluster_name,
            "reviews": reviews.collect::<Vec<_>>(),
        })
    }
}

impl Stars {
    async fn of(&self, id: &str, headers: &HeaderMap) -> [Value; 2] {
        let path = format!("/ratings/{id}");
        match self
            .ratings
            .json::<Answer>(&path, headers, self.timeout)
            .await
        {
            Ok(Answer {
                ratings: Given { first, second },
            }) => [first, second].map(|stars| json!({"stars": stars, "color": self.color})),
            Err(_) => [json!({"error": NO_RATINGS}), json!({"error": NO_RATINGS})],
        }
    }
}

impl Service for Reviews {
    async fn answer(&self, request: Request<Bytes>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return reply::method_not_allowed();
        }
        let path = request.uri().path();
        if path == "/health" {
            return reply::json(StatusCode::OK, &json!({"status": "Reviews is healthy"}));
        }
        match path.strip_prefix("/reviews/") {
            Some(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let headers = forward::with_user(request.headers());
                reply::json(StatusCode::OK, &self.reviews(id, &headers).await)
            }
            _ => reply::not_found(),
        }
    }
}

#[cfg(test)]
mod tests;
