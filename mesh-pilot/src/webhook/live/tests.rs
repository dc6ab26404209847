use super::*;

fn files(folder: &Path) -> InjectorFiles {
    InjectorFiles {
        settings: Some(folder.join("config")),
        mesh: Some(folder.join("mesh")),
        root_namespace: "istio-system".into(),
    }
}

#[test]
fn a_change_counts_for_the_next_pod_and_a_bad_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("config", "revision: one\n");
    write("mesh", "trustDomain: here.example\n");
    let live = LiveInjector::open(files(folder.path())).unwrap();
    assert_eq!(live.current().revision, "one");
    assert_eq!(live.current().proxy.trust_domain, "here.example");

    write("config", "revision: two\n");
    assert_eq!(live.current().revision, "two");
    write("mesh", "trustDomain: there.example\n");
    assert_eq!(live.current().proxy.trust_domain, "there.example");

    write("config", "revison: three\n");
    assert_eq!(live.current().revision, "two");
    std::fs::remove_file(folder.path().join("config")).unwrap();
    assert_eq!(live.current().revision, "two");
    write("config", "revision: four\n");
    assert_eq!(live.current().revision, "four");
}

#[test]
fn a_bad_file_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = LiveInjector::open(files(folder.path())).unwrap_err();
    assert!(
        missing.to_string().contains("config: No such file"),
        "{missing}"
    );
    std::fs::write(folder.path().join("config"), "proxy: {imge: x}\n").unwrap();
    let bad = LiveInjector::open(files(folder.path())).unwrap_err();
    assert!(
        bad.to_string()
            .contains("config: proxy.imge: unknown field"),
        "{bad}"
    );
}

#[test]
fn without_files_it_is_the_mesh_of_its_namespace() {
    let files = InjectorFiles {
        root_namespace: "mesh".into(),
        ..InjectorFiles::default()
    };
    let live = LiveInjector::open(files).unwrap();
    assert_eq!(
        live.current().proxy.ca_address,
        "istio-citadel.mesh.svc:8060"
    );
}
