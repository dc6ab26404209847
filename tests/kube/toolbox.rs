//! The image and the pods of these tests, which run cluster/toolbox: a server, a client, and no more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;

/// Its image, once it is [packed].
const IMAGE: &str = "localhost/toolbox:1";
/// The file /page of the image.
pub(crate) const PAGE: &str = "served by a pod\n";

/// Packs the image for a cluster.
#[track_caller]
pub(crate) fn pack(cluster: &Cluster) {
    let folder = TempDir::new().unwrap();
    std::fs::copy(cluster.program("toolbox"), folder.path().join("toolbox")).unwrap();
    std::fs::write(folder.path().join("page"), PAGE).unwrap();
    cluster.image(IMAGE, folder.path(), &["/toolbox"]);
}

/// A pod that runs one of its programs.
pub(crate) fn pod(namespace: &str, name: &str, program: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "toolbox", "image": IMAGE, "args": program}],
        },
    })
}

/// A pod that serves [`PAGE`] on port 8080, and is ready when it does.
pub(crate) fn server(namespace: &str, name: &str) -> Value {
    let mut pod = pod(namespace, name, &["serve", "8080", "/page"]);
    let probe = json!({"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1});
    let container = pod.pointer_mut("/spec/containers/0").unwrap();
    let fields = container.as_object_mut().unwrap();
    fields.insert("readinessProbe".to_owned(), probe);
    pod
}

/// A pod in which others run programs.
pub(crate) fn idle(namespace: &str, name: &str) -> Value {
    pod(namespace, name, &["wait"])
}

/// What a server answers the host.
pub(crate) fn get(address: &str) -> std::io::Result<String> {
    let address = address.parse().map_err(std::io::Error::other)?;
    let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
