//! An image as one file: the image layout of the Open Container Initiative in a tar archive, which
//! containerd, Podman and Docker import.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Content, Entry, archive};

/// The archive of an image with these layers, the lowest first.
pub(super) fn image(reference: &str, config: &Value, layers: Vec<Vec<u8>>) -> Result<Vec<u8>> {
    let mut layout = Layout::default();
    let layers = layers.into_iter().map(|layer| layout.layer(layer));
    let layers: Vec<Value> = layers.collect::<Result<_>>()?;
    layout.add(reference, config, &layers)?;
    layout.close()
}

/// An archive that is being made, of any number of images.
#[derive(Default)]
pub(super) struct Layout {
    content: Content,
    manifests: Vec<Value>,
}

impl Layout {
    /// Puts a layer in, for all images that have it; what points to it.
    pub(super) fn layer(&mut self, layer: Vec<u8>) -> Result<Value> {
        self.blob("application/vnd.oci.image.layer.v1.tar", layer)
    }

    /// Puts an image in, with layers that are in already, the lowest first.
    pub(super) fn add(&mut self, reference: &str, config: &Value, layers: &[Value]) -> Result<()> {
        // Layers are not compressed, so their digests are those of their content.
        let digests: Vec<&Value> = layers
            .iter()
            .filter_map(|layer| layer.get("digest"))
            .collect();
        let config = self.json(
            "application/vnd.oci.image.config.v1+json",
            &json!({
                "architecture": architecture()?,
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": digests},
            }),
        )?;
        let mut manifest = self.json(
            "application/vnd.oci.image.manifest.v1+json",
            &json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config,
                "layers": layers,
            }),
        )?;
        let tag = reference.rsplit(':').next().unwrap_or_default();
        let names = json!({
            "io.containerd.image.name": full(reference),
            "org.opencontainers.image.ref.name": tag,
        });
        let members = manifest.as_object_mut().context("a descriptor")?;
        members.insert("annotations".to_owned(), names);
        self.manifests.push(manifest);
        Ok(())
    }

    /// The archive.
    pub(super) fn close(mut self) -> Result<Vec<u8>> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": self.manifests,
        });
        self.content.text("index.json", &index.to_string());
        let version = json!({"imageLayoutVersion": "1.0.0"});
        self.content.text("oci-layout", &version.to_string());
        archive(&self.content)
    }

    /// Puts a blob in; what points to it.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Result<Value> {
        let digest = sha256(&bytes)?;
        let size = bytes.len();
        let file = Entry::File { mode: 0o644, bytes };
        self.content.put(&format!("blobs/sha256/{digest}"), file);
        let digest = format!("sha256:{digest}");
        Ok(json!({"mediaType": media_type, "digest": digest, "size": size}))
    }

    fn json(&mut self, media_type: &str, value: &Value) -> Result<Value> {
        self.blob(media_type, value.to_string().into_bytes())
    }
}

/// The reference as container engines complete it: without a host it is one of Docker's.
fn full(reference: &str) -> String {
    let host = reference.split('/').next().unwrap_or_default();
    if host == "localhost" || host.contains(['.', ':']) {
        return reference.to_owned();
    }
    format!("docker.io/{reference}")
}

/// The machine in the words of Go.
pub(crate) fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => anyhow::bail!("no image was ever made for {other}"),
    }
}

/// By the program of coreutils: a crate for it would be the gates' only cryptography.
pub(crate) fn sha256(bytes: &[u8]) -> Result<String> {
    let mut program = Command::new("sha256sum");
    let program = program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = program.spawn().context("sha256sum")?;
    // It prints when it has read everything, so neither waits for the other.
    let mut input = child.stdin.take().context("no input")?;
    input.write_all(bytes)?;
    drop(input);
    let output = child.wait_with_output()?;
    let said = String::from_utf8(output.stdout)?;
    let digest = said.split_whitespace().next().unwrap_or_default();
    ensure!(digest.len() == 64, "sha256sum said {said:?}");
    Ok(digest.to_owned())
}
