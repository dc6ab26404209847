use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::settings::{Environment, StatusFlags};

#[test]
fn only_a_process_of_the_pod_ends_us_and_only_by_post() {
    let quits = Arc::new(AtomicUsize::new(0));
    let counted = quits.clone();
    let subject = Subject {
        ready: Box::new(|| Ok("LIVE")),
        metrics: Box::new(String::new),
        quit: Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }),
    };
    let (flags, environment) = (StatusFlags::default(), Environment::default());
    let address = "10.0.0.1".parse().unwrap();
    let settings = StatusSettings::new(flags, address, &environment).unwrap();
    let pages = Pages::new(subject, settings, &Registry::new());
    let check = |peer: &str, method, status: u16, times| {
        let response = pages.quit(peer.parse().unwrap(), &method);
        assert_eq!(response.status().as_u16(), status, "{method} from {peer}");
        assert_eq!(quits.load(Ordering::Relaxed), times);
    };
    check("10.0.0.9", Method::POST, 403, 0);
    check("10.0.0.1", Method::POST, 403, 0);
    check("::ffff:10.0.0.9", Method::POST, 403, 0);
    check("fd00::1", Method::POST, 403, 0);
    // What the sidecar passes on to its pod comes from there, whoever sent it.
    check("127.0.0.6", Method::POST, 403, 0);
    check("::6", Method::POST, 403, 0);
    check("127.0.0.1", Method::GET, 405, 0);
    check("127.0.0.1", Method::POST, 200, 1);
    check("::1", Method::POST, 200, 2);
    check("::ffff:127.0.0.1", Method::POST, 200, 3);
}
