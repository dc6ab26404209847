use super::nearest;

#[test]
fn the_word_with_the_fewest_edits_is_offered() {
    let known = ["reviews", "ratings", "details"];
    assert_eq!(nearest("review", known), Some("reviews"));
    assert_eq!(nearest("Detials", known), Some("details"));
    assert_eq!(nearest("productpage", known), None);
}
