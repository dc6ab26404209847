//! What a user sends to those who shall say what is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mesh_tests::cluster::success;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::World;

/// `meshctl bug-report` of a mesh in which all is well: every part, and no key.
pub(crate) fn run(world: &World, mesh: &str) {
    let folder = TempDir::new().unwrap();
    let place = folder.path().to_str().unwrap();
    let to = ["-o", "json", "--output-dir", place];
    let made = world.meshctl(&[&["bug-report", "-i", mesh], &to[..]].concat());
    let said: Value = serde_json::from_str(&success(&made)).unwrap();
    assert_eq!(said["complete"], true, "{said:#}");
    let archive = said["archive"].as_str().unwrap();
    let unpack = ["-xzf", archive, "-C", place];
    success(&Command::new("tar").args(unpack).output().unwrap());
    let root = PathBuf::from(archive.strip_suffix(".tar.gz").unwrap());

    let read = |file: &str| fs::read_to_string(root.join(file)).expect(file);
    assert!(read("kubernetes.json").contains("v1.36."));
    assert!(read("analysis/check.txt").contains('√'));
    assert!(read("objects/services.yaml").contains("name: reviews"));
    let page = world.pod("default", "app=productpage");
    let pilot = world.pod(mesh, "app=pilot");
    let gateway = world.pod(mesh, "app=istio-ingressgateway");
    let sync = read(&format!("control-plane/{}/syncz.json", pilot.name));
    assert!(sync.contains(&page.name), "{sync}");
    assert!(!read(&format!("control-plane/{}/discovery.log", pilot.name)).is_empty());
    for (namespace, pod) in [("default", &page), (mesh, &gateway)] {
        for file in ["config_dump.json", "clusters.json", "istio-proxy.log"] {
            let text = read(&format!("proxies/{namespace}/{}/{file}", pod.name));
            assert!(!text.is_empty(), "{file} of {}", pod.name);
        }
    }
    tells_no_secret(world, mesh, &root);
}

/// Neither citadel's key, nor any other.
#[track_caller]
fn tells_no_secret(world: &World, mesh: &str, folder: &Path) {
    let secret = world.object(&["secret", "istio-ca-secret", "-n", mesh]);
    let key = secret["data"]["ca-key.pem"].as_str().unwrap();
    let files = success(
        &Command::new("find")
            .arg(folder)
            .args(["-type", "f"])
            .output()
            .unwrap(),
    );
    assert!(files.lines().count() > 50, "{files}");
    for file in files.lines() {
        let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        for told in [key, "PRIVATE KEY-----\n"] {
            assert!(!text.contains(told), "{file} tells a key");
        }
    }
}
