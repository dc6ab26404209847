use tempfile::TempDir;

use super::*;

const ID: &str = "spiffe://cluster.local/ns/default/sa/reviews";

fn tokens(folder: &TempDir) -> FileTokens {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    FileTokens::read(folder.path().to_owned(), domain)
}

fn sha256(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn accept(folder: &TempDir, name: &str, token: &str, identity: &str) {
    let hash = sha256(token);
    let text = format!(r#"{{"sha256": "{hash}", "identity": "{identity}"}}"#);
    fs::write(folder.path().join(name), text).unwrap();
}

fn identity(tokens: &FileTokens, token: &str) -> Result<String, Unknown> {
    let caller = tokens.authenticate(token)?;
    Ok(caller.identity().to_string())
}

#[test]
fn a_token_stands_for_the_identity_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    accept(&folder, "a.json", "token-a", ID);
    accept(
        &folder,
        "b.json",
        "token-b",
        "spiffe://cluster.local/ns/default/sa/ratings",
    );
    let tokens = tokens(&folder);
    assert_eq!(identity(&tokens, "token-a"), Ok(ID.to_owned()));
    let ratings = "spiffe://cluster.local/ns/default/sa/ratings".to_owned();
    assert_eq!(identity(&tokens, "token-b"), Ok(ratings));
    for wrong in ["", "token-c", "token-a ", "TOKEN-A", &sha256("token-a")] {
        assert_eq!(
            identity(&tokens, wrong),
            Err(Unknown::NotAccepted),
            "{wrong}"
        );
    }
}

#[test]
fn a_hash_may_be_written_in_capitals() {
    let folder = tempfile::tempdir().unwrap();
    let hash = sha256("token-a").to_uppercase();
    let text = format!(r#"{{"sha256": "{hash}", "identity": "{ID}"}}"#);
    fs::write(folder.path().join("a.json"), text).unwrap();
    assert_eq!(identity(&tokens(&folder), "token-a"), Ok(ID.to_owned()));
}

#[test]
fn a_bad_file_is_set_aside_and_the_others_count() {
    let folder = tempfile::tempdir().unwrap();
    accept(&folder, "good.json", "good", ID);
    let hash = sha256("bad");
    let short: String = hash.chars().take(62).collect();
    for (name, text) in [
        ("empty.json", String::new()),
        ("list.json", "[]".into()),
        (
            "short.json",
            format!(r#"{{"sha256": "{}", "identity": "{ID}"}}"#, short),
        ),
        (
            "long.json",
            format!(r#"{{"sha256": "{hash}00", "identity": "{ID}"}}"#),
        ),
        (
            "no-hex.json",
            format!(r#"{{"sha256": "{}zz", "identity": "{ID}"}}"#, short),
        ),
        (
            "foreign.json",
            format!(r#"{{"sha256": "{hash}", "identity": "spiffe://other/ns/default/sa/a"}}"#),
        ),
        (
            "no-account.json",
            format!(r#"{{"sha256": "{hash}", "identity": "spiffe://cluster.local/node/a"}}"#),
        ),
        (
            "no-id.json",
            format!(r#"{{"sha256": "{hash}", "identity": "reviews"}}"#),
        ),
        (
            "more.json",
            format!(r#"{{"sha256": "{hash}", "identity": "{ID}", "ca": true}}"#),
        ),
        ("huge.json", " ".repeat(20_000)),
        (
            "other-kind.txt",
            format!(r#"{{"sha256": "{hash}", "identity": "{ID}"}}"#),
        ),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let tokens = tokens(&folder);
    assert_eq!(identity(&tokens, "good"), Ok(ID.to_owned()));
    assert_eq!(identity(&tokens, "bad"), Err(Unknown::NotAccepted));
}

#[test]
fn a_token_of_two_identities_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    accept(&folder, "a.json", "shared", ID);
    accept(
        &folder,
        "b.json",
        "shared",
        "spiffe://cluster.local/ns/default/sa/ratings",
    );
    accept(&folder, "c.json", "twice", ID);
    accept(&folder, "d.json", "twice", ID);
    let tokens = tokens(&folder);
    assert_eq!(identity(&tokens, "shared"), Err(Unknown::NotAccepted));
    assert_eq!(identity(&tokens, "twice"), Ok(ID.to_owned()));
}

#[test]
fn a_token_goes_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    accept(&folder, "a.json", "token-a", ID);
    let tokens = tokens(&folder);
    fs::remove_file(folder.path().join("a.json")).unwrap();
    tokens.refresh();
    assert_eq!(identity(&tokens, "token-a"), Err(Unknown::NotAccepted));
}

#[test]
fn a_token_is_found_before_the_news_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let later = folder.path().join("accepted");
    let domain = TrustDomain::parse("cluster.local").unwrap();
    let tokens = FileTokens::read(later.clone(), domain);
    assert_eq!(identity(&tokens, "token-a"), Err(Unknown::NotAccepted));
    fs::create_dir(&later).unwrap();
    let text = format!(
        r#"{{"sha256": "{}", "identity": "{ID}"}}"#,
        sha256("token-a")
    );
    fs::write(later.join("a.json"), text).unwrap();
    assert_eq!(identity(&tokens, "token-a"), Ok(ID.to_owned()));
}
