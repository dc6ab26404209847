use super::*;

const SMAPS: &str = "\
55d0c0a00000-55d0c0b00000 r--p 00000000 fe:00 1234                       /usr/bin/program
Size:               1024 kB
Rss:                 512 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
55d0c0b00000-55d0c0d00000 r-xp 00100000 fe:00 1234                       /usr/bin/program
Rss:                2048 kB
Anonymous:             0 kB
55d0c0d00000-55d0c0d10000 r--p 00300000 fe:00 1234                       /usr/bin/program
Rss:                  64 kB
Anonymous:            64 kB
55d0c0d10000-55d0c0d20000 rw-p 00310000 fe:00 1234                       /usr/bin/program
Anonymous:             0 kB
55d0c1000000-55d0c1100000 rw-p 00000000 00:00 0                          [heap]
Anonymous:          1024 kB
7f0000000000-7f0000001000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000002000-7f0000003000 r--s 00000000 fe:00 99                         /shared
Anonymous:             0 kB
7fff00000000-7fff00002000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
";

#[test]
fn only_what_is_as_in_its_file_is_forgotten() {
    let found: Vec<_> = unwritten(SMAPS).collect();
    let mapping = |start, bytes| Mapping {
        start,
        bytes,
        file: "/usr/bin/program",
    };
    assert_eq!(
        found,
        [
            mapping(0x55d0_c0a0_0000, 0x10_0000),
            mapping(0x55d0_c0b0_0000, 0x20_0000)
        ]
    );
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    for line in [
        "",
        "nothing",
        "zz-10 r-xp 0 0 0 /a",
        "20-10 r-xp 0 0 0 /a",
        "10-20 r-xp 0 0 0",
    ] {
        assert_eq!(of_file(line), None, "{line}");
    }
}

/// The program goes on, constants included, and has fewer pages of files for a while.
#[cfg(target_os = "linux")]
#[test]
fn a_program_goes_on_without_its_pages() {
    let words = ["what", "is", "constant", "stays"];
    let before = words.concat();
    let forgotten = forget().unwrap();
    assert!(forgotten > 256 << 10, "{forgotten}");
    assert_eq!(words.concat(), before);
    assert_eq!(format!("{:?}", 1.5_f64), "1.5");
}
