//! What the layers of the images hold, and where on this machine it is taken from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Content, Entry};

/// Certificates of public authorities, for programs that call servers outside of the mesh.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where Debian has the programs of netfilter.
const SBIN: &str = "/usr/sbin";
/// The programs that are another one by their name: of iptables for the kernel's tables of today, and
/// for the older ones.
const VARIANTS: [(&str, &str); 2] = [
    ("-nft", "xtables-nft-multi"),
    ("-legacy", "xtables-legacy-multi"),
];

/// The folders at the top that are links, as Debian has it.
pub(super) const MERGED: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
];

/// What all images have: the libraries of all programs, so that they share one layer.
pub(super) fn base(programs: &[PathBuf]) -> Result<Content> {
    let mut base = Content::default();
    for (folder, to) in MERGED {
        base.put(to, Entry::Folder { mode: 0o755 });
        base.link(folder, to);
    }
    for folder in ["proc", "sys", "dev", "run", "var/run"] {
        base.put(folder, Entry::Folder { mode: 0o755 });
    }
    base.put("tmp", Entry::Folder { mode: 0o1777 });
    base.text(
        "etc/passwd",
        "root:x:0:0:root:/:/usr/sbin/nologin\nistio-proxy:x:1337:1337:mesh:/:/usr/sbin/nologin\n",
    );
    base.text("etc/group", "root:x:0:\nistio-proxy:x:1337:\n");
    base.text("etc/nsswitch.conf", "hosts: files dns\n");
    base.copy(AUTHORITIES, Path::new(AUTHORITIES))
        .context("Debian's package ca-certificates has it")?;
    libraries(&mut base, programs)?;
    Ok(base)
}

/// A program alone.
pub(super) fn program(file: &Path, name: &str) -> Result<Content> {
    let mut program = Content::default();
    let copied = program.copy(&format!("usr/local/bin/{name}"), file);
    copied.context("build it: cargo build --release --workspace --bins")?;
    Ok(program)
}

/// iptables in both variants and nft, with their modules and libraries, beside what `base` has.
pub(super) fn netfilter(base: &Content) -> Result<Content> {
    const HINT: &str = "Debian's packages iptables and nftables have it";
    let mut netfilter = Content::default();
    let mut needing = vec![Path::new(SBIN).join("nft")];
    netfilter
        .copy("usr/sbin/nft", &Path::new(SBIN).join("nft"))
        .context(HINT)?;
    for (suffix, multi) in VARIANTS {
        let file = Path::new(SBIN).join(multi);
        netfilter
            .copy(&format!("usr/sbin/{multi}"), &file)
            .context(HINT)?;
        needing.push(file);
        for family in ["iptables", "ip6tables"] {
            for end in ["", "-restore", "-save"] {
                netfilter.link(&format!("usr/sbin/{family}{suffix}{end}"), multi);
            }
        }
    }
    // The plain names mean the tables of today.
    for family in ["iptables", "ip6tables"] {
        for end in ["", "-restore", "-save"] {
            netfilter.link(&format!("usr/sbin/{family}{end}"), "xtables-nft-multi");
        }
    }
    let modules = modules(&needing)?;
    for module in &modules {
        netfilter.copy(&place(module)?, module)?;
    }
    needing.extend(modules);
    libraries(&mut netfilter, &needing)?;
    Ok(netfilter.without(base))
}

/// The modules of iptables lie beside the library that loads them.
fn modules(programs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let needed = needed(programs)?;
    let library = needed.iter().find(|library| {
        let name = library.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("libxtables.so"))
    });
    let folder = library.and_then(|library| library.parent());
    let folder = folder
        .context("iptables has no libxtables")?
        .join("xtables");
    let found = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut modules: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
    modules.sort();
    Ok(modules)
}

fn libraries(content: &mut Content, programs: &[PathBuf]) -> Result<()> {
    for library in needed(programs)? {
        content.copy(&place(&library)?, &library)?;
    }
    Ok(())
}

/// Where a file of the machine is in an image: at its own path, as `/lib` is a link there too.
pub(super) fn place(file: &Path) -> Result<String> {
    let folder = file.parent().context("a file without a folder")?;
    let folder = folder
        .canonicalize()
        .with_context(|| file.display().to_string())?;
    let name = file.file_name().context("a file without a name")?;
    Ok(folder.join(name).to_string_lossy().into_owned())
}

/// The shared libraries that programs are started with, and what loads them.
pub(super) fn needed(programs: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let mut needed = BTreeSet::new();
    for program in programs {
        let output = Command::new("ldd").arg(program).output().context("ldd")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("statically linked") || complaint.contains("not a dynamic executable") {
            continue;
        }
        ensure!(
            output.status.success(),
            "ldd {}: {complaint}",
            program.display()
        );
        needed.extend(paths(&said).with_context(|| program.display().to_string())?);
    }
    Ok(needed)
}

/// The files in what `ldd` says: `NAME => FILE (ADDRESS)`, or `FILE (ADDRESS)`.
pub(super) fn paths(said: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in said.lines().map(str::trim) {
        if line.contains("=> not found") {
            bail!("{line}");
        }
        let file = line.split("=> ").last().unwrap_or_default();
        let file = file.split(" (").next().unwrap_or_default();
        // The kernel's own library (linux-vdso) is no file.
        if file.starts_with('/') {
            paths.push(PathBuf::from(file));
        }
    }
    Ok(paths)
}
