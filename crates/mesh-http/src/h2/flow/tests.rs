use super::*;

#[test]
fn a_send_window_tells_when_it_opens() {
    let mut window = SendWindow::new(10);
    window.take(10);
    assert_eq!(window.change(-5), Ok(false));
    assert_eq!(window.available(), 0);
    assert_eq!(window.change(5), Ok(false));
    assert_eq!(window.change(1), Ok(true));
    assert_eq!(window.change(1), Ok(false));
    assert_eq!(window.change(i64::from(MAX_31)), Err(Overflow));
    assert_eq!(window.available(), 2);
}

#[test]
fn a_connection_is_credited_as_bytes_come_until_too_many_are_held() {
    let mut receiving = ConnectionReceiving::new(100_000, 150_000);
    assert_eq!(receiving.first_credit(), Some(100_000 - 65_535));
    assert!(receiving.receive(60_000));
    receiving.hold(60_000);
    // 90,000 may still come before 150,000 are held.
    assert_eq!(receiving.credit(), Some(50_000));
    assert!(receiving.receive(40_000));
    receiving.hold(40_000);
    assert_eq!(receiving.credit(), None);
    assert!(receiving.receive(50_000));
    receiving.hold(50_000);
    assert_eq!(receiving.credit(), None);
    assert!(!receiving.receive(1));
}

/// RFC 9113 6.9.1 and 6.9.2: the end of a body may come while the window is below zero.
#[test]
fn a_frame_without_bytes_needs_no_window() {
    let mut receiving = StreamReceiving::new(65_535);
    assert!(receiving.receive(60_000));
    receiving.shift(-49_151);
    assert!(receiving.receive(0));
    assert!(!receiving.receive(1));
}
