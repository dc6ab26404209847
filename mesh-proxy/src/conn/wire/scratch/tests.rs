use super::*;

#[test]
fn what_is_left_comes_before_what_is_read() {
    let mut sealed = Scratch::new().lend_sealed();
    sealed.fresh()[..4].copy_from_slice(b"cdef");
    assert_eq!(sealed.behind(b"ab", 3).unwrap(), b"abcde");
    assert_eq!(
        sealed.behind(&vec![0; LEFT], 4).map(|all| all.len()),
        Ok(LEFT + 4)
    );
    assert_eq!(sealed.behind(&vec![0; LEFT + 1], 4), Err(TooLong));
}

#[test]
fn few_bytes_wait_in_a_buffer_of_their_own_and_many_in_a_block() {
    let mut blocks = Blocks::default();
    let mut waiting = Waiting::of(b"few");
    assert_eq!((waiting.bytes(), waiting.len()), (&b"few"[..], 3));
    let many = vec![7; Waiting::FEW + 1];
    waiting.replace(&many, &mut blocks).unwrap();
    assert_eq!(waiting.bytes(), many);
    assert_eq!(waiting.bytes.len(), BLOCK);
    waiting.replace(b"few", &mut blocks).unwrap();
    assert_eq!(waiting.bytes(), b"few");
    assert_eq!((waiting.bytes.len(), blocks.0.len()), (3, 1));
    waiting.consume(3);
    assert!(waiting.is_empty());
    assert_eq!(waiting.bytes.capacity(), 0);
}

#[test]
fn what_is_longer_than_a_block_is_refused() {
    let mut blocks = Blocks::default();
    for before in [b"few".to_vec(), vec![7; BLOCK]] {
        let mut waiting = Waiting::of(&before);
        waiting.replace(&vec![1; BLOCK], &mut blocks).unwrap();
        assert_eq!(waiting.bytes(), [1; BLOCK]);
        let longer = waiting.replace(&vec![2; BLOCK + 1], &mut blocks);
        assert_eq!((longer, waiting.bytes()), (Err(TooLong), &[][..]));
    }
}

#[test]
fn what_is_added_comes_last() {
    let mut waiting = Waiting::of(b"one");
    waiting.consume(1);
    waiting.room(3).copy_from_slice(b"two");
    waiting.grow(3);
    assert_eq!(waiting.bytes(), b"netwo");
}

#[test]
fn a_block_that_was_handed_out_comes_back_when_it_is_empty() {
    let mut sealing = Sealing::new();
    sealing.outgoing()[..6].copy_from_slice(b"sealed");
    let mut waiting = sealing.hand_out(2, 6);
    assert_eq!(waiting.bytes(), b"aled");
    sealing.give_back(&mut waiting);
    assert_eq!(sealing.blocks.0.len(), 0);
    waiting.consume(4);
    sealing.give_back(&mut waiting);
    assert_eq!((sealing.blocks.0.len(), waiting.bytes.capacity()), (1, 0));
    sealing.sweep();
    sealing.sweep();
    assert_eq!(sealing.blocks.0.len(), 0);
}
