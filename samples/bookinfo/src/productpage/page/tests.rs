use super::*;

fn mk_reviews(rating: &str) -> Reviews {
    let text = format!(
        r#"{{"id":"0","podname":"<b>","clustername":"null",
            "reviews":[{{"reviewer":"R<1>","text":"a & b"{rating}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn render(rating: &str) -> String {
    let product = Product {
        user: Some("<script>alert('x')</script>"),
        details: Ok(Map::new()),
        reviews: Ok(mk_reviews(rating)),
    };
    product.render()
}

#[test]
fn nothing_that_others_supply_becomes_markup() {
    let page = render(r#","rating":{"error":"<i>no</i>"}"#);
    for expected in [
        "&lt;script&gt;",
        "R&lt;1&gt;",
        "a &amp; b",
        "&lt;i&gt;no",
        "<b>&lt;b&gt;</b>",
    ] {
        assert!(page.contains(expected), "{expected} not in {page}");
    }
    assert!(!page.contains("<script"), "{page}");
}

#[test]
fn stars_add_up_to_five_whatever_is_said() {
    let check = |stars: i64, full: usize| {
        let page = render(&format!(r#","rating":{{"stars":{stars},"color":"re\"d"}}"#));
        assert!(page.contains("<font color=\"re&quot;d\">"), "{page}");
        let count = |class: &str| page.matches(&format!("\"glyphicon {class}\"")).count();
        assert_eq!(count("glyphicon-star"), full, "{stars}");
        assert_eq!(count("glyphicon-star-empty"), 5 - full, "{stars}");
    };
    check(4, 4);
    check(0, 0);
    check(-3, 0);
    check(1_000_000, 5);
}

#[test]
fn the_sign_in_form_has_the_fields_that_scripts_send() {
    let page = Product {
        user: None,
        details: Err("x"),
        reviews: Err("y"),
    }
    .render();
    for expected in ["action=\"/login\"", "name=\"username\"", "name=\"passwd\""] {
        assert!(page.contains(expected), "{expected} not in {page}");
    }
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    for page in [index(), render("")] {
        assert!(
            !page.contains("src=") && !page.contains("@import"),
            "{page}"
        );
    }
}
