use serde_json::json;

use super::*;

#[test]
fn a_page_has_its_objects_and_the_way_on() {
    let text = json!({"kind": "PodList", "metadata": {"resourceVersion": "7", "continue": "next",
        "remainingItemCount": 3}, "items": [{"metadata": {"name": "a"}}]});
    let read = page(text.to_string().as_bytes(), &Keep::All).unwrap();
    let expected = Page {
        version: "7".to_owned(),
        token: Some("next".to_owned()),
        items: vec![json!({"metadata": {"name": "a"}})],
    };
    assert_eq!(read, expected);
}

#[test]
fn the_last_page_has_no_token_and_may_have_no_objects() {
    for text in [
        r#"{"metadata":{"resourceVersion":"7","continue":""},"items":null}"#,
        r#"{"items":[],"metadata":{"resourceVersion":"7"}}"#,
    ] {
        let read = page(text.as_bytes(), &Keep::All).unwrap();
        assert_eq!(
            (read.version.as_str(), read.token, read.items.len()),
            ("7", None, 0)
        );
    }
}

#[test]
fn lines_of_a_watch_are_told_apart() {
    let object = json!({"metadata": {"resourceVersion": "8"}});
    let check = |kind: &str, expected: Line| {
        // The order of members is the server's affair.
        for text in [
            format!(r#"{{"type":"{kind}","object":{object}}}"#),
            format!(r#"{{"object":{object},"type":"{kind}"}}"#),
        ] {
            assert_eq!(
                line(text.as_bytes(), &Keep::All),
                Ok(expected_of(&expected)),
                "{text}"
            );
        }
    };
    check("ADDED", Line::Applied(object.clone()));
    check("MODIFIED", Line::Applied(object.clone()));
    check("DELETED", Line::Deleted(object.clone()));
    check("BOOKMARK", Line::Bookmark(object.clone()));
    check("SOMETHING", Line::Unknown);
    let gone = br#"{"type":"ERROR","object":{"code":410}}"#;
    assert_eq!(line(gone, &Keep::Nothing), Ok(Line::Failed(Fault::Gone)));
}

fn expected_of(line: &Line) -> Line {
    match line {
        Line::Applied(value) => Line::Applied(value.clone()),
        Line::Deleted(value) => Line::Deleted(value.clone()),
        Line::Bookmark(value) => Line::Bookmark(value.clone()),
        Line::Failed(fault) => Line::Failed(fault.clone()),
        Line::Unknown => Line::Unknown,
    }
}

#[test]
fn half_a_line_is_a_fault_and_no_event() {
    let text = br#"{"type":"ADDED","object":{"metadata":{"na"#;
    assert!(matches!(
        line(text, &Keep::All),
        Err(Fault::Refused { code: 0, .. })
    ));
    assert!(matches!(
        page(text, &Keep::All),
        Err(Fault::Refused { code: 0, .. })
    ));
}

#[test]
fn the_version_is_taken_out_of_the_object() {
    let mut object = json!({"metadata": {"name": "a", "resourceVersion": "8"}});
    assert_eq!(take_version(&mut object).as_deref(), Some("8"));
    assert_eq!(object, json!({"metadata": {"name": "a"}}));
    assert_eq!(take_version(&mut object), None);
}

#[test]
fn what_is_no_list_is_not_taken_for_an_empty_one() {
    for text in [
        "{}",
        r#"{"items":[]}"#,
        r#"{"metadata":{"resourceVersion":""},"items":[]}"#,
    ] {
        assert!(page(text.as_bytes(), &Keep::All).is_err(), "{text}");
    }
}
