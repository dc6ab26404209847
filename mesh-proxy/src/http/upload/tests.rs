use super::*;

#[test]
fn a_small_body_can_be_sent_again() {
    let mut upload = Upload::default();
    upload.push(b"one ");
    upload.push(b"two");
    upload.sent(5, REPLAY_LIMIT);
    upload.end(None);
    assert_eq!(upload.unsent(), b"wo");
    upload.rewind();
    assert_eq!(
        (upload.unsent(), upload.can_repeat()),
        (b"one two".as_slice(), true)
    );
}

#[test]
fn a_body_beyond_the_limit_is_sent_once_and_not_kept() {
    let mut upload = Upload::default();
    let piece = vec![1u8; 16 * 1024];
    for _ in 0..10 {
        upload.push(&piece);
        upload.sent(piece.len(), REPLAY_LIMIT);
    }
    assert!(!upload.can_repeat() && upload.passes());
    assert_eq!(upload.capacity(), 0, "nothing is held for what passes");
    assert_eq!(
        (upload.received(), upload.unsent()),
        (10 * 16 * 1024, &[][..])
    );
}

#[test]
fn a_body_that_waits_for_its_first_attempt_is_kept_whole() {
    let mut upload = Upload::default();
    upload.push(&vec![1u8; 3 * REPLAY_LIMIT]);
    assert!(upload.can_repeat());
    upload.sent(1, REPLAY_LIMIT);
    assert!(!upload.can_repeat());
    assert_eq!(upload.unsent().len(), 3 * REPLAY_LIMIT - 1);
}

#[test]
fn credit_is_given_once_for_each_byte() {
    let mut upload = Upload::default();
    upload.push(b"12345678");
    upload.sent(3, REPLAY_LIMIT);
    assert_eq!((upload.take_credit(), upload.take_credit()), (3, 0));
    upload.rewind();
    upload.sent(8, REPLAY_LIMIT);
    assert_eq!(upload.take_credit(), 5);
    upload.push(&vec![0; REPLAY_LIMIT]);
    upload.sent(REPLAY_LIMIT, REPLAY_LIMIT);
    assert_eq!(upload.take_credit(), REPLAY_LIMIT);
    upload.passed(10);
    assert_eq!(upload.take_credit(), 10);
}

#[test]
fn the_last_credit_is_for_all_that_came_and_was_given_no_credit() {
    let mut upload = Upload::default();
    upload.push(b"12345678");
    upload.sent(3, REPLAY_LIMIT);
    assert_eq!(upload.take_credit(), 3);
    upload.rewind();
    assert_eq!(
        (upload.take_last_credit(), upload.take_last_credit()),
        (5, 0)
    );
    upload.begin_tunnel();
    upload.push(b"tunnelled");
    assert_eq!(upload.take_last_credit(), 9);
}

#[test]
fn who_wants_to_see_a_body_gets_it_before_it_is_sent_on() {
    let mut upload = Upload::default();
    upload.want(8);
    upload.push(b"12345");
    assert_eq!((upload.take_credit(), upload.in_the_way()), (5, 0));
    upload.push(b"67890");
    // There is no credit for what nobody wants to see.
    assert_eq!((upload.take_credit(), upload.in_the_way()), (3, 2));
    upload.want(0);
    assert_eq!((upload.take_credit(), upload.in_the_way()), (0, 10));
    upload.sent(9, REPLAY_LIMIT);
    assert_eq!(upload.take_credit(), 1);
    assert_eq!(upload.take_last_credit(), 1);
}

#[test]
fn a_body_of_our_own_is_whole_from_the_start() {
    let mut upload = Upload::default();
    upload.begin_with(b"abc".to_vec());
    assert!(upload.has_ended() && upload.can_repeat() && !upload.is_empty());
    assert_eq!(upload.unsent(), b"abc");
    upload.begin_with(Vec::new());
    assert!(upload.is_empty());
}
