use std::future::{pending, ready};

use super::super::archive::tests::unpacked;
use super::*;
use crate::ui::Color;

fn file(path: &str, form: Form, text: &str) -> Item<'static> {
    let bytes = Bytes::from(text.to_owned());
    Item::new(path, form, ready(Ok(Some(bytes))))
}

fn collection<'a>(
    ui: &'a Ui,
    end: impl Future<Output = &'static str> + 'a,
) -> Collection<'a, Vec<u8>> {
    Collection::new(Archive::new(Vec::new(), 0), "r", ui, end)
}

#[tokio::test]
async fn what_fails_is_noted_beside_what_does_not() {
    let ui = Ui::new(Color::Never);
    let mut collection = collection(&ui, pending());
    let failed = ready(Err(CommandError::unreachable("pod n/a: token=abc refused")));
    let items = vec![
        file("a.json", Form::Page, r#"{"password":"x","b":1}"#),
        Item::new("b.txt", Form::Page, failed),
        Item::new("none.log", Form::Log, ready(Ok(None))),
        file("c.log", Form::Log, "token=abc\n"),
        file("d.yaml", Form::Objects, r#"{"items":[]}"#),
        file("e.yaml", Form::Objects, r#"{"items":[{"kind":"Service"}]}"#),
    ];
    collection.part("things", items).await.unwrap();
    let (bytes, files, missing) = collection.finish(json!({"a": 1})).unwrap();
    let (paths, contents) = unpacked(&bytes);
    let wanted = [
        "r/a.json",
        "r/c.log",
        "r/e.yaml",
        "r/missing.txt",
        "r/summary.json",
    ];
    let mut sorted = paths;
    sorted.sort();
    assert_eq!(sorted, wanted);
    assert_eq!((files, missing.len()), (5, 1));
    assert!(contents.contains("b.txt: pod n/a: token=[redacted] refused"));
    assert!(contents.contains("\"complete\": false"));
    assert!(!contents.contains("abc"), "{contents}");
}

#[tokio::test]
async fn when_time_is_up_what_was_not_asked_is_named() {
    let ui = Ui::new(Color::Never);
    let mut collection = collection(&ui, ready("time was up"));
    let never = Item::new("a", Form::Page, pending());
    collection.part("things", vec![never]).await.unwrap();
    let waited: Option<()> = collection.wait("proxies", pending()).await;
    assert_eq!(waited, None);
    let (_, _, missing) = collection.finish(Value::Null).unwrap();
    let paths: Vec<&str> = missing.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["a", "proxies"]);
    assert!(missing.iter().all(|one| one.why == "time was up"));
}

#[tokio::test]
async fn of_a_large_log_the_end_is_kept_and_of_a_large_page_the_beginning() {
    let ui = Ui::new(Color::Never);
    let mut collection = collection(&ui, pending());
    let large = format!("first{}last", "é".repeat(FILE / 2));
    let items = vec![
        file("a.log", Form::Log, &large),
        file("b.txt", Form::Page, &large),
    ];
    collection.part("things", items).await.unwrap();
    let (bytes, _, missing) = collection.finish(Value::Null).unwrap();
    let (_, contents) = unpacked(&bytes);
    assert_eq!(missing.len(), 2);
    assert_eq!(contents.matches("first").count(), 1);
    assert_eq!(contents.matches("last").count(), 1);
    assert!(contents.len() < 2 * FILE + 4096);
}

#[test]
fn the_archive_is_full_at_its_bound() {
    let ui = Ui::new(Color::Never);
    let mut collection = collection(&ui, pending());
    collection.room = 4;
    collection.take("a", Form::Log, b"four").unwrap();
    collection.take("b", Form::Log, b"x").unwrap();
    let (_, files, missing) = collection.finish(Value::Null).unwrap();
    assert_eq!((files, missing.len()), (3, 1));
    assert_eq!(missing[0].path, "b");
}
