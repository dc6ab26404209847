//! The environment variables of Istio's Bookinfo images, read once at the start.

use std::collections::BTreeMap;

/// Port of every service of the sample.
const PORT: u16 = 9080;

/// Every variable that some service of the sample knows.
const NAMES: &[&str] = &[
    "CLUSTER_NAME",
    "DETAILS_HOSTNAME",
    "DETAILS_SERVICE_PORT",
    "DO_NOT_ENCRYPT",
    "ENABLE_EXTERNAL_BOOK_SERVICE",
    "ENABLE_RATINGS",
    "EXTERNAL_BOOK_HOSTNAME",
    "EXTERNAL_BOOK_PORT",
    "FLOOD_FACTOR",
    "HOSTNAME",
    "POD_NAME",
    "RATINGS_HOSTNAME",
    "RATINGS_SERVICE_PORT",
    "REVIEWS_HOSTNAME",
    "REVIEWS_SERVICE_PORT",
    "SERVICES_DOMAIN",
    "SERVICE_VERSION",
    "STAR_COLOR",
];

/// A variable that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}={value:?}: {expected}")]
pub(crate) struct BadVariable {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) expected: &'static str,
}

/// The variables that are set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self::from_lookup(mesh_runtime::settings::environment)
    }

    /// Those that `lookup` knows.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &&'static str| lookup(name).map(|value| (*name, value));
        Self(NAMES.iter().filter_map(set).collect())
    }

    /// The text of a variable, if it is set.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a variable says `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A variable that is a number, or `otherwise`.
    pub(crate) fn number<N: std::str::FromStr>(
        &self,
        name: &str,
        otherwise: N,
    ) -> Result<N, BadVariable> {
        let Some(value) = self.text(name) else {
            return Ok(otherwise);
        };
        value.trim().parse().map_err(|_| BadVariable {
            name: name.to_owned(),
            value: value.to_owned(),
            expected: "a number is expected",
        })
    }

    /// Host and port under which `service` is called: `<SERVICE>_HOSTNAME` and
    /// `<SERVICE>_SERVICE_PORT`, by default the service's name, with `SERVICES_DOMAIN` behind it,
    /// and 9080.
    pub(crate) fn authority(&self, service: &str) -> Result<String, BadVariable> {
        let prefix = service.to_ascii_uppercase();
        let host = self.text(&format!("{prefix}_HOSTNAME")).unwrap_or(service);
        let port = self.number(&format!("{prefix}_SERVICE_PORT"), PORT)?;
        Ok(match self.text("SERVICES_DOMAIN") {
            Some(domain) => format!("{host}.{domain}:{port}"),
            None => format!("{host}:{port}"),
        })
    }

    /// The name of this pod, as its answers show it.
    pub(crate) fn pod_name(&self, service: &str) -> String {
        let known = self.text("POD_NAME").or_else(|| self.text("HOSTNAME"));
        match (known, self.text("SERVICE_VERSION")) {
            (Some(name), _) => name.to_owned(),
            (None, Some(version)) => format!("{service}-{version}"),
            (None, None) => service.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
