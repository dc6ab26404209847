//! Where the descriptors are from, and messages there and back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::*;
use crate::any;
use crate::envoy::envoy::config::cluster::v3::Cluster;
use crate::envoy::envoy::config::listener::v3::Listener;

/// Whose `.proto` files they are made of.
const SOURCE: &str = "envoy-types";
/// Folders of it in which imports are looked for.
const ROOTS: [&str; 8] = [
    "data-plane-api",
    "xds",
    "googleapis",
    "protoc-gen-validate",
    "opentelemetry-proto",
    "client_model",
    "cel-spec/proto",
    "ratelimit",
];

/// A name in it means something else to a compiler that looks also at files that are not imported. What it
/// describes is not supported here.
const NOT_COMPILED: &str = "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto";

/// `UPDATE=1` writes the file; `cargo xtask descriptors` says so.
#[test]
fn the_descriptors_are_those_of_the_generated_types() {
    let made = compiled(&proto_folder());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("descriptors/envoy.binpb.gz");
    if std::env::var_os("UPDATE").is_some() {
        let mut packed = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
        packed.write_all(&made).unwrap();
        std::fs::write(&file, packed.finish().unwrap()).unwrap();
        return;
    }
    let mut have = Vec::new();
    let packed = std::fs::File::open(&file).unwrap();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut have)
        .unwrap();
    assert!(
        have == made,
        "{} is of another version of {SOURCE}: cargo xtask descriptors",
        file.display()
    );
}

/// Where cargo keeps the sources of the types.
fn proto_folder() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Crates of other platforms may not be there.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let source = packages.iter().find(|package| package["name"] == SOURCE);
    let manifest = source.unwrap()["manifest_path"].as_str().unwrap();
    Path::new(manifest).parent().unwrap().join("proto")
}

/// All of Envoy's files with what they import, without comments.
fn compiled(proto: &Path) -> Vec<u8> {
    let roots: Vec<PathBuf> = ROOTS.iter().map(|root| proto.join(root)).collect();
    let mut files = Vec::new();
    find(&roots[0].join("envoy"), &mut files);
    find(&roots[1].join("xds"), &mut files);
    files.sort();
    files.retain(|file| !file.ends_with(NOT_COMPILED));
    let compiler = || {
        let mut compiler = protox::Compiler::new(&roots).unwrap();
        compiler.include_imports(true).include_source_info(false);
        compiler
    };
    let mut together = compiler();
    let mut sets = Vec::new();
    for file in files {
        if together.open_file(&file).is_err() {
            // A name in it means something else as soon as another file is known.
            let mut alone = compiler();
            alone.open_file(&file).unwrap();
            sets.push(alone.encode_file_descriptor_set());
        }
    }
    sets.insert(0, together.encode_file_descriptor_set());
    merged(&sets)
}

/// Files as their compiler encodes them: the types of prost would lose options that extend others.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
}

/// All files, each once, those that are imported before those that import them.
fn merged(sets: &[Vec<u8>]) -> Vec<u8> {
    let mut names = std::collections::BTreeSet::new();
    let sets = sets
        .iter()
        .map(|set| Files::decode(set.as_slice()).unwrap());
    let is_new = |file: &Vec<u8>| names.insert(File::decode(file.as_slice()).unwrap().name);
    Files {
        files: sets.flat_map(|set| set.files).filter(is_new).collect(),
    }
    .encode_to_vec()
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "proto") {
            found.push(path);
        }
    }
}

#[test]
fn what_is_read_is_written_again() {
    let descriptors = Descriptors::load().unwrap();
    let text = json!({
        "name": "shop",
        "connect_timeout": "0.250s",
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": { "max_concurrent_streams": 7 } },
            },
        },
    });
    let cluster: Cluster = descriptors.read(&text).unwrap();
    assert_eq!(cluster.name, "shop");
    assert_eq!(cluster.connect_timeout.unwrap().nanos, 250_000_000);
    let written = descriptors.write(&any::pack(&cluster)).unwrap();
    assert_eq!(written, text);
}

#[test]
fn what_does_not_fit_is_named() {
    let descriptors = Descriptors::load().unwrap();
    let said = |text: Value| descriptors.read::<Listener>(&text).unwrap_err().to_string();
    let unknown = said(json!({ "name": "a", "colour": "red" }));
    assert!(unknown.contains("colour"), "{unknown}");
    let type_url = "type.googleapis.com/envoy.extensions.filters.network.Nothing";
    let filter = json!({ "name": "f", "typed_config": { "@type": type_url } });
    let other = said(json!({ "filter_chains": [{ "filters": [filter] }] }));
    assert!(
        other.contains("envoy.extensions.filters.network.Nothing"),
        "{other}"
    );
    let none = Any {
        type_url: "type.googleapis.com/no.such.Message".into(),
        value: Vec::new(),
    };
    let none = descriptors.write(&none).unwrap_err().to_string();
    assert_eq!(none, "no.such.Message is no message of Envoy's API");
}
