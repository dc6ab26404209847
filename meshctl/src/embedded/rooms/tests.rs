use super::doors::{Door, of};
use super::*;
use crate::embedded::findings::Texts;
use crate::embedded::manifests::sort;
use crate::embedded::plan::tests::mk_shop_in_namespaces;

#[test]
fn services_are_known_by_the_names_that_kubernetes_gives_them() {
    let plan = mk_shop_in_namespaces();
    let (web, stock) = (&plan.workloads[0], &plan.workloads[2]);
    assert_eq!(
        names::hosts(&plan, web),
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n10.44.1.2 web-v1-0\n\
         10.45.0.11 web.default.svc.cluster.local web.default.svc web.default web\n\
         10.45.0.12 stock.store.svc.cluster.local stock.store.svc stock.store\n"
    );
    let seen = names::hosts(&plan, stock);
    assert!(seen.ends_with(" stock.store stock\n"), "{seen}");
    assert!(names::resolver(stock).starts_with("search store.svc.cluster.local "));
}

#[test]
fn an_alias_is_known_by_the_address_of_its_service() {
    let external = |name: &str, to: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{type: ExternalName, externalName: {to}}}\n---\n"
        )
    };
    let text = external("alias", "stock.store.svc.cluster.local") + &external("out", "example.com");
    let (objects, found) = mesh_api::decode::objects("alias.yaml", &text);
    assert_eq!(found, []);
    let mut plan = mk_shop_in_namespaces();
    plan.services
        .extend(sort(objects, &Texts::default()).0.services);
    let seen = names::hosts(&plan, &plan.workloads[0]);
    let last = "10.45.0.12 alias.default.svc.cluster.local alias.default.svc alias.default alias\n";
    assert!(seen.ends_with(last), "{seen}");
    assert!(!seen.contains("out"), "{seen}");
}

#[test]
fn everything_that_a_status_names_is_a_door() {
    let plan = mk_shop_in_namespaces();
    let doors = of(&plan);
    let find = |at: &str| {
        let at: SocketAddr = at.parse().unwrap();
        let found = doors.iter().find(|door| door.at == at);
        found.map(|door| (door.room, door.to.to_string()))
    };
    let node = |to: &str| Some((Room::Node, to.to_owned()));
    let number = plan.workloads[0].number;
    assert_eq!(find("127.0.0.1:8080"), node("127.0.0.1:8080"));
    assert_eq!(find("127.7.0.11:15014"), node("127.7.0.11:15014"));
    assert_eq!(find("127.7.0.12:42422"), node("127.7.0.12:42422"));
    assert_eq!(find("127.7.1.1:8080"), node("10.44.1.2:8080"));
    let sidecar = Some((Room::Sidecar(number), "127.0.0.1:15000".to_owned()));
    assert_eq!(find("127.7.1.1:15000"), sidecar);
    let app = plan.workloads[0].ports[0].app.to_string();
    let application = Some((Room::Application(number), "127.0.0.1:8080".to_owned()));
    assert_eq!(find(&app), application);
    let mut places: Vec<SocketAddr> = doors.iter().map(|Door { at, .. }| *at).collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), doors.len());
}

#[test]
fn the_flags_of_an_entry_are_read_as_they_are_written() {
    use clap::Parser;
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        entry: Entry,
    }
    let entry = Entry {
        space: Some("/proc/7/fd/9".into()),
        hosts: Some("/a b/hosts".into()),
        resolver: None,
        group: Some(1337),
    };
    let args = entry.args();
    let line = Line::parse_from(std::iter::once("child".to_owned()).chain(args));
    assert_eq!(line.entry, entry);
    assert_eq!(Entry::default().args(), Vec::<String>::new());
}
