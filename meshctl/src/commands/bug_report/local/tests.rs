use super::*;

fn folder() -> (tempfile::TempDir, StateDir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = StateDir::locate(Some(&folder.path().join("mesh"))).unwrap();
    drop(dir.clone().hold().unwrap());
    (folder, dir)
}

#[test]
fn of_a_log_the_last_lines_are_read() {
    let (_folder, dir) = folder();
    dir.write("logs/a.log", b"one\ntwo\nthree").unwrap();
    let path = dir.path("logs/a.log");
    assert_eq!(read(&path, 2).unwrap().unwrap(), "two\nthree");
    assert_eq!(read(&path, 9).unwrap().unwrap(), "one\ntwo\nthree");
    assert_eq!(read(&dir.path("logs/b.log"), 9).unwrap(), None);
}

#[test]
fn logs_that_a_mesh_has_left_are_those_of_its_proxies_alone() {
    let (_folder, dir) = folder();
    for name in ["web-0.log", "web-0.app.log", "pilot.log", "web-0.log.old"] {
        dir.write(format!("logs/{name}"), b"x").unwrap();
    }
    let items = left_behind(&dir, 1);
    let paths: Vec<&str> = items.iter().map(Item::path).collect();
    assert_eq!(
        paths,
        ["proxies/web-0/log.txt", "proxies/web-0/log.old.txt"]
    );
}

#[test]
fn neither_tokens_nor_keys_of_the_state_folder_are_files_of_a_report() {
    let (_folder, dir) = folder();
    dir.write("tokens/web.token", b"secret").unwrap();
    dir.write("ca/ca-key.pem", b"secret").unwrap();
    let scope = Scope::new(&[], None, &[], "istio-system").unwrap();
    let mut items = control_plane(&dir, None, 1);
    items.extend(objects(&dir, &scope).unwrap());
    items.extend(left_behind(&dir, 1));
    let all: Vec<&str> = items.iter().map(Item::path).collect();
    let wrong = |path: &&&str| path.contains("token") || path.contains("key");
    assert_eq!(all.iter().find(wrong), None, "{all:?}");
}
