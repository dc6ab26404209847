//! Applications of the journeys: mesh-pod behind a Service.

use serde_json::{Value, json};

use crate::world::{POD_IMAGE, World};

/// A Deployment of mesh-pod and its Service, both of one name.
#[derive(Debug, Clone)]
pub(crate) struct App {
    namespace: String,
    name: String,
    version: String,
    replicas: u32,
    annotations: Value,
    labels: Value,
    /// Another program than mesh-pod: its image and what it is told.
    program: Option<(String, Vec<String>)>,
}

impl App {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            version: "v1".to_owned(),
            replicas: 1,
            // What a test asks for does not pass the sidecar.
            annotations: json!({"traffic.sidecar.istio.io/excludeInboundPorts": "9999"}),
            labels: json!({}),
            program: None,
        }
    }

    /// Another program in its place, which must serve on port 8080.
    pub(crate) fn program(mut self, image: &str, words: &[&str]) -> Self {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.program = Some((image.to_owned(), words));
        self
    }

    pub(crate) fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    pub(crate) fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations[name] = value.into();
        self
    }

    pub(crate) fn label(mut self, name: &str, value: &str) -> Self {
        self.labels[name] = value.into();
        self
    }

    /// The pods' template.
    pub(crate) fn template(&self) -> Value {
        let mut labels = json!({"app": self.name, "version": self.version});
        for (name, value) in self.labels.as_object().unwrap() {
            labels[name] = value.clone();
        }
        let mut container = container(&self.version);
        if let Some((image, words)) = &self.program {
            container["image"] = image.as_str().into();
            container["args"] = json!(words);
        }
        json!({
            "metadata": {"labels": labels, "annotations": self.annotations},
            "spec": {"containers": [container]},
        })
    }

    /// The Service of that name.
    pub(crate) fn service(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"selector": {"app": self.name}, "ports": [
                {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "tcp-echo", "port": 8081},
                {"name": "tcp-greeter", "port": 8082},
            ]},
        })
    }

    /// Applies both and does not wait.
    #[track_caller]
    pub(crate) fn apply(&self, world: &World) {
        world.cluster.apply(&self.service());
        world.cluster.apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": {"app": self.name}},
                "template": self.template(),
            },
        }));
    }

    /// Applies both and waits until it serves.
    #[track_caller]
    pub(crate) fn deploy(&self, world: &World) {
        self.apply(world);
        world.rolled_out(&self.namespace, &format!("deployment/{}", self.name));
    }
}

/// The container of mesh-pod as a server, ready when it serves.
pub(crate) fn container(version: &str) -> Value {
    json!({
        "name": "app",
        "image": POD_IMAGE,
        "args": ["serve"],
        "env": [{"name": "VERSION", "value": version}],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    })
}
