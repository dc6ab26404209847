use super::*;

#[test]
fn summaries_of_the_test_runner_are_added_up() {
    let line = "ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
    assert_eq!((count(line, " passed"), count(line, " failed")), (12, 3));
    assert_eq!(count("nothing", " passed"), 0);
}
