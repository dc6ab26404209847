//! `cargo xtask bookinfo`: the images that samples/bookinfo's manifests name, all in one archive.
//!
//! Either the sample's own program plays every service, or each is written in a language of its own
//! (samples/bookinfo/polyglot), on a runtime of Debian's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::oci::Layout;
use super::{Content, ENVIRONMENT, archive, debian, java, parts};
use crate::bench::build;
use crate::say;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Each service in a language of its own: Python, Java, Node and Rust.
    #[arg(long)]
    polyglot: bool,
    /// Where the archive is put; target/images/bookinfo.tar if not said, or bookinfo-polyglot.tar.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Takes the program that was built before.
    #[arg(long)]
    built: bool,
}

/// The services by their images; the tag is that of the manifests.
pub(super) const TAG: &str = "1.20.3";
const PORT: &str = "9080";
/// Any, but not the sidecar's, whose connections are not captured.
const USER: &str = "1000:1000";

/// A service in a version.
pub(super) struct Version {
    service: Service,
    name: &'static str,
    environment: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Service {
    Productpage,
    Details,
    Ratings,
    Reviews,
}

pub(super) const VERSIONS: [Version; 6] = [
    Version::new(Service::Productpage, "v1", &[]),
    Version::new(Service::Details, "v1", &[]),
    Version::new(Service::Ratings, "v1", &[]),
    Version::new(Service::Reviews, "v1", &["ENABLE_RATINGS=false"]),
    Version::new(Service::Reviews, "v2", &["ENABLE_RATINGS=true"]),
    Version::new(
        Service::Reviews,
        "v3",
        &["ENABLE_RATINGS=true", "STAR_COLOR=red"],
    ),
];

impl Version {
    const fn new(
        service: Service,
        name: &'static str,
        environment: &'static [&'static str],
    ) -> Self {
        Self {
            service,
            name,
            environment,
        }
    }

    /// As manifests name it.
    pub(super) fn reference(&self) -> String {
        let (service, version) = (self.service.word(), self.name);
        format!("istio/examples-bookinfo-{service}-{version}:{TAG}")
    }
}

impl Service {
    fn word(self) -> &'static str {
        match self {
            Self::Productpage => "productpage",
            Self::Details => "details",
            Self::Ratings => "ratings",
            Self::Reviews => "reviews",
        }
    }
}

/// What a service runs on, and how it is started.
struct Runtime {
    /// Descriptors of its layers, the lowest first.
    layers: Vec<Value>,
    command: Vec<String>,
}

/// Makes the archive.
pub(crate) fn run(root: &Path, wish: &Wish) -> Result<()> {
    if !wish.built {
        build(root)?;
    }
    let mut layout = Layout::default();
    let rust = rust(&mut layout)?;
    let (others, name) = if wish.polyglot {
        let sample = root.join("samples/bookinfo/polyglot");
        (Some(others(&mut layout, &sample)?), "bookinfo-polyglot.tar")
    } else {
        (None, "bookinfo.tar")
    };
    for version in &VERSIONS {
        let (runtime, told) = version.runtime(&rust, others.as_ref());
        let config = version.config(runtime, told);
        layout.add(&version.reference(), &config, &runtime.layers)?;
    }
    let out = wish.out.clone();
    let out = out.unwrap_or_else(|| root.join("target/images").join(name));
    let folder = out.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let archive = layout.close()?;
    fs::write(&out, &archive).with_context(|| out.display().to_string())?;
    say(&format!("{} MiB  {}", archive.len() >> 20, out.display()));
    Ok(())
}

impl Version {
    /// What it runs on, and what that is told besides.
    fn runtime<'a>(
        &self,
        rust: &'a Runtime,
        others: Option<&'a Others>,
    ) -> (&'a Runtime, Vec<String>) {
        let word = self.service.word();
        match (others, self.service) {
            (None, _) => (rust, served(&[word])),
            (Some(_), Service::Details) => (rust, served(&[word, "--chunked"])),
            (Some(others), Service::Productpage) => (&others.productpage, Vec::new()),
            (Some(others), Service::Ratings) => (&others.ratings, Vec::new()),
            (Some(others), Service::Reviews) => (&others.reviews, Vec::new()),
        }
    }

    fn config(&self, runtime: &Runtime, told: Vec<String>) -> Value {
        let version = format!("SERVICE_VERSION={}", self.name);
        let entrypoint = [runtime.command.clone(), told].concat();
        let own = self.environment.iter().copied();
        let environment = ENVIRONMENT.into_iter().chain([version.as_str()]).chain(own);
        json!({
            "User": USER,
            "Entrypoint": entrypoint,
            "Env": environment.collect::<Vec<_>>(),
            "WorkingDir": "/",
        })
    }
}

/// The services that are not in Rust.
struct Others {
    productpage: Runtime,
    ratings: Runtime,
    reviews: Runtime,
}

/// The sample's own program.
fn rust(layout: &mut Layout) -> Result<Runtime> {
    let program = std::env::current_exe()?.with_file_name("bookinfo");
    let base = parts::base(std::slice::from_ref(&program))?;
    let program = parts::program(&program, "bookinfo")?;
    Ok(Runtime {
        layers: layers(layout, &[&base, &program])?,
        command: words(&["/usr/local/bin/bookinfo"]),
    })
}

/// What the sample's program is told after its name.
fn served(words_before: &[&str]) -> Vec<String> {
    let place = ["--port", PORT, "--address", "0.0.0.0"];
    words(&[words_before, &place].concat())
}

fn others(layout: &mut Layout, sample: &Path) -> Result<Others> {
    let base = parts::base(&[])?;
    let python = debian::tree(&["gunicorn", "python3-flask", "python3-requests"])?;
    let page = Content::folder(&sample.join("productpage"), is_source)?.below("app");
    let node = debian::tree(&["nodejs"])?;
    let stars = Content::folder(&sample.join("ratings"), |_| true)?.below("app");
    let java = java::runtime(&["java.net.http", "jdk.httpserver"])?;
    let texts = java::classes(&sample.join("reviews/Reviews.java"))?.below("app");
    let bind = format!("0.0.0.0:{PORT}");
    Ok(Others {
        productpage: Runtime {
            layers: layers(layout, &[&base, &python, &page])?,
            command: words(&[
                "/usr/bin/python3",
                "-m",
                "gunicorn",
                "--config",
                "/app/gunicorn.conf.py",
                "--bind",
                &bind,
                "productpage:app",
            ]),
        },
        ratings: Runtime {
            layers: layers(layout, &[&base, &node, &stars])?,
            command: words(&["/usr/bin/node", "/app/ratings.mjs", PORT, "0.0.0.0"]),
        },
        reviews: Runtime {
            layers: layers(layout, &[&base, &java, &texts])?,
            command: words(&[
                java::PROGRAM,
                "-XX:+UseSerialGC",
                "-Xmx64m",
                "-cp",
                "/app",
                "Reviews",
                PORT,
                "0.0.0.0",
            ]),
        },
    })
}

fn layers(layout: &mut Layout, contents: &[&Content]) -> Result<Vec<Value>> {
    let packed = contents
        .iter()
        .map(|content| layout.layer(archive(content)?));
    packed.collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Not what Python leaves behind.
fn is_source(path: &str) -> bool {
    !path.contains("__pycache__")
}
