//! Every target with the corpus, and with inputs made of it by a seeded generator.

use std::path::Path;

use crate::{TARGETS, Target};

/// Inputs of each target beside its corpus.
const INPUTS: usize = 3_000;
const LONGEST: usize = 4_096;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// Changes a few bytes, as fuzzers do.
fn mutate(random: &mut fastrand::Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    const WORDS: [&[u8]; 12] = [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"chunked",
        b"content-length: 5",
        b"\0",
        b" ",
        b":",
        b"\x80",
        b"\xff\xff",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    let pick = |random: &mut fastrand::Rng| corpus[random.usize(..corpus.len())].clone();
    let mut bytes = pick(random);
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        match random.u8(..6) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            2 => drop(bytes.splice(at..at, WORDS[random.usize(..12)].iter().copied())),
            3 => drop(bytes.drain(at..(at + random.usize(..8)).min(bytes.len()))),
            4 => {
                let other = pick(random);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
            _ => {
                let end = (at + random.usize(..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

#[track_caller]
fn holds((name, target): Target) {
    let corpus = corpus(name);
    for input in &corpus {
        target(input);
    }
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..INPUTS {
        let input = mutate(&mut random, &corpus);
        let held = std::panic::catch_unwind(|| target(&input));
        assert!(held.is_ok(), "{name}, input {number}: {input:?}");
    }
}

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|(own, _)| *own == name).unwrap()
}

#[test]
fn an_h1_server_reads_cut_bytes_alike_and_its_answers_are_read_as_meant() {
    holds(target("h1_server"));
}

#[test]
fn an_h1_client_reads_cut_bytes_alike() {
    holds(target("h1_client"));
}

#[test]
fn an_h2_server_keeps_windows_and_its_answers_are_read_as_meant() {
    holds(target("h2_server"));
}

#[test]
fn an_h2_client_keeps_windows_and_its_requests_are_read_as_meant() {
    holds(target("h2_client"));
}

#[test]
fn header_blocks_are_read_as_others_read_them() {
    holds(target("hpack"));
}

#[test]
fn chunked_bodies_are_read_as_their_grammar_says() {
    holds(target("chunks"));
}

#[test]
fn an_exchange_reaches_the_back_end_as_the_same_single_request() {
    holds(target("exchange"));
}

#[test]
fn every_target_has_a_fuzzer() {
    let manifest = include_str!("../../../fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

/// The judge's decoder gives up behind five octets of an integer; what we read is no finding then.
#[test]
fn integers_longer_than_the_judge_reads_are_passed_over() {
    let over_long = [6, 0x1f, 0x84, 0x80, 0x80, 0x80, 0x00];
    let mut block = over_long[1..].to_vec();
    let refused = httlib_hpack::Decoder::default().decode(&mut block, &mut Vec::new());
    assert_eq!(refused, Err(httlib_hpack::DecoderError::IntegerOverflow));
    (target("hpack").1)(&over_long);
}
