use mesh_api::decode;

use super::*;

fn mk_object(text: &str) -> Arc<Object> {
    let (mut objects, found) = decode::objects("test.yaml", text);
    assert_eq!(found, []);
    Arc::new(objects.remove(0))
}

fn upsert(text: &str) -> Event {
    Event::Upsert(mk_object(text))
}

fn virtual_service(host: &str, rest: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\n\
         spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: b}}}}]{rest}}}]}}"
    )
}

const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 80}]}";

/// The states by name, and the hosts of the VirtualServices that are in force.
fn summary(store: &mut Store) -> (Vec<(String, State, usize)>, Vec<String>) {
    let snapshot = store.snapshot();
    let states = snapshot
        .states
        .iter()
        .map(|(key, state)| (key.to_string(), state.state, state.errors().count()));
    let services = snapshot.resources.virtual_services.iter();
    let hosts = services.flat_map(|service| service.spec.hosts.clone());
    (states.collect(), hosts.collect())
}

const KEY: &str = "virtualservice default/a";

#[test]
fn the_last_good_version_of_an_object_holds() {
    let mut store = Store::default();
    let service = ("service default/b".to_owned(), State::InForce, 0);
    store.apply(0, [upsert(SERVICE), upsert(&virtual_service("old", ""))]);
    let good = (
        vec![service.clone(), (KEY.to_owned(), State::InForce, 0)],
        vec!["old".to_owned()],
    );
    assert_eq!(summary(&mut store), good);

    store.apply(0, [upsert(&virtual_service("new", ", fault: {}"))]);
    let held = (
        vec![service.clone(), (KEY.to_owned(), State::LastGood, 1)],
        vec!["old".to_owned()],
    );
    assert_eq!(summary(&mut store), held);

    store.apply(0, [upsert(&virtual_service("new", ""))]);
    let healed = (
        vec![service, (KEY.to_owned(), State::InForce, 0)],
        vec!["new".to_owned()],
    );
    assert_eq!(summary(&mut store), healed);
}

#[test]
fn an_object_that_never_was_good_is_set_aside() {
    let mut store = Store::default();
    store.apply(0, [upsert(&virtual_service("a", ", fault: {}"))]);
    assert_eq!(
        summary(&mut store),
        (vec![(KEY.to_owned(), State::SetAside, 1)], vec![])
    );
}

#[test]
fn what_is_missing_around_an_object_does_not_set_it_aside() {
    let mut store = Store::default();
    store.apply(0, [upsert(&virtual_service("a", ""))]);
    let (states, hosts) = summary(&mut store);
    assert_eq!(states, [(KEY.to_owned(), State::InForce, 1)]);
    assert_eq!(hosts, ["a"]);
    store.apply(0, [upsert(SERVICE)]);
    assert_eq!(
        summary(&mut store).0[1],
        (KEY.to_owned(), State::InForce, 0)
    );
}

#[test]
fn a_deleted_object_leaves_nothing() {
    let mut store = Store::default();
    let object = mk_object(SERVICE);
    store.apply(0, [Event::Upsert(object.clone())]);
    store.apply(0, [Event::Delete(object.key.clone())]);
    assert_eq!(summary(&mut store), (vec![], vec![]));
}

#[test]
fn the_earlier_source_counts_and_the_later_takes_over() {
    let mut store = Store::default();
    store.apply(1, [upsert(&virtual_service("later", ""))]);
    store.apply(
        0,
        [upsert(SERVICE), upsert(&virtual_service("earlier", ""))],
    );
    let (states, hosts) = summary(&mut store);
    assert_eq!(states[1], (KEY.to_owned(), State::InForce, 1));
    assert_eq!(hosts, ["earlier"]);
    store.apply(
        0,
        [Event::Delete(
            mk_object(&virtual_service("earlier", "")).key.clone(),
        )],
    );
    let (states, hosts) = summary(&mut store);
    assert_eq!(states[1], (KEY.to_owned(), State::InForce, 0));
    assert_eq!(hosts, ["later"]);
}

#[test]
fn a_broken_place_marks_what_it_held_until_it_is_mended() {
    let mut store = Store::default();
    let object = mk_object(SERVICE);
    let problem = duplicate(&object.key, &"x".into(), &"y".into());
    let broken = Event::Broken {
        origin: "some.yaml".into(),
        diagnostics: vec![problem.clone()],
        held: vec![object.key.clone()],
    };
    store.apply(0, [Event::Upsert(object.clone()), broken]);
    let snapshot = store.snapshot();
    let state = &snapshot.states[&object.key];
    assert_eq!(
        (state.state, &state.diagnostics),
        (State::LastGood, &vec![problem.clone()])
    );
    assert_eq!(snapshot.broken["some.yaml"], [problem]);
    assert_eq!(snapshot.resources.services.len(), 1);

    store.apply(
        0,
        [Event::Mended {
            origin: "some.yaml".into(),
        }],
    );
    let snapshot = store.snapshot();
    assert_eq!(snapshot.states[&object.key].state, State::InForce);
    assert!(snapshot.broken.is_empty());
}

#[test]
fn versions_grow() {
    let mut store = Store::default();
    assert_eq!((store.snapshot().version, store.snapshot().version), (1, 2));
}
