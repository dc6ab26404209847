use super::*;

#[track_caller]
fn check(path_type: PathType, written: &str, uri: Option<TextMatch>, whole_segments: bool) {
    let made = Match::of(&IngressPath {
        path: written.to_owned(),
        path_type,
        ..IngressPath::default()
    });
    assert_eq!(
        (made.uri, made.whole_segments),
        (uri, whole_segments),
        "{written}"
    );
}

#[test]
fn paths_mean_what_kubernetes_and_istio_say() {
    let exact = |path: &str| Some(TextMatch::Exact(path.to_owned()));
    let prefix = |path: &str| Some(TextMatch::Prefix(path.to_owned()));
    check(PathType::Exact, "/a/", exact("/a/"), false);
    check(PathType::Prefix, "/a/", prefix("/a"), true);
    check(PathType::Prefix, "/a", prefix("/a"), true);
    check(PathType::Prefix, "/", None, false);
    let free = PathType::ImplementationSpecific;
    check(free, "", None, false);
    check(free, "/", None, false);
    check(free, "/*", None, false);
    check(free, "/a/*", prefix("/a"), false);
    check(free, "/a.*", prefix("/a"), false);
    check(free, "/a", exact("/a"), false);
}
