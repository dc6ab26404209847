//! Real folders and real inotify; every wait is on the watch channel.

use std::time::Duration;

use mesh_runtime::Tasks;
use prometheus::Registry;
use tokio::sync::watch;

use super::*;
use crate::{Snapshot, State, start};

/// Long enough for a machine under load; a test that passes never waits so long.
const DEADLINE: Duration = Duration::from_secs(30);

struct Mesh {
    state: tempfile::TempDir,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    _tasks: Tasks,
}

impl Mesh {
    fn start(files: &[(&str, &str)]) -> Self {
        let state = tempfile::tempdir().unwrap();
        for dir in ["config", "cluster"] {
            std::fs::create_dir(state.path().join(dir)).unwrap();
        }
        for (name, text) in files {
            std::fs::write(state.path().join(name), text).unwrap();
        }
        let tasks = Tasks::new(&Registry::new());
        let dirs = ["config", "cluster"].map(|dir| state.path().join(dir));
        let snapshots = start(dirs, &tasks).unwrap();
        Self {
            state,
            snapshots,
            _tasks: tasks,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// As the supervisor writes: elsewhere first, then by rename.
    fn put(&self, name: &str, text: &str) {
        self.write("new", text);
        std::fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// Waits for service accounts `names` with their states, in the order of their names.
    async fn expect(&mut self, expected: &[(&str, State)]) -> Arc<Snapshot> {
        let expected: Vec<(String, State)> = expected
            .iter()
            .map(|(name, state)| ((*name).to_owned(), *state))
            .collect();
        let mut last = Vec::new();
        let fits = self.snapshots.wait_for(|snapshot| {
            last = states(snapshot);
            last == expected
        });
        match tokio::time::timeout(DEADLINE, fits).await {
            Ok(fits) => fits.unwrap().clone(),
            Err(_) => panic!("expected {expected:?}, at last {last:?}"),
        }
    }
}

fn states(snapshot: &Snapshot) -> Vec<(String, State)> {
    let states = snapshot.states.iter();
    states
        .map(|(key, state)| (key.name.as_str().to_owned(), state.state))
        .collect()
}

fn account(name: &str) -> String {
    format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n")
}

const IN_FORCE: State = State::InForce;

#[tokio::test]
async fn the_first_snapshot_is_complete() {
    let mesh = Mesh::start(&[
        ("config/a.yaml", &account("a")),
        (
            "cluster/b.json",
            r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}"#,
        ),
        ("config/c.yml", &account("c")),
    ]);
    let snapshot = mesh.snapshots.borrow().clone();
    assert_eq!(snapshot.version, 1);
    assert_eq!(snapshot.resources.service_accounts.len(), 2);
    assert_eq!(snapshot.resources.namespaces.len(), 1);
}

#[tokio::test]
async fn files_that_come_change_and_go_are_seen() {
    let mut mesh = Mesh::start(&[]);
    mesh.put("config/a.yaml", &account("a"));
    mesh.expect(&[("a", IN_FORCE)]).await;
    mesh.put(
        "config/a.yaml",
        &format!("{}---\n{}", account("a"), account("b")),
    );
    mesh.expect(&[("a", IN_FORCE), ("b", IN_FORCE)]).await;
    mesh.put("cluster/c.yaml", &account("c"));
    mesh.expect(&[("a", IN_FORCE), ("b", IN_FORCE), ("c", IN_FORCE)])
        .await;
    std::fs::remove_file(mesh.path("config/a.yaml")).unwrap();
    mesh.expect(&[("c", IN_FORCE)]).await;
    std::fs::rename(mesh.path("cluster/c.yaml"), mesh.path("away")).unwrap();
    mesh.expect(&[]).await;
}

#[tokio::test]
async fn a_file_written_in_place_is_seen_whole() {
    use std::io::Write;
    let mut mesh = Mesh::start(&[("config/a.yaml", &account("a"))]);
    let mut file = std::fs::File::create(mesh.path("config/a.yaml")).unwrap();
    file.write_all(b"apiVersion: v1\nkind: ServiceAccount\n")
        .unwrap();
    // A neighbour's change is told meanwhile, and `a` is as it was.
    mesh.put("config/b.yaml", &account("b"));
    let snapshot = mesh.expect(&[("a", IN_FORCE), ("b", IN_FORCE)]).await;
    assert!(snapshot.broken.is_empty());
    file.write_all(b"metadata: {name: c}\n").unwrap();
    drop(file);
    let snapshot = mesh.expect(&[("b", IN_FORCE), ("c", IN_FORCE)]).await;
    assert!(snapshot.broken.is_empty());
}

#[tokio::test]
async fn a_broken_file_is_set_aside_and_its_neighbours_are_not() {
    let mut mesh = Mesh::start(&[("config/a.yaml", &account("a"))]);
    mesh.put("config/a.yaml", "apiVersion: [");
    let snapshot = mesh.expect(&[("a", State::LastGood)]).await;
    assert_eq!(snapshot.resources.service_accounts.len(), 1);
    let (origin, found) = snapshot.broken.first_key_value().unwrap();
    assert!(origin.ends_with("config/a.yaml"), "{origin}");
    assert!(
        found[0].origin.ends_with("config/a.yaml document 1 line 1"),
        "{found:?}"
    );
    mesh.put("config/b.yaml", &account("b"));
    mesh.expect(&[("a", State::LastGood), ("b", IN_FORCE)])
        .await;
    mesh.put("config/a.yaml", &account("a"));
    mesh.expect(&[("a", IN_FORCE), ("b", IN_FORCE)]).await;
}

#[tokio::test]
async fn a_bad_object_is_set_aside_and_healed() {
    let bad = account("a").replace("metadata", "metdata: {}\nmetadata");
    let bad = bad.replace("{name: a}", "{name: a, labels: {x: 1}}");
    let mut mesh = Mesh::start(&[("config/a.yaml", &bad), ("config/b.yaml", &account("b"))]);
    mesh.expect(&[("a", State::SetAside), ("b", IN_FORCE)])
        .await;
    mesh.put("config/a.yaml", &account("a"));
    mesh.expect(&[("a", IN_FORCE), ("b", IN_FORCE)]).await;
    mesh.put("config/a.yaml", &bad);
    mesh.expect(&[("a", State::LastGood), ("b", IN_FORCE)])
        .await;
}

#[tokio::test]
async fn a_replaced_folder_is_followed() {
    let mut mesh = Mesh::start(&[("config/a.yaml", &account("a"))]);
    std::fs::create_dir(mesh.path("next")).unwrap();
    mesh.write("next/b.yaml", &account("b"));
    std::fs::rename(mesh.path("config"), mesh.path("before")).unwrap();
    // Between the two names everything holds; it depends on the moment whether this is noticed.
    std::fs::rename(mesh.path("next"), mesh.path("config")).unwrap();
    mesh.expect(&[("b", IN_FORCE)]).await;
    // The old folder is nobody's any more, the new one is watched.
    mesh.write("before/z.yaml", &account("z"));
    mesh.put("config/c.yaml", &account("c"));
    mesh.expect(&[("b", IN_FORCE), ("c", IN_FORCE)]).await;
}

#[tokio::test]
async fn a_folder_that_is_gone_holds_until_it_is_back() {
    let mut mesh = Mesh::start(&[("config/a.yaml", &account("a"))]);
    std::fs::rename(mesh.path("config"), mesh.path("before")).unwrap();
    let snapshot = mesh.expect(&[("a", State::LastGood)]).await;
    assert_eq!(snapshot.resources.service_accounts.len(), 1);
    std::fs::create_dir(mesh.path("config")).unwrap();
    mesh.expect(&[]).await;
    mesh.put("config/b.yaml", &account("b"));
    mesh.expect(&[("b", IN_FORCE)]).await;
}

#[tokio::test]
async fn links_that_are_swapped_together_are_seen() {
    let mut mesh = Mesh::start(&[]);
    for (dir, name) in [("..one", "a"), ("..two", "b")] {
        std::fs::create_dir(mesh.path(&format!("config/{dir}"))).unwrap();
        mesh.write(&format!("config/{dir}/x.yaml"), &account(name));
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, mesh.path(name)).unwrap();
    link("..one", "config/..data");
    link("..data/x.yaml", "config/x.yaml");
    link("..two", "config/..new");
    mesh.expect(&[("a", IN_FORCE)]).await;
    std::fs::rename(mesh.path("config/..new"), mesh.path("config/..data")).unwrap();
    mesh.expect(&[("b", IN_FORCE)]).await;
}

#[tokio::test]
async fn a_storm_of_changes_ends_in_the_last_one() {
    let mut mesh = Mesh::start(&[]);
    for round in 0..200 {
        mesh.put("config/a.yaml", &account(&format!("a{round}")));
        mesh.write(
            &format!("config/b{}.yaml", round % 7),
            &account(&format!("b{}", round % 7)),
        );
    }
    let mut expected = vec![("a199".to_owned(), IN_FORCE)];
    expected.extend((0..7).map(|number| (format!("b{number}"), IN_FORCE)));
    let expected: Vec<(&str, State)> = expected
        .iter()
        .map(|(name, state)| (name.as_str(), *state))
        .collect();
    mesh.expect(&expected).await;
}

#[test]
fn a_missing_folder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    let error = FileSource::open([missing.clone()]).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("{} is not a folder", missing.display())
    );
}
