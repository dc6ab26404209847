use mesh_kube::ReviewedUser;

use super::*;

fn audiences() -> Vec<String> {
    vec!["istio-ca".to_owned(), "second".to_owned()]
}

fn good() -> TokenReview {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    TokenReview {
        authenticated: true,
        error: String::new(),
        audiences: words(&["istio-ca"]),
        user: ReviewedUser {
            username: "system:serviceaccount:default:reviews".to_owned(),
            groups: words(&[
                "system:serviceaccounts",
                "system:serviceaccounts:default",
                "system:authenticated",
            ]),
        },
    }
}

#[test]
fn a_good_review_names_the_account() {
    let account = account(&good(), &audiences()).unwrap();
    assert_eq!(account.to_string(), "default/reviews");
}

#[test]
fn any_of_our_audiences_will_do() {
    let mut review = good();
    review.audiences = vec!["other".to_owned(), "second".to_owned()];
    account(&review, &audiences()).unwrap();
}

#[track_caller]
fn check(spoil: impl FnOnce(&mut TokenReview), want: &str) {
    let mut review = good();
    spoil(&mut review);
    let refused = account(&review, &audiences()).unwrap_err();
    assert_eq!(refused.to_string(), want, "{review:?}");
}

#[test]
fn every_check_must_hold() {
    let expired = |review: &mut TokenReview| {
        review.authenticated = false;
        review.error = "token has expired".to_owned();
    };
    check(
        expired,
        "the API server does not know it: token has expired",
    );
    check(
        |review| review.error = "odd".to_owned(),
        "the API server could not check it: odd",
    );
    let audience = "it is not for the audience istio-ca, second";
    check(|review| review.audiences.clear(), audience);
    check(
        |review| review.audiences = vec!["https://kubernetes.default.svc".to_owned()],
        audience,
    );
    check(
        |review| review.user.groups = vec!["system:authenticated".to_owned()],
        "\"system:serviceaccount:default:reviews\" is no service account",
    );
}

#[test]
fn a_user_name_has_exactly_four_parts() {
    for name in [
        "",
        "admin",
        "system:serviceaccount:default",
        "system:serviceaccount:default:reviews:more",
        "system:node:default:reviews",
        "other:serviceaccount:default:reviews",
        ":serviceaccount:default:reviews",
    ] {
        let want = format!("{name:?} is no service account");
        check(|review| review.user.username = name.to_owned(), &want);
    }
    for (name, part) in [
        ("system:serviceaccount::reviews", ""),
        ("system:serviceaccount:default:", ""),
        ("system:serviceaccount:default:a/b", "a/b"),
        ("system:serviceaccount:Default:reviews", "Default"),
    ] {
        let want = format!("{part:?} is not a Kubernetes name");
        check(|review| review.user.username = name.to_owned(), &want);
    }
}
