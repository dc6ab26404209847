use std::time::Duration;

use mesh_proto::Any;
use prometheus::Registry;

use super::*;

const LONG: Duration = Duration::from_secs(30);

fn mk_upsert(kind: Kind, name: &str) -> (Kind, Upsert) {
    let upsert = Upsert {
        name: name.into(),
        version: "1".into(),
        any: Any {
            type_url: kind.type_url().into(),
            value: Vec::new(),
        },
    };
    (kind, upsert)
}

fn left(folder: &Path, tasks: &Tasks) -> Vec<(Kind, Upsert)> {
    Cache::open(folder, "node", tasks).unwrap().1
}

#[tokio::test]
async fn secrets_do_not_reach_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new(&Registry::new());
    let (mut cache, _) = Cache::open(folder.path(), "node", &tasks).unwrap();
    let cluster = mk_upsert(Kind::Cluster, "c");
    let secret = mk_upsert(Kind::Secret, "a-name-of-its-own");
    cache.note(vec![secret, cluster.clone()], Vec::new());
    cache.is_whole();
    drop(cache);
    assert!(tasks.stop(LONG).await);
    let tasks = Tasks::new(&Registry::new());
    assert_eq!(left(folder.path(), &tasks), [cluster]);
    assert!(tasks.stop(LONG).await);
    let bytes = std::fs::read(folder.path().join("config")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("a-name-of-its-own"));
}

#[test]
fn a_disk_that_does_not_keep_up_leaves_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), "node").unwrap();
    let (sender, changes) = mpsc::channel(1);
    let mut cache = Cache {
        changes: Some(sender),
        lost: Arc::default(),
        whole: false,
    };
    let lost = cache.lost.clone();
    cache.is_whole();
    cache.note(vec![mk_upsert(Kind::Cluster, "c")], Vec::new());
    // Nobody has written yet, so that was one too many.
    keep(journal, changes, &lost);
    assert!(!folder.path().join("config").exists());
}

#[tokio::test]
async fn a_folder_that_is_none_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tasks = Tasks::new(&Registry::new());
    let error = Cache::open(file.path(), "node", &tasks).err().unwrap();
    let named = format!("--config-cache {}", file.path().display());
    assert_eq!(error.to_string(), named);
}
