//! ConfigMaps that a product keeps in the cluster, by server-side apply.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use crate::access::Cluster;
use crate::request::RequestError;

/// What a ConfigMap of ours says; whatever else others put into it stays theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its name.
    pub name: &'static str,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its entries.
    pub data: BTreeMap<String, String>,
}

impl Cluster {
    /// Sees to it that the ConfigMap is in a namespace as we want it, in the name of `manager`.
    /// Needs the permissions to create and to patch it.
    ///
    /// # Errors
    /// [`RequestError::Missing`] when there is no such namespace, [`RequestError::Forbidden`] also
    /// when it is about to go.
    pub async fn apply_config_map(
        &self,
        namespace: &str,
        wanted: &ConfigMap,
        manager: &'static str,
    ) -> Result<(), RequestError> {
        let ConfigMap { name, labels, data } = wanted;
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "data": data,
        });
        let path = format!(
            "/api/v1/namespaces/{namespace}/configmaps/{name}?fieldManager={manager}&force=true"
        );
        // JSON is YAML; servers before 1.33 know apply by this type alone.
        let kind = "application/apply-patch+yaml";
        let body = object.to_string().into_bytes();
        let applied = self.server.send(Method::PATCH, &path, kind, body).await;
        Ok(applied.map(drop)?)
    }
}
