//! What the injected capture redirects, and what it leaves alone.

use crate::world::{Backend, INJECTED, POD, POD_V6, World};

/// A captured pod for each back end.
fn each(mut judge: impl FnMut(&World)) {
    for backend in Backend::ALL {
        judge(&World::captured(backend, INJECTED));
    }
}

#[test]
fn what_the_application_calls_arrives_at_the_proxy_with_its_destination() {
    each(|world| {
        assert_eq!(
            world.application("198.51.100.7:80"),
            format!("outbound 198.51.100.7:80 from {POD}")
        );
        assert_eq!(
            world.application("[2001:db8::7]:80"),
            format!("outbound [2001:db8::7]:80 from {POD_V6}")
        );
        // The virtual address of a Service, which exists nowhere.
        assert_eq!(
            world.application("10.96.0.9:9080"),
            format!("outbound 10.96.0.9:9080 from {POD}")
        );
        // Root is no exception.
        assert_eq!(
            world.as_user(0, "198.51.100.7:80"),
            format!("outbound 198.51.100.7:80 from {POD}")
        );
    });
}

#[test]
fn what_comes_in_arrives_at_the_proxy_with_its_destination_and_its_client() {
    each(|world| {
        assert_eq!(
            world.outsider("10.99.0.2:8080"),
            "inbound 10.99.0.2:8080 from 10.99.0.1"
        );
        assert_eq!(
            world.outsider("[fd99::2]:8080"),
            "inbound [fd99::2]:8080 from fd99::1"
        );
        // Whether anybody listens there is for the proxy to find out.
        assert_eq!(
            world.outsider("10.99.0.2:22"),
            "inbound 10.99.0.2:22 from 10.99.0.1"
        );
    });
}

#[test]
fn what_the_proxy_calls_is_not_captured() {
    each(|world| {
        let reached = format!("server 198.51.100.7:80 from {POD}");
        assert_eq!(world.proxy("198.51.100.7:80"), reached);
        assert_eq!(
            world.proxy("[2001:db8::7]:80"),
            format!("server [2001:db8::7]:80 from {POD_V6}")
        );
        // By the user alone, and by the group alone.
        assert_eq!(world.as_user_and_group(1337, 5, "198.51.100.7:80"), reached);
        assert_eq!(world.as_user_and_group(5, 1337, "198.51.100.7:80"), reached);
    });
}

#[test]
fn a_call_of_the_own_service_passes_the_inbound_side() {
    each(|world| {
        // The application calls a Service, the proxy picks this very pod.
        assert_eq!(
            world.proxy("10.99.0.2:8080"),
            format!("inbound 10.99.0.2:8080 from {POD}")
        );
        assert_eq!(
            world.proxy("[fd99::2]:8080"),
            format!("inbound [fd99::2]:8080 from {POD_V6}")
        );
    });
}

#[test]
fn what_the_proxy_hands_over_reaches_the_application() {
    each(|world| {
        assert_eq!(
            world.proxy_from("127.0.0.6", "10.99.0.2:8080"),
            "application 10.99.0.2:8080 from 127.0.0.6"
        );
        assert_eq!(
            world.proxy_from("::6", "[fd99::2]:8080"),
            "application [fd99::2]:8080 from ::6"
        );
        assert_eq!(
            world.proxy("127.0.0.1:8080"),
            "application 127.0.0.1:8080 from 127.0.0.1"
        );
    });
}

#[test]
fn processes_of_a_pod_talk_to_each_other_directly() {
    each(|world| {
        for to in [
            "127.0.0.1:8080",
            "10.99.0.2:8080",
            "[::1]:8080",
            "[fd99::2]:8080",
        ] {
            let heard = world.application(to);
            assert!(heard.starts_with(&format!("application {to} ")), "{heard}");
        }
    });
}

/// It is redirected, and its destination is the proxy's own port: by that the proxy knows that
/// there is nothing to hand it over to.
#[test]
fn a_direct_call_of_the_proxys_ports_shows_them_as_its_destination() {
    each(|world| {
        for port in [15001, 15006] {
            assert_eq!(
                world.outsider(&format!("10.99.0.2:{port}")),
                format!("inbound 10.99.0.2:{port} from 10.99.0.1")
            );
            assert_eq!(
                world.outsider(&format!("[fd99::2]:{port}")),
                format!("inbound [fd99::2]:{port} from fd99::1")
            );
        }
        assert_eq!(
            world.application("127.0.0.1:15001"),
            "outbound 127.0.0.1:15001 from 127.0.0.1"
        );
    });
}

#[test]
fn without_a_proxy_nothing_passes() {
    for backend in Backend::ALL {
        let flags = ["-p", "15051", "-z", "15056", "-i", "*", "-b", "*"];
        let world = World::captured(backend, &flags);
        for to in ["198.51.100.7:80", "[2001:db8::7]:80"] {
            assert_eq!(world.application(to), "refused");
        }
        for to in ["10.99.0.2:8080", "[fd99::2]:8080"] {
            assert_eq!(world.outsider(to), "refused");
        }
    }
}
