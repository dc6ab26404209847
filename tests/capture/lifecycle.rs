//! Applying again, replacing, cleaning up, and only looking.

use crate::space::success;
use crate::world::{Backend, INJECTED, POD, World};

/// Every program of netfilter.
const EVERY: [Backend; 3] = Backend::ALL;

#[test]
fn applied_twice_is_applied_once() {
    for backend in Backend::ALL {
        let world = World::captured(backend, INJECTED);
        let once = world.rules();
        success(&world.capture(&[INJECTED, &backend.flags()].concat()));
        assert_eq!(world.rules(), once, "{backend:?}");
    }
}

#[test]
fn changed_options_replace_what_was_there() {
    for backend in Backend::ALL {
        let flags = ["-i", "198.51.100.0/24", "-b", "8080", "-c", "eth9,tun+"];
        let wanted = World::captured(backend, &flags);
        let world = World::captured(backend, &["-i", "*", "-b", "*", "-c", "eth7", "-k", "eth8"]);
        success(&world.capture(&[&flags[..], &backend.flags()].concat()));
        assert_eq!(world.rules(), wanted.rules(), "{backend:?}");
    }
}

#[test]
fn an_ip_version_that_is_no_longer_wanted_is_removed() {
    for backend in Backend::ALL {
        let world = World::captured(backend, INJECTED);
        let four = [INJECTED, &backend.flags(), &["--ip-version", "4"]].concat();
        success(&world.capture(&four));
        assert!(world.application("[2001:db8::7]:80").starts_with("server"));
        assert!(world.application("198.51.100.7:80").starts_with("outbound"));
    }
}

#[test]
fn another_back_end_replaces_the_one_before() {
    for (first, second) in [
        (Backend::IptablesNft, Backend::Nft),
        (Backend::Nft, Backend::IptablesNft),
        (Backend::IptablesLegacy, Backend::Nft),
    ] {
        let world = World::new(&EVERY);
        let only = crate::world::folder_of(&[first]);
        let path = only.path().to_str().unwrap();
        let flags = ["-i", "*", "-b", "*"];
        success(&world.capture_with(path, &[&flags[..], &first.flags()].concat()));
        assert!(world.application("198.51.100.7:80").starts_with("outbound"));
        success(&world.capture(&[&["-i", ""][..], &second.flags()].concat()));
        // The rules of the first one would still redirect.
        assert_eq!(
            world.application("198.51.100.7:80"),
            format!("server 198.51.100.7:80 from {POD}"),
            "{first:?} then {second:?}"
        );
        success(&world.capture(&["--clean-up"]));
        assert_eq!(ours(&world), Vec::<String>::new());
    }
}

#[test]
fn cleaning_up_leaves_nothing_of_ours_and_everything_of_others() {
    for backend in Backend::ALL {
        let world = World::new(&[backend]);
        let theirs = match backend {
            Backend::IptablesNft | Backend::IptablesPlain => {
                "iptables-nft -t nat -A OUTPUT -d 192.0.2.9 -j RETURN; \
                 ip6tables-nft -t nat -A PREROUTING -i eth5 -j RETURN"
            }
            Backend::IptablesLegacy => {
                "iptables-legacy -t nat -A OUTPUT -d 192.0.2.9 -j RETURN; \
                 ip6tables-legacy -t nat -A PREROUTING -i eth5 -j RETURN"
            }
            Backend::Nft => "nft add table ip theirs; nft add chain ip theirs ISTIO_OUTPUT",
        };
        world.pod.shell(theirs);
        let before = of_others(&world.rules());
        let flags = ["-i", "*", "-b", "*", "-c", "eth5"];
        success(&world.capture(&[&flags[..], &backend.flags()].concat()));
        assert_eq!(of_others(&world.rules()), before, "{backend:?}");
        success(&world.capture(&["--clean-up"]));
        assert_eq!(ours(&world), Vec::<String>::new(), "{backend:?}");
        assert_eq!(of_others(&world.rules()), before, "{backend:?}");
        let again = success(&world.capture(&["--clean-up"]));
        assert_eq!(again, "there was nothing to clean up\n");
        assert!(world.application("198.51.100.7:80").starts_with("server"));
    }
}

#[test]
fn a_dry_run_prints_the_rules_and_changes_nothing() {
    for backend in Backend::ALL {
        let world = World::new(&[backend]);
        let before = world.rules();
        let dry = [INJECTED, &backend.flags(), &["--dry-run"]].concat();
        // Not even a program is needed for it.
        let printed = success(&world.capture_with("/nowhere", &dry));
        assert!(printed.contains("ISTIO_OUTPUT"), "{printed}");
        assert_eq!(world.rules(), before);
        // What it printed is what a run applies.
        success(&world.capture(&[INJECTED, &backend.flags()].concat()));
        let before = world.rules();
        success(
            &world.capture(&[INJECTED, &backend.flags(), &["--clean-up", "--dry-run"]].concat()),
        );
        assert_eq!(world.rules(), before);
    }
}

#[test]
fn iptables_is_taken_before_nft() {
    let world = World::new(&EVERY);
    let said = success(&world.capture(INJECTED));
    assert!(
        said.contains("for IPv4 and IPv6 by iptables-nft\n"),
        "{said}"
    );
    let world = World::new(&[Backend::Nft]);
    let said = success(&world.capture(INJECTED));
    assert!(said.contains("for IPv4 and IPv6 by nft\n"), "{said}");
}

#[test]
fn the_variant_of_iptables_whose_rules_are_there_is_taken() {
    let world = World::new(&EVERY);
    world
        .pod
        .shell("iptables-legacy -t nat -A OUTPUT -d 192.0.2.9 -j RETURN");
    let said = success(&world.capture(INJECTED));
    assert!(said.contains("by iptables-legacy\n"), "{said}");
    assert!(world.application("198.51.100.7:80").starts_with("outbound"));
}

#[test]
fn programs_without_a_variant_in_their_name_will_do() {
    let world = World::new(&[Backend::IptablesPlain]);
    let said = success(&world.capture(INJECTED));
    assert!(said.contains("by iptables-nft\n"), "{said}");
    assert!(world.application("198.51.100.7:80").starts_with("outbound"));
}

/// Lines of the pod's rules that are ours.
fn ours(world: &World) -> Vec<String> {
    let rules = world.rules();
    let lines = rules.lines().filter(|line| is_ours(line));
    lines.map(str::to_owned).collect()
}

fn is_ours(line: &str) -> bool {
    let words = ["ISTIO_", "mesh-capture", " ::6/128"];
    let table =
        line.contains("mesh_capture") && !line.contains("Error") && !line.contains("list table");
    table || words.iter().any(|word| line.contains(word))
}

/// Rules of iptables and tables of nft that are not ours.
fn of_others(rules: &str) -> Vec<String> {
    let lines = rules.lines().filter(|line| !is_ours(line));
    lines
        .filter(|line| line.starts_with("-A ") || line.starts_with("table ip theirs"))
        .map(str::to_owned)
        .collect()
}
