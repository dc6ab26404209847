//! What Istio's mesh configuration (`meshConfigFile`, ConfigMap `istio`) says about sidecars.
//!
//! Most of it is for pilot and passes unread; `defaultConfig` is what `proxy.istio.io/config` is of
//! one pod.

use mesh_api::decode::documents;
use serde_json::Value;

use super::Settings;
use crate::annotations::proxy_config;

/// A mesh configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMeshConfig {
    /// The field, or the line.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for BadMeshConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for BadMeshConfig {}

impl Settings {
    /// The settings as the mesh's configuration changes them; the second value names what of its
    /// `defaultConfig` has no effect.
    ///
    /// # Errors
    /// [`BadMeshConfig`] with the field that cannot be used.
    pub fn with_mesh_config(mut self, text: &str) -> Result<(Self, Vec<String>), BadMeshConfig> {
        let documents = documents::split(text);
        let Some(document) = documents.first() else {
            return Ok((self, Vec::new()));
        };
        let value = documents::parse(document).map_err(|problem| BadMeshConfig {
            field: format!("line {}", problem.line),
            message: problem.message,
        })?;
        if let Some(domain) = value.get("trustDomain") {
            self.proxy.trust_domain = text_of("trustDomain", domain)?;
        }
        if let Some(file) = value.get("accessLogFile") {
            let file = text_of("accessLogFile", file)?;
            // Istio's word for the standard output, which mesh-proxy calls so.
            self.proxy.access_log = if file == "/dev/stdout" {
                "-".into()
            } else {
                file
            };
        }
        if let Some(merge) = value.get("enablePrometheusMerge") {
            self.prometheus_merge = merge
                .as_bool()
                .ok_or_else(|| bad("enablePrometheusMerge", "expected true or false"))?;
        }
        let Some(defaults) = value.get("defaultConfig").filter(|value| !value.is_null()) else {
            return Ok((self, Vec::new()));
        };
        let without_effect = proxy_config::apply(&mut self, defaults)
            .map_err(|(field, why)| bad(&format!("defaultConfig.{field}"), &why))?;
        Ok((self, without_effect))
    }
}

fn text_of(field: &str, value: &Value) -> Result<String, BadMeshConfig> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| bad(field, "expected text"))
}

fn bad(field: &str, message: &str) -> BadMeshConfig {
    BadMeshConfig {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}
