//! `cargo xtask images`: a root file system and an OCI archive for each program, without a daemon.
//!
//! The programs are those of the release build, with the shared libraries that `ldd` names (ADR 0010).
//! What is made depends on what it is made of alone: names are sorted, times and owners fixed.

pub(crate) mod bookinfo;
mod content;
mod debian;
mod java;
mod oci;
mod parts;
mod tar;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

pub(crate) use self::tar::archive;
pub(crate) use content::{Content, Entry};
pub(crate) use oci::{architecture, sha256};

use crate::bench::build;
use crate::say;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// What stands before the names of the images: HUB/mesh-pilot:TAG.
    #[arg(long, default_value = "mesh")]
    hub: String,
    /// Tag of the images.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Where they are put; target/images if not said.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Takes the programs that were built before.
    #[arg(long)]
    built: bool,
}

/// One image: one program.
pub(crate) struct Image {
    /// Its name, and that of the program.
    pub(crate) name: &'static str,
    /// Whether it has what redirects the connections of a pod.
    pub(crate) netfilter: bool,
}

pub(crate) const IMAGES: [Image; 5] = [
    Image::of("mesh-citadel"),
    Image::of("mesh-mixer"),
    Image::of("mesh-pilot"),
    Image {
        netfilter: true,
        ..Image::of("mesh-proxy")
    },
    Image::of("meshctl"),
];

impl Image {
    const fn of(name: &'static str) -> Self {
        Self {
            name,
            netfilter: false,
        }
    }
}

/// User and group of every program that is told no other: Istio's of its sidecar.
pub(crate) const USER: &str = "1337:1337";
/// Variables of every program. The second are `mesh_model::heap::TUNABLES`.
pub(crate) const ENVIRONMENT: [&str; 2] = [
    "PATH=/usr/local/bin:/usr/sbin:/usr/bin",
    "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=131072:glibc.malloc.top_pad=0:glibc.malloc.trim_threshold=65536:glibc.malloc.tcache_max=256",
];

/// Makes every image: a folder `NAME` and an archive `NAME.tar`.
pub(crate) fn run(root: &Path, wish: &Wish) -> Result<()> {
    if !wish.built {
        build(root)?;
    }
    let programs = std::env::current_exe()?;
    let programs = programs.parent().context("no folder of programs")?;
    let out = wish.out.clone();
    let out = out.unwrap_or_else(|| root.join("target/images"));
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let names: Vec<PathBuf> = IMAGES
        .iter()
        .map(|image| programs.join(image.name))
        .collect();
    let base = parts::base(&names)?;
    let netfilter = parts::netfilter(&base)?;
    for image in &IMAGES {
        let program = parts::program(&programs.join(image.name), image.name)?;
        let mut layers = vec![&base];
        if image.netfilter {
            layers.push(&netfilter);
        }
        layers.push(&program);
        put(image, &layers, wish, &out)?;
    }
    Ok(())
}

fn put(image: &Image, layers: &[&Content], wish: &Wish, out: &Path) -> Result<()> {
    let folder = out.join(image.name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    for layer in layers {
        layer.unpack(&folder)?;
    }
    let reference = format!("{}/{}:{}", wish.hub, image.name, wish.tag);
    let config = json!({
        "User": USER,
        "Entrypoint": [format!("/usr/local/bin/{}", image.name)],
        "Env": ENVIRONMENT,
        "WorkingDir": "/",
        "Labels": {
            "org.opencontainers.image.title": image.name,
            "org.opencontainers.image.version": wish.tag,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        },
    });
    let layers: Result<Vec<Vec<u8>>> = layers.iter().map(|layer| archive(layer)).collect();
    let archive = oci::image(&reference, &config, layers?)?;
    let file = out.join(format!("{}.tar", image.name));
    fs::write(&file, &archive).with_context(|| file.display().to_string())?;
    let mebibytes = archive.len() >> 20;
    say(&format!(
        "{reference:<32} {mebibytes:>4} MiB  {}",
        file.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests;
