//! The mesh runs for an ordinary user with an empty home. Needs root, to become that user.

use mesh_tests::{Nobody, Status, fetch};

#[tokio::test]
async fn an_ordinary_user_with_an_empty_home_runs_bookinfo() {
    let nobody = Nobody::new();
    let bookinfo = nobody.bookinfo().to_string_lossy().into_owned();
    let up = nobody.meshctl(&["up", "--detach", "-o", "json", "-f", &bookinfo]);
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let status: Status = serde_json::from_slice(&up.stdout).unwrap();
    let (code, page) = fetch(&format!("{}/productpage", status.ingress.http), &[]).await;
    let down = nobody.meshctl(&["down"]);
    assert!(
        down.status.success(),
        "{}",
        String::from_utf8_lossy(&down.stderr)
    );
    assert_eq!(code, 200);
    assert!(page.contains("The Comedy of Errors"), "{page}");
}
