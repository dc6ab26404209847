use std::io::{Read, Write as _};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;

use super::*;

/// The files of an archive, as tar itself unpacks them: paths, and all contents one after the other.
pub(in super::super) fn unpacked(bytes: &[u8]) -> (Vec<String>, String) {
    let tar = |args: &[&str]| {
        let mut tar = Command::new("tar")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = tar.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let output = tar.wait_with_output().unwrap();
        drop(writer.join().unwrap());
        assert!(output.status.success(), "tar {args:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let paths = tar(&["-tzf", "-"]);
    let contents = tar(&["-xzOf", "-"]);
    (paths.lines().map(ToOwned::to_owned).collect(), contents)
}

#[test]
fn tar_unpacks_short_and_long_paths_with_their_contents() {
    let mut archive = Archive::new(Vec::new(), 1_800_000_000);
    let long = format!("r/{}/{}.json", "n".repeat(63), "é".repeat(120));
    archive.add("r/a.txt", b"one\n").unwrap();
    archive.add("r/empty", b"").unwrap();
    archive.add(&long, &[b'x'; 512]).unwrap();
    let (paths, contents) = unpacked(&archive.finish().unwrap());
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert_eq!(&paths[..2], ["r/a.txt", "r/empty"]);
    assert_eq!(contents, format!("one\n{}", "x".repeat(512)));
}

#[test]
fn every_file_is_its_owners_alone() {
    let mut archive = Archive::new(Vec::new(), 0);
    archive.add("a", b"1").unwrap();
    let mut tar = Vec::new();
    let packed = archive.finish().unwrap();
    GzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
    assert_eq!(&tar[100..107], b"0000600");
    assert_eq!(tar.len(), 4 * 512);
}
