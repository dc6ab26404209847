use super::*;
use crate::ui::Color;

#[test]
fn what_is_wrong_is_followed_by_reason_and_hint() {
    let mut report = Report::default();
    let category = report.category("control plane");
    category.good("pilot is ready");
    category.unless(
        "citadel is ready",
        &["0 of 1 pods".to_owned()],
        "look at its log",
    );
    category.better_unless("versions agree", &["pilot: 0.2.0".to_owned()], "upgrade");
    assert_eq!(
        report.text(&Ui::new(Color::Never)),
        "control plane\n-------------\n√ pilot is ready\n× citadel is ready\n    0 of 1 pods\n    \
         hint: look at its log\n‼ versions agree\n    pilot: 0.2.0\n    hint: upgrade\n\n\
         Status check results are ×"
    );
    let json = report.to_json();
    assert_eq!(json["success"], false);
    let first =
        json!({"description": "pilot is ready", "result": "success", "error": "", "hint": ""});
    assert_eq!(json["categories"][0]["checks"][0], first);
    assert_eq!(report.verdict().unwrap_err().error, "1 check failed");
}

#[test]
fn a_warning_alone_is_no_failure() {
    let mut report = Report::default();
    report.category("a").warning("b", "c", "d");
    assert!(
        report
            .text(&Ui::new(Color::Never))
            .ends_with("results are ‼")
    );
    assert_eq!(report.verdict(), Ok(()));
}
