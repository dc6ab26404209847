//! The test suites: what each proves, what it needs, how to run it alone.

use std::collections::BTreeSet;
use std::process::Command;

/// A capability of the machine that some suites cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// The user is root.
    Root,
    /// The program `openssl` is there.
    Openssl,
}

impl Need {
    pub(crate) const ALL: [Self; 2] = [Self::Root, Self::Openssl];

    /// The word for it in `MESH_REQUIRE` and in the closing table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Openssl => "openssl",
        }
    }

    /// Whether the machine has it.
    pub(crate) fn met(self) -> bool {
        match self {
            Self::Root => runs("id", &["-u"]).is_some_and(|uid| uid.trim() == "0"),
            Self::Openssl => runs("openssl", &["version"]).is_some(),
        }
    }

    /// Tries to get it without asking anybody anything.
    pub(crate) fn install(self) {
        let package = match self {
            Self::Root => return,
            Self::Openssl => "openssl",
        };
        if Self::Root.met() && runs("apt-get", &["--version"]).is_some() {
            let _updated = runs("apt-get", &["update", "-qq"]);
            let _installed = runs("apt-get", &["install", "-y", "-qq", package]);
        }
    }
}

/// A test target of Cargo with what it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suite {
    /// Name in the closing table.
    pub(crate) name: &'static str,
    /// What it proves.
    pub(crate) proves: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Need],
    /// Arguments of `cargo test --release --workspace`: always the whole workspace, so that every
    /// command builds the dependencies with the same features, once. The targets of the later
    /// suites have `test = false` in tests/Cargo.toml and run only when they are named.
    pub(crate) cargo: &'static [&'static str],
}

/// Every suite, in the order in which they run.
pub(crate) const SUITES: [Suite; 4] = [
    Suite {
        name: "units",
        proves: "rings 0 to 3: functions, goldens, meaning, one process",
        needs: &[],
        cargo: &[],
    },
    Suite {
        name: "journeys",
        proves: "ring 4: the whole mesh on loopback, every journey of the user",
        needs: &[],
        cargo: &["--test", "journeys"],
    },
    Suite {
        name: "openssl",
        proves: "an independent TLS client sees the chain that we promise",
        needs: &[Need::Openssl],
        cargo: &["--test", "openssl"],
    },
    Suite {
        name: "unprivileged",
        proves: "the mesh runs for an ordinary user with an empty home",
        needs: &[Need::Root],
        cargo: &["--test", "unprivileged"],
    },
];

/// What the machine has, after trying to install what is missing.
pub(crate) fn capabilities() -> BTreeSet<Need> {
    Need::ALL
        .into_iter()
        .filter(|need| {
            if !need.met() {
                need.install();
            }
            need.met()
        })
        .collect()
}

fn runs(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
