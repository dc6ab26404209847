//! The proofs of identity of a local mesh's instances: 256 random bits each, known to the instance
//! by a file and to citadel by their hash.

use aws_lc_rs::{digest, rand};
use serde_json::json;

use super::plan::Token;
use super::state_dir::{self, StateDir};
use crate::error::CommandError;

/// Bytes of a token.
const SIZE: usize = 32;

/// Makes a fresh token and has citadel accept it.
///
/// # Errors
/// When the machine has no random numbers or the files cannot be written.
pub(crate) fn issue(dir: &StateDir, token: &Token) -> Result<(), CommandError> {
    let mut secret = [0; SIZE];
    rand::fill(&mut secret)
        .map_err(|_| CommandError::problem("the machine gives no random numbers"))?;
    let text = hex(&secret);
    let hash = hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let accepted = json!({"sha256": hash, "identity": token.identity.to_string()});
    dir.write(secret_file(&token.name), text.as_bytes())?;
    dir.write(
        accepted_file(&token.name),
        format!("{accepted}\n").as_bytes(),
    )
}

/// Has citadel forget one token, and removes it.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) fn revoke(dir: &StateDir, token: &Token) -> Result<(), CommandError> {
    // What citadel accepts goes first: it alone gives the secret a meaning.
    state_dir::remove(&dir.path(accepted_file(&token.name)))?;
    state_dir::remove(&dir.path(secret_file(&token.name)))
}

/// Has citadel forget every token, and removes them.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) fn revoke_all(dir: &StateDir) -> Result<(), CommandError> {
    for folder in ["tokens/accepted", "tokens"] {
        for file in state_dir::files(&dir.path(folder))? {
            state_dir::remove(&file)?;
        }
    }
    Ok(())
}

fn secret_file(name: &str) -> String {
    format!("tokens/{name}.token")
}

fn accepted_file(name: &str) -> String {
    format!("tokens/accepted/{name}.json")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
