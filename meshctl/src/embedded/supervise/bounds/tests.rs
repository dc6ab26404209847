use std::io::Write;

use super::*;

/// A log that a process holds open for appending.
fn mk_log(folder: &tempfile::TempDir, lines: std::ops::Range<u32>) -> (std::path::PathBuf, File) {
    let path = folder.path().join("web-0.app.log");
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).open(&path).unwrap();
    add(&mut file, lines);
    (path, file)
}

fn add(file: &mut File, lines: std::ops::Range<u32>) {
    for line in lines {
        writeln!(file, "line {line:04}").unwrap();
    }
}

fn text(lines: std::ops::Range<u32>) -> String {
    lines.map(|line| format!("line {line:04}\n")).collect()
}

#[test]
fn a_log_that_is_small_enough_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = mk_log(&folder, 0..10);
    assert!(!turn_over(&log, 100).unwrap());
    assert_eq!(fs::read_to_string(&log).unwrap(), text(0..10));
    assert!(!turn_over(&folder.path().join("gone.log"), 100).unwrap());
}

#[test]
fn a_log_that_is_too_large_starts_over_and_its_end_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (log, mut process) = mk_log(&folder, 0..20);
    let old = folder.path().join("web-0.app.log.old");
    assert!(turn_over(&log, 101).unwrap());
    assert_eq!(fs::read_to_string(&old).unwrap(), text(10..20));
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    // The process goes on with the descriptor that it has.
    add(&mut process, 20..40);
    assert_eq!(fs::read_to_string(&log).unwrap(), text(20..40));
    assert!(turn_over(&log, 105).unwrap());
    assert_eq!(fs::read_to_string(&old).unwrap(), text(30..40));
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "the log and one old one");
}

#[test]
fn a_line_longer_than_all_that_is_kept_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (log, mut process) = mk_log(&folder, 0..0);
    write!(process, "{}", "x".repeat(10_000)).unwrap();
    assert!(turn_over(&log, 5_000).unwrap());
    let old = fs::read_to_string(folder.path().join("web-0.app.log.old")).unwrap();
    assert_eq!(old, "x".repeat(5_000));
}
