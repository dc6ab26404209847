use super::*;

#[test]
fn bytes_are_written_as_kubernetes_writes_them() {
    assert_eq!(parse_bytes("67108864"), Ok(64 << 20));
    assert_eq!(parse_bytes("64Mi"), Ok(64 << 20));
    assert_eq!(parse_bytes("1Gi"), Ok(1 << 30));
    assert_eq!(parse_bytes("2M"), Ok(2_000_000));
    for bad in ["", "Mi", "64MiB", "-1", "99999999999Gi"] {
        let error = parse_bytes(bad).unwrap_err();
        assert!(error.contains("write it like"), "{error}");
    }
}

#[test]
fn what_is_said_counts_before_what_the_machine_says() {
    let settings = OverloadSettings::from(OverloadFlags {
        memory_limit: Some(64 << 20),
        max_connections: Some(80),
        max_connections_per_listener: None,
        max_connections_per_ip: Some(3),
    });
    let connections = Most {
        total: 80,
        listener: 70,
        client: Some(3),
    };
    let memory = Some(64 << 20);
    assert_eq!(
        settings,
        OverloadSettings {
            memory,
            of_machine: false,
            connections
        }
    );
}

#[test]
fn no_bytes_are_no_limit() {
    let flags = OverloadFlags {
        memory_limit: Some(0),
        ..OverloadFlags::default()
    };
    assert_eq!(OverloadSettings::from(flags).memory, None);
}
