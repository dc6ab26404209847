use std::os::unix::fs::PermissionsExt;

use super::{hex, issue, revoke, revoke_all};
use crate::embedded::plan::Token;
use crate::embedded::state_dir::{Held, StateDir};
use mesh_model::ident::SpiffeId;

fn mk_held(parent: &tempfile::TempDir) -> Held {
    let dir = StateDir::locate(Some(&parent.path().join("mesh"))).unwrap();
    dir.hold().unwrap()
}

fn mk_token(name: &str) -> Token {
    let identity = SpiffeId::parse("spiffe://cluster.local/ns/default/sa/web").unwrap();
    Token {
        name: name.to_owned(),
        identity,
    }
}

#[test]
fn a_token_is_private_and_citadel_knows_only_its_hash() {
    let parent = tempfile::tempdir().unwrap();
    let held = mk_held(&parent);
    let token = mk_token("web-0");
    issue(&held.dir, &token).unwrap();
    let path = held.dir.path("tokens/web-0.token");
    let secret = std::fs::read_to_string(&path).unwrap();
    let accepted = std::fs::read_to_string(held.dir.path("tokens/accepted/web-0.json")).unwrap();
    assert_eq!(secret.len(), 64);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        !accepted.contains(&secret) && accepted.contains("ns/default/sa/web"),
        "{accepted}"
    );
    issue(&held.dir, &token).unwrap();
    assert_ne!(
        std::fs::read_to_string(&path).unwrap(),
        secret,
        "every start has a new one"
    );
    revoke_all(&held.dir).unwrap();
    assert!(!path.exists() && !held.dir.path("tokens/accepted/web-0.json").exists());
}

#[test]
fn a_token_is_revoked_without_touching_others() {
    let parent = tempfile::tempdir().unwrap();
    let held = mk_held(&parent);
    let (one, two) = (mk_token("web-0"), mk_token("web-1"));
    issue(&held.dir, &one).unwrap();
    issue(&held.dir, &two).unwrap();
    revoke(&held.dir, &one).unwrap();
    let exists = |name: &str| held.dir.path(name).exists();
    assert!(!exists("tokens/web-0.token") && !exists("tokens/accepted/web-0.json"));
    assert!(exists("tokens/web-1.token") && exists("tokens/accepted/web-1.json"));
    revoke(&held.dir, &one).unwrap();
}

#[test]
fn hexadecimal_digits_are_lower_case_pairs() {
    assert_eq!(hex(&[0, 0x0f, 0xa0]), "000fa0");
}
