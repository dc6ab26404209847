use std::time::{Duration, Instant, UNIX_EPOCH};

use mesh_api::Object;
use mesh_api::decode::objects;
use mesh_model::time::TestClock;

use super::{Opening, Store, stamped};
use crate::embedded::state_dir::{Held, StateDir};

fn mk_dir() -> (tempfile::TempDir, Held) {
    let parent = tempfile::tempdir().unwrap();
    let held = StateDir::locate(Some(&parent.path().join("mesh")))
        .unwrap()
        .hold()
        .unwrap();
    (parent, held)
}

fn mk_gateway(name: &str, host: &str) -> Object {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec: {{servers: [{{hosts: [{host}]}}]}}"
    );
    objects("test.yaml", &text).0.remove(0)
}

#[expect(clippy::disallowed_methods, reason = "a test clock starts somewhere")]
fn mk_clock() -> TestClock {
    TestClock::starting_at(Instant::now(), UNIX_EPOCH + Duration::from_secs(86_400))
}

fn names(held: &Held) -> Vec<String> {
    let store = Store::config(&held.dir).unwrap();
    store
        .objects()
        .map(|object| object.key.name.to_string())
        .collect()
}

#[test]
fn objects_are_put_found_and_taken_out() {
    let (_parent, held) = mk_dir();
    let mut store = Store::config(&held.dir).unwrap();
    let web = mk_gateway("web", "a.com");
    store.put(&web).unwrap();
    assert!(held.dir.path("config/gateway.default.web.yaml").is_file());
    assert!(
        Store::config(&held.dir)
            .unwrap()
            .find(&web.key)
            .unwrap()
            .same_content(&web)
    );
    assert!(store.take_out(&web.key).unwrap());
    assert!(!store.take_out(&web.key).unwrap());
    assert_eq!(names(&held), Vec::<String>::new());
}

#[test]
fn an_object_in_a_file_made_by_hand_is_changed_there_and_its_neighbours_stay() {
    let (_parent, held) = mk_dir();
    let (one, two) = (mk_gateway("one", "a.com"), mk_gateway("two", "b.com"));
    let text = mesh_api::emit::to_yaml_stream([&one.value, &two.value]).unwrap();
    std::fs::write(held.dir.path("config/mine.yaml"), text).unwrap();
    let mut store = Store::config(&held.dir).unwrap();
    store.put(&mk_gateway("one", "c.com")).unwrap();
    let read = Store::config(&held.dir).unwrap();
    assert_eq!(read.objects().count(), 2);
    assert!(
        read.find(&one.key)
            .unwrap()
            .same_content(&mk_gateway("one", "c.com"))
    );
    assert!(read.find(&two.key).unwrap().same_content(&two));
}

#[test]
fn a_file_with_something_unreadable_is_not_rewritten() {
    let (_parent, held) = mk_dir();
    let text = format!(
        "{}---\nbad: [\n",
        mesh_api::emit::to_yaml(&mk_gateway("web", "a.com").value).unwrap()
    );
    let path = held.dir.path("config/mine.yaml");
    std::fs::write(&path, &text).unwrap();
    let refused = Store::config(&held.dir)
        .unwrap()
        .take_out(&mk_gateway("web", "a.com").key);
    assert!(
        refused
            .unwrap_err()
            .error
            .contains("beside what cannot be read")
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_apply_left_stays_for_the_next_run_and_what_up_loaded_goes() {
    let (_parent, held) = mk_dir();
    let clock = mk_clock();
    let (loaded, applied) = (
        mk_gateway("loaded", "a.com"),
        mk_gateway("applied", "b.com"),
    );
    let begin = |new: &[Object], fresh: bool| {
        let opening = Opening::of(&held.dir, new, fresh).unwrap();
        let stay = opening.stay().to_vec();
        opening.carry_out(&clock).unwrap();
        stay
    };
    begin(&[loaded], false);
    Store::config(&held.dir).unwrap().put(&applied).unwrap();
    let stayed = begin(&[mk_gateway("other", "c.com")], false);
    assert_eq!(stayed.len(), 1);
    assert!(stayed[0].same_content(&applied));
    assert_eq!(names(&held), ["applied", "other"]);
    begin(&[], true);
    assert_eq!(names(&held), Vec::<String>::new());
}

#[test]
fn a_changed_object_keeps_its_age_and_counts_its_changes() {
    let clock = mk_clock();
    let first = stamped(&mk_gateway("web", "a.com"), None, &clock);
    clock.advance(Duration::from_secs(60));
    let second = stamped(&mk_gateway("web", "b.com"), Some(&first), &clock);
    let meta = &second.value["metadata"];
    assert_eq!(meta["creationTimestamp"], "1970-01-02T00:00:00Z");
    assert_eq!(meta["generation"], 2);
}
