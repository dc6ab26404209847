//! A client without retries: what it sees is what the mesh did.

use bytes::Bytes;
use hyper::{Request, Response};
use mesh_test::client::{Client, Failure, Http};

use crate::status::address;

/// A kept-alive connection to a sidecar's explicit HTTP proxy, as an application uses it.
pub struct Caller {
    client: Client,
}

impl Caller {
    /// Connects to the sidecar of a workload (`outbound` of its status).
    pub async fn through(outbound: &str) -> Self {
        let connected = Client::plain(address(outbound), Http::One).await;
        Self {
            client: connected.expect("the sidecar listens as an explicit HTTP proxy"),
        }
    }

    /// Sends GET for a URL of the mesh, such as `http://reviews:9080/reviews/0`.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn get(
        &mut self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Bytes>, Failure> {
        let uri: hyper::Uri = url.parse()?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = Request::get(uri).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.send(request.body(Bytes::new())?).await
    }

    /// As [`Caller::get`], for requests that must be answered: status and body.
    pub async fn answer(&mut self, url: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let response = self.get(url, headers).await.expect("an answer");
        let body = String::from_utf8_lossy(response.body()).into_owned();
        (response.status().as_u16(), body)
    }
}

/// Gets a page once, on a connection of its own: status and body.
pub async fn fetch(url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let response = mesh_test::client::get(url, headers)
        .await
        .expect("an answer");
    let body = String::from_utf8_lossy(response.body()).into_owned();
    (response.status().as_u16(), body)
}
