use super::*;

#[test]
fn the_last_value_of_a_frame_counts_and_the_smallest_table_is_kept() {
    let mut peer = Peer::default();
    let entry = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload = [
        entry(1, 4_096),
        entry(1, 100),
        entry(1, 200),
        entry(4, 1),
        entry(4, 2),
    ]
    .concat();
    peer.read(Role::Server, &payload).unwrap();
    assert_eq!(
        (peer.table_sizes, peer.initial_window),
        (Some((100, 200)), 2)
    );
    peer.read(Role::Server, &entry(4, 3)).unwrap();
    assert_eq!((peer.table_sizes, peer.initial_window), (None, 3));
}
