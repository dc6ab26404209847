use super::*;

#[test]
fn answers_are_forgotten_when_they_are_read() {
    let mut wire = Wire::default();
    for _ in 0..10 {
        for _ in 0..MOST_UNREAD / 2 {
            wire.settings_ack();
            assert!(wire.count_answer());
        }
        let waiting = wire.lend().len();
        wire.lend().consume(waiting);
    }
    let taken = (0..2 * MOST_UNREAD).take_while(|_| {
        wire.settings_ack();
        wire.count_answer()
    });
    assert!(taken.count() <= MOST_UNREAD as usize);
}
