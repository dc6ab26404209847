use super::{LowPorts, Network, ServiceNumber, WorkloadNumber};

#[test]
fn addresses_are_those_of_the_contract() {
    let network = Network(7);
    let fourth = WorkloadNumber::of(3).unwrap();
    let third = ServiceNumber::of(2).unwrap();
    assert_eq!(network.to_string(), "127.7.0.0/16");
    assert_eq!(network.lease().to_string(), "127.7.0.1:15999");
    assert_eq!(network.workload(fourth).to_string(), "127.7.4.1");
    assert_eq!(network.service(fourth, third).to_string(), "127.7.4.13");
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(WorkloadNumber::of(253).is_ok());
    assert!(WorkloadNumber::of(254).is_err());
    assert!(ServiceNumber::of(243).is_ok());
    assert!(ServiceNumber::of(244).is_err());
}

#[test]
fn privileged_ports_are_moved_up_only_where_they_must_be() {
    assert_eq!(LowPorts::Moved.place(80), 10080);
    assert_eq!(LowPorts::Moved.place(1024), 1024);
    assert_eq!(LowPorts::Allowed.place(80), 80);
}
