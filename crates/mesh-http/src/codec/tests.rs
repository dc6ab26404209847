use super::*;

#[test]
fn a_buffer_is_lent_once_and_comes_back_empty() {
    let mut output = Output::new();
    assert_eq!(output.reclaim(), None);
    output.lend(|| Some(b"old".to_vec()));
    assert!(output.is_empty());
    output.buffer().extend_from_slice(b"new");
    output.lend(|| unreachable!("it has a buffer"));
    assert_eq!(output.reclaim(), None, "something is still to be sent");
    output.consume(2);
    assert_eq!(output.pending(), b"w");
    output.consume(1);
    assert!(output.reclaim().is_some_and(|buffer| buffer.is_empty()));
    assert_eq!(output.len(), 0);
}

#[test]
fn a_buffer_that_is_no_longer_small_is_large_at_once() {
    let mut buffer = vec![0; 1000];
    make_room(&mut buffer, 15 * 1024);
    assert_eq!(buffer.capacity(), 1000);
    make_room(&mut buffer, 16 * 1024);
    assert_eq!(buffer.capacity(), 128 * 1024);
    buffer.resize(128 * 1024, 0);
    make_room(&mut buffer, 1);
    assert_eq!(buffer.capacity(), 128 * 1024);
}

#[test]
fn what_was_sent_is_not_kept_behind_a_slow_reader() {
    let mut output = Output::new();
    output.buffer().extend(std::iter::repeat_n(1, 300 * 1024));
    for _ in 0..29 {
        output.consume(10 * 1024);
        assert!(output.bytes.len() <= output.len() + Output::KEEP + 10 * 1024);
    }
    assert_eq!(output.len(), 10 * 1024);
}
