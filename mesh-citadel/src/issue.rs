//! From an authenticated identity and a public key to a certificate. Pure: time, chance and keys
//! come in as values.
//!
//! The steps hold each other: `prepare` draws a leaf up and lints it as signed by a throwaway key;
//! only then is there an [`prepare::IssueToken`], which `issue` consumes for exactly one signature;
//! `recheck` looks at the finished certificate as a peer would before it leaves.

#[expect(
    clippy::module_inception,
    reason = "the stage is named after what it does"
)]
pub mod issue;
pub mod prepare;
pub mod profile;
mod recheck;
pub mod request;

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The signer cannot draw up or sign anything now.
    #[error("no certificate can be drawn up: {0}")]
    Template(#[from] mesh_pki::template::TemplateError),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] mesh_pki::ca::CaError),
    /// The certificate breaks a rule of ours: a fault of this program.
    #[error("the certificate breaks a rule: {0}")]
    Lint(String),
    /// A peer would refuse the certificate.
    #[error("the certificate would be refused by peers: {0}")]
    Recheck(String),
}

impl IssueError {
    /// Every word that [`IssueError::label`] has.
    pub const LABELS: [&'static str; 4] = ["template", "sign", "lint", "recheck"];

    /// A constant word for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::Sign(_) => "sign",
            Self::Lint(_) => "lint",
            Self::Recheck(_) => "recheck",
        }
    }
}

fn lint_error(findings: &[mesh_pki::lint::Finding]) -> IssueError {
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    IssueError::Lint(findings.join("; "))
}

#[cfg(test)]
mod tests;
