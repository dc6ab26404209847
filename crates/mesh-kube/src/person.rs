//! What a person's tool asks of the API server: any object by its path, as JSON.
//!
//! Paths are the caller's: names in them must be names, checked where they were typed.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::access::Cluster;
use crate::fault::Fault;
use crate::request::RequestError;

const JSON: &str = "application/json";

impl Cluster {
    /// Reads what is at a path.
    ///
    /// # Errors
    /// When it is not granted, or the answer is no JSON.
    pub async fn get(&self, path: &str) -> Result<Value, RequestError> {
        read(&self.server.read(path).await?)
    }

    /// Reads what is at a path and need not be JSON: a log, a version.
    ///
    /// # Errors
    /// When it is not granted.
    pub async fn text(&self, path: &str) -> Result<Bytes, RequestError> {
        Ok(self.server.read(path).await?)
    }

    /// Creates what is described, which may be a question (a review).
    ///
    /// # Errors
    /// When it is not granted, or the answer is no JSON.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, RequestError> {
        let body = object.to_string().into_bytes();
        let answer = self.server.send(Method::POST, path, JSON, body).await?;
        read(&answer)
    }

    /// Puts an object in force by server-side apply, taking what others had set of it.
    ///
    /// # Errors
    /// When it is not granted.
    pub async fn apply(
        &self,
        path: &str,
        manager: &str,
        object: &Value,
    ) -> Result<Value, RequestError> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        let body = object.to_string().into_bytes();
        let sent = self
            .server
            .send(Method::PATCH, &path, "application/apply-patch+yaml", body);
        read(&sent.await?)
    }

    /// Deletes an object, and in the background what it owns.
    ///
    /// # Errors
    /// When it is not granted, [`RequestError::Missing`] when there is none.
    pub async fn delete(&self, path: &str) -> Result<(), RequestError> {
        let body = br#"{"propagationPolicy":"Background"}"#.to_vec();
        self.server.send(Method::DELETE, path, JSON, body).await?;
        Ok(())
    }
}

fn read(answer: &Bytes) -> Result<Value, RequestError> {
    let read = serde_json::from_slice(answer);
    read.map_err(|error| Fault::unreadable(&error).into())
}
