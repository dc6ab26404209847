//! Where the roots of the mesh are: with citadel's CA, whose folder the user may set.

use std::io;
use std::path::{Path, PathBuf};

use super::plan::sets::Sets;

/// What citadel looks for in its folder first, and makes if there is nothing.
const ISTIO: [&str; 4] = [
    "ca-key.pem",
    "ca-cert.pem",
    "root-cert.pem",
    "cert-chain.pem",
];
/// The roots among these.
const ROOTS: &str = "root-cert.pem";
/// The roots of a folder that has the entries of a Secret of type kubernetes.io/tls instead.
const TLS_ROOTS: &str = "ca.crt";

/// The file with the roots of a mesh whose state folder is `state`.
///
/// # Errors
/// When the working folder is gone, to which the user's path is relative.
pub(crate) fn roots(state: &Path, sets: &Sets) -> io::Result<PathBuf> {
    let folder = match sets.last("citadel", "ca-dir") {
        Some(given) => std::path::absolute(given)?,
        None => state.join("ca"),
    };
    let is_there = |name: &&str| folder.join(name).exists();
    let of_tls = is_there(&TLS_ROOTS) && !ISTIO.iter().any(is_there);
    Ok(folder.join(if of_tls { TLS_ROOTS } else { ROOTS }))
}

#[cfg(test)]
mod tests;
