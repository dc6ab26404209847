use super::*;
use crate::testing::call;

fn change(name: &str, value: &str, how: Put) -> Change {
    Change {
        name: name.into(),
        value: value.into(),
        how: How::As(how),
    }
}

fn with(fields: Vec<Change>) -> Changes {
    Changes {
        fields,
        ..Default::default()
    }
}

#[test]
fn fields_are_set_added_and_removed() {
    let mut head = call("GET http://a/\nx-user: mallory\nx-group: a\nauthorization: secret");
    let changes = Changes {
        removed: vec!["authorization".into(), ":path".into(), "host".into()],
        ..with(vec![
            change("x-user", "alice", Put::Overwrite),
            change("x-group", "b", Put::Append),
            change("x-new", "1", Put::IfAbsent),
            change("x-other", "1", Put::OverwriteIfExists),
        ])
    };
    changes.apply(&mut head);
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 4] = [
        ("x-group", b"a"),
        ("x-user", b"alice"),
        ("x-group", b"b"),
        ("x-new", b"1"),
    ];
    assert_eq!(fields, expected);
    assert_eq!((&*head.path, &*head.authority), ("/", "a"));
}

#[test]
fn values_are_joined_to_those_that_are_there() {
    let mut head = call("GET http://a/\nx-a: 1\nx-b: 2\nx-a: 3");
    let joined = |name: &str| Change {
        how: How::Joined,
        ..change(name, "new", Put::Append)
    };
    with(vec![joined("x-a"), joined("x-c")]).apply(&mut head);
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 2] = [("x-b", b"2"), ("x-a", b"1,3,new")];
    assert_eq!(fields, expected);
}

#[test]
fn the_first_line_can_be_set_to_what_can_stand_there() {
    let mut head = call("GET http://a/old");
    let wanted = [
        (":path", "/new?q=1", true),
        (":path", "/no no", false),
        (":path", "none", false),
        (":authority", "b:80", true),
        ("host", "c/d", false),
        (":method", "PUT", true),
        (":method", "P T", false),
    ];
    for (name, value, valid) in wanted {
        let change = change(name, value, Put::Overwrite);
        assert_eq!(change.is_valid(), valid, "{name}: {value}");
        with(vec![change]).apply(&mut head);
    }
    let line = format!("{} {}{}", head.method, head.authority, head.path);
    assert_eq!(line, "PUT b:80/new?q=1");
}

#[test]
fn what_belongs_to_the_connection_stays() {
    let mut head = call("POST http://a/\ncontent-length: 3");
    let changes = Changes {
        removed: vec!["content-length".into()],
        ..with(vec![
            change("content-length", "7", Put::Overwrite),
            change("transfer-encoding", "chunked", Put::Overwrite),
        ])
    };
    changes.apply(&mut head);
    let fields: Vec<_> = head.fields.iter().collect();
    assert_eq!(fields, [("content-length", &b"3"[..])]);
}

#[test]
fn parameters_are_set_and_removed() {
    let query = |path: &str, set: &[(&str, &str)], removed: &[&str]| {
        let mut head = call(&format!("GET http://a{path}"));
        let pairs = set.iter();
        let changes = Changes {
            parameters: pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            removed_parameters: removed.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        changes.apply(&mut head);
        head.path
    };
    assert_eq!(query("/x?a=1&b=2&a=3", &[("a", "4")], &[]), "/x?b=2&a=4");
    assert_eq!(query("/x?token=1&b", &[], &["token"]), "/x?b");
    assert_eq!(query("/x?token=1", &[], &["token"]), "/x");
    assert_eq!(query("/x", &[("a", "1")], &["a"]), "/x");
    assert_eq!(query("/x", &[("a", "1")], &[]), "/x?a=1");
    // What would be two parameters is none.
    assert_eq!(query("/x", &[("a", "1&admin=1"), ("b", "1 2")], &[]), "/x");
}

#[test]
fn a_refusal_has_the_fields_of_the_service_instead_of_ours() {
    let mut head = ResponseHead::default();
    head.fields.append("content-type", "text/plain").unwrap();
    head.fields.append("content-length", "2").unwrap();
    let told = [
        change("content-type", "text/html", Put::Overwrite),
        change("set-cookie", "a", Put::Overwrite),
        change("set-cookie", "b", Put::Overwrite),
        change("content-length", "7", Put::Overwrite),
        change("x-bad", "a\nb", Put::Overwrite),
    ];
    answer(&told, &mut head, None);
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 4] = [
        ("content-length", b"2"),
        ("content-type", b"text/html"),
        ("set-cookie", b"a"),
        ("set-cookie", b"b"),
    ];
    assert_eq!(fields, expected);
}
