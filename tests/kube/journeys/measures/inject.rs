//! `meshctl kube-inject` of a long stream.

use std::fs;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_tests::cluster::success;
use tempfile::TempDir;

use super::Bench;
use super::sheet::Row;
use crate::world::meshctl;

const DOCUMENTS: usize = 1000;
const RUNS: usize = 5;

pub(super) fn run(bench: &Bench) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("stream.yaml");
    let documents = (0..DOCUMENTS).map(document);
    fs::write(&file, documents.collect::<String>()).unwrap();
    let samples = (0..RUNS).map(|_| {
        let start = SystemClock.now();
        let injected = meshctl(&["kube-inject", "-f", file.to_str().unwrap()]);
        let took = SystemClock.now().duration_since(start);
        let injected = success(&injected).matches("name: istio-proxy\n").count();
        assert_eq!(injected, DOCUMENTS);
        took.as_secs_f64() * 1000.0
    });
    let name = "kube-inject of 1,000 documents";
    bench.row(Row::median(name, "ms", samples.collect()));
}

/// A Deployment, as people write them.
fn document(index: usize) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{index}
  labels:
    app: web-{index}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: web-{index}
  template:
    metadata:
      labels:
        app: web-{index}
        version: v1
    spec:
      containers:
      - name: web
        image: registry.example/web:1.0
        ports:
        - containerPort: 8080
        env:
        - name: LEVEL
          value: info
        readinessProbe:
          httpGet:
            path: /ready
            port: 8080
"
    )
}
