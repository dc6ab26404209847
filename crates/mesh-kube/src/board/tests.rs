use super::*;
use crate::watched::{self, Scope};

const KINDS: [&str; 3] = ["Service", "Pod", "VirtualService"];

fn board() -> Board {
    let all = watched::all(&Scope::default());
    let find = |kind| {
        all.iter()
            .find(|one| one.kind.kind == kind)
            .cloned()
            .unwrap()
    };
    Board::new("https://server/".to_owned(), KINDS.map(find).to_vec())
}

fn report(number: usize) -> Report {
    Report {
        number,
        events: Vec::new(),
        settled: false,
        trouble: None,
    }
}

fn settled(number: usize) -> Report {
    Report {
        settled: true,
        ..report(number)
    }
}

fn trouble(number: usize, trouble: Option<Trouble>) -> Report {
    Report {
        trouble: Some(trouble.map(|trouble| (trouble, Vec::new()))),
        ..report(number)
    }
}

fn away() -> Option<Trouble> {
    Some(Trouble::Unreachable("connection refused".to_owned()))
}

fn told(board: &mut Board, report: Report) -> Vec<String> {
    let mut events = Vec::new();
    board.on(report, &mut events);
    let line = |event| match event {
        Event::Broken { diagnostics, .. } => diagnostics[0].to_string(),
        Event::Mended { origin } => format!("mended {origin}"),
        other => format!("{other:?}"),
    };
    events.into_iter().map(line).collect()
}

#[test]
fn synced_is_said_once_when_every_kind_has_been_listed() {
    let mut board = board();
    assert_eq!(told(&mut board, settled(0)), [""; 0]);
    assert_eq!(told(&mut board, settled(0)), [""; 0]);
    assert_eq!(told(&mut board, settled(2)), [""; 0]);
    assert_eq!(told(&mut board, settled(1)), ["Synced"]);
    assert_eq!(told(&mut board, settled(1)), [""; 0]);
}

#[test]
fn events_come_before_what_says_that_they_are_all() {
    let mut board = board();
    told(&mut board, settled(0));
    told(&mut board, settled(1));
    let key = ResourceKey {
        group: "".into(),
        kind: "Pod".into(),
        namespace: "n".into(),
        name: "a".into(),
    };
    let mut events = Vec::new();
    let last = Report {
        events: vec![Event::Delete(key.clone())],
        ..settled(2)
    };
    board.on(last, &mut events);
    assert_eq!(events, [Event::Delete(key), Event::Synced]);
}

#[test]
fn a_server_that_is_away_is_one_sentence() {
    let mut board = board();
    let said = "Kubernetes API server https://server/: cannot be reached: connection refused; \
                what was known of the cluster stays in force until it is back";
    assert_eq!(told(&mut board, trouble(0, away())), [said]);
    assert_eq!(told(&mut board, trouble(1, away())), [""; 0]);
    assert_eq!(told(&mut board, trouble(0, None)), [""; 0]);
    let back = "mended Kubernetes API server https://server/";
    assert_eq!(told(&mut board, trouble(1, None)), [back]);
}

#[test]
fn a_missing_permission_names_kind_verb_and_rule() {
    let mut board = board();
    let forbidden = Some(Trouble::Forbidden { verb: "list" });
    let said = "Kubernetes virtualservices.networking.istio.io: may not be read: this account has no \
                permission to list them; bind a ClusterRole with the rule {apiGroups: \
                [\"networking.istio.io\"], resources: [\"virtualservices\"], verbs: [\"get\", \"list\", \
                \"watch\"]}";
    assert_eq!(told(&mut board, trouble(2, forbidden.clone())), [said]);
    assert_eq!(told(&mut board, trouble(2, forbidden)), [""; 0]);
    let back = "mended Kubernetes virtualservices.networking.istio.io";
    assert_eq!(told(&mut board, trouble(2, None)), [back]);
}

#[test]
fn a_kind_of_the_mesh_that_is_not_installed_is_no_fault() {
    let mut board = board();
    assert_eq!(
        told(&mut board, trouble(2, Some(Trouble::Missing))),
        [""; 0]
    );
    assert_eq!(told(&mut board, trouble(2, None)), [""; 0]);
    let said = "Kubernetes services: are not served by the API server";
    assert_eq!(told(&mut board, trouble(0, Some(Trouble::Missing))), [said]);
}

#[test]
fn another_trouble_of_a_kind_takes_the_place_of_the_first() {
    let mut board = board();
    let refused = |text: &str| {
        Some(Trouble::Refused {
            code: 500,
            text: text.to_owned(),
        })
    };
    let said = "Kubernetes pods: cannot be read: the API server answers 500 no";
    assert_eq!(told(&mut board, trouble(1, refused("no"))), [said]);
    let mended = "mended Kubernetes pods";
    let lost = told(&mut board, trouble(1, away()));
    assert_eq!((lost.len(), lost[0].as_str()), (2, mended));
}
