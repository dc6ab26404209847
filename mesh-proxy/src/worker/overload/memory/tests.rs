use std::fs;

use super::*;

#[test]
fn the_second_number_is_what_is_resident() {
    assert_eq!(resident_pages(b"15437 2714 2105 4523 0 3312 0\n"), 2714);
    assert_eq!(resident_pages(b""), 0);
    assert_eq!(resident_pages(b"1 many"), 0);
}

#[test]
fn the_strictest_group_counts() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let file = root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("memory.max", "max\n");
    write("pods/memory.max", "134217728\n");
    write("pods/one/memory.max", "268435456\n");
    write("pods/slow/memory.max", "max\n");
    write("pods/slow/memory.high", "100663296\n");
    write("memory/memory.limit_in_bytes", "9223372036854771712\n");
    write("memory/docker/one/memory.limit_in_bytes", "67108864\n");
    let limit = |groups| limit_of_groups(groups, root.path());
    assert_eq!(limit("0::/\n"), None);
    assert_eq!(limit("0::/pods/one\n"), Some(128 << 20));
    assert_eq!(limit("0::/pods/slow\n"), Some(96 << 20));
    assert_eq!(
        limit("12:cpu,cpuacct:/x\n4:memory:/docker/one\n"),
        Some(64 << 20)
    );
    // The host's path, which a container does not see.
    assert_eq!(limit("4:memory:/gone\n0::/../other\n"), None);
    assert_eq!(limit("nonsense\n"), None);
}
