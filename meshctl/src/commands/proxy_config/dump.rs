//! Envoy's configuration dump, ours and that of a real Envoy. Pure.

use serde_json::{Value, json};

use crate::plane::kube::text;

/// A configuration dump.
pub(super) struct Dump {
    whole: Value,
}

impl Dump {
    pub(super) fn new(whole: Value) -> Self {
        Self { whole }
    }

    pub(super) fn whole(&self) -> &Value {
        &self.whole
    }

    /// The clusters in force.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &Value> {
        let lists = ["static_clusters", "dynamic_active_clusters"];
        lists
            .into_iter()
            .flat_map(|list| self.entries(list))
            .filter_map(|entry| entry.get("cluster"))
    }

    /// The listeners in force.
    pub(super) fn listeners(&self) -> impl Iterator<Item = &Value> {
        let fixed = self.entries("static_listeners");
        let fixed = fixed.filter_map(|entry| entry.get("listener"));
        let dynamic = self.entries("dynamic_listeners");
        fixed.chain(dynamic.filter_map(|entry| entry.pointer("/active_state/listener")))
    }

    /// The route tables in force.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Value> {
        let lists = ["static_route_configs", "dynamic_route_configs"];
        lists
            .into_iter()
            .flat_map(|list| self.entries(list))
            .filter_map(|entry| entry.get("route_config"))
    }

    /// What the proxy was started with.
    pub(super) fn bootstrap(&self) -> Value {
        let mut configs = self.configs();
        let found = configs.find_map(|config| config.get("bootstrap"));
        found.cloned().unwrap_or_default()
    }

    /// The endpoints of a dump in the form of the page `/clusters?format=json`.
    pub(super) fn statuses(&self) -> Value {
        let lists = ["static_endpoint_configs", "dynamic_endpoint_configs"];
        let entries = lists.into_iter().flat_map(|list| self.entries(list));
        let statuses = entries.filter_map(|entry| entry.get("endpoint_config"));
        let statuses: Vec<Value> = statuses
            .map(|assignment| {
                let localities = assignment.get("endpoints").and_then(Value::as_array);
                let hosts = localities.into_iter().flatten();
                let hosts = hosts.filter_map(|one| one.get("lb_endpoints")?.as_array());
                let hosts: Vec<Value> = hosts.flatten().map(host).collect();
                json!({"name": text(assignment, "/cluster_name"), "host_statuses": hosts})
            })
            .collect();
        json!({ "cluster_statuses": statuses })
    }

    /// What of a list is not in force as it was sent, a line each.
    pub(super) fn refused(&self, list: &str) -> impl Iterator<Item = String> {
        self.entries(list).filter_map(|entry| {
            let why = entry.pointer("/error_state/details")?.as_str()?;
            let at = ["/name", "/cluster/name", "/route_config/name"];
            let name = at.iter().find_map(|at| entry.pointer(at)?.as_str());
            Some(format!("{}: refused: {why}", name.unwrap_or("?")))
        })
    }

    fn configs(&self) -> impl Iterator<Item = &Value> {
        let configs = self.whole.get("configs").and_then(Value::as_array);
        configs.into_iter().flatten()
    }

    fn entries(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.configs()
            .filter_map(move |config| config.get(list)?.as_array())
            .flatten()
    }
}

fn host(endpoint: &Value) -> Value {
    let health = match text(endpoint, "/health_status") {
        "" => "HEALTHY",
        known => known,
    };
    json!({
        "address": endpoint.pointer("/endpoint/address"),
        "health_status": {"eds_health_status": health},
    })
}
