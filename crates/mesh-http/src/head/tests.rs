use super::*;

fn request(authority: &str, path: &str) -> RequestHead {
    RequestHead {
        authority: authority.into(),
        path: path.into(),
        ..RequestHead::default()
    }
}

#[test]
fn the_host_loses_its_port_and_nothing_else() {
    assert_eq!(request("reviews:9080", "/").host(), "reviews");
    assert_eq!(request("reviews", "/").host(), "reviews");
    assert_eq!(request("[::1]:80", "/").host(), "[::1]");
    assert_eq!(request("[::1]", "/").host(), "[::1]");
    assert_eq!(request("::1", "/").host(), "::1");
    assert_eq!(request("reviews:x", "/").host(), "reviews:x");
}

#[test]
fn the_path_is_split_from_its_query() {
    let head = request("a", "/x?y=1?z");
    assert_eq!((head.path_only(), head.query()), ("/x", Some("y=1?z")));
    assert_eq!(request("a", "/x").query(), None);
}

#[test]
fn grpc_is_told_by_its_content_type() {
    let check = |value: &str, expect: bool| {
        let mut head = ResponseHead::default();
        head.fields.append("content-type", value).unwrap();
        assert_eq!(head.is_grpc(), expect, "{value}");
    };
    check("application/grpc", true);
    check("application/grpc+proto", true);
    check("application/grpc-web", false);
    check("text/html", false);
}
