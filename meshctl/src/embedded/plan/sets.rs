//! `--set COMPONENT.FLAG=VALUE`: flags of components that the user decides.

use std::fmt;

use mesh_api::nearest;

use crate::error::CommandError;

/// What can be set, in the order of the help text, and its program.
const COMPONENTS: [(&str, &str); 4] = [
    ("citadel", "mesh-citadel"),
    ("pilot", "mesh-pilot"),
    ("mixer", "mesh-mixer"),
    ("proxy", "mesh-proxy"),
];

/// The flags that the user sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sets(Vec<Set>);

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    component: String,
    /// Its name without dashes.
    pub(crate) flag: String,
    value: String,
}

impl Set {
    /// As an argument of the program.
    pub(crate) fn argument(&self) -> String {
        argument(&self.flag, &self.value)
    }
}

impl fmt::Display for Set {
    /// Prints it as it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}={}", self.component, self.flag, self.value)
    }
}

impl Sets {
    /// Reads what stands behind each `--set`.
    ///
    /// # Errors
    /// Wrong usage: no such component, or not `COMPONENT.FLAG=VALUE`.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, CommandError> {
        texts
            .iter()
            .map(|text| parse(text))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The programs of which something is set, and what.
    pub(crate) fn by_program(&self) -> impl Iterator<Item = (&'static str, Vec<&Set>)> {
        COMPONENTS.iter().filter_map(|(component, program)| {
            let own = self.0.iter().filter(|set| set.component == *component);
            let own: Vec<&Set> = own.collect();
            (!own.is_empty()).then_some((*program, own))
        })
    }

    /// What one flag of a component is set to.
    pub(crate) fn last(&self, component: &str, flag: &str) -> Option<&str> {
        let own = self.0.iter().rev();
        let mut own = own.filter(|set| set.component == component && set.flag == flag);
        own.next().map(|set| set.value.as_str())
    }

    /// The flags of one component.
    pub(super) fn of<'a>(&'a self, component: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = self.0.iter().filter(move |set| set.component == component);
        own.map(|set| (set.flag.as_str(), set.value.as_str()))
    }
}

fn parse(text: &str) -> Result<Set, CommandError> {
    let malformed = || {
        CommandError::usage(format!("--set {text}: this is not COMPONENT.FLAG=VALUE"))
            .hint("for example --set citadel.workload-cert-ttl=1h")
    };
    let (path, value) = text.split_once('=').ok_or_else(malformed)?;
    let (component, flag) = path.split_once('.').ok_or_else(malformed)?;
    let flag = flag.trim_start_matches("--");
    if flag.is_empty() {
        return Err(malformed());
    }
    let names = COMPONENTS.map(|(name, _)| name);
    if !names.contains(&component) {
        let error = CommandError::usage(format!("--set {text}: no component {component:?}"));
        let known = format!("components are {}", names.join(", "));
        return Err(error.hint(match nearest(component, names) {
            Some(near) => format!("did you mean {near:?}? {known}"),
            None => known,
        }));
    }
    Ok(Set {
        component: component.to_owned(),
        flag: flag.to_owned(),
        value: value.to_owned(),
    })
}

/// Flags of a process, in order; the user's replace those of the same name.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags(Vec<(String, String)>);

impl Flags {
    /// Adds a flag.
    pub(super) fn with(mut self, flag: &str, value: impl ToString) -> Self {
        self.0.push((flag.to_owned(), value.to_string()));
        self
    }

    /// Lets the user's flags replace these.
    pub(super) fn with_sets(mut self, sets: &Sets, component: &str) -> Self {
        for (flag, _) in sets.of(component) {
            self.0.retain(|(own, _)| own != flag);
        }
        for (flag, value) in sets.of(component) {
            self = self.with(flag, value);
        }
        self
    }

    /// As arguments.
    pub(super) fn into_args(self) -> Vec<String> {
        self.0
            .into_iter()
            .map(|(flag, value)| argument(&flag, &value))
            .collect()
    }
}

/// `--flag=value` is one argument, so that a value may begin with a dash.
fn argument(flag: &str, value: &str) -> String {
    format!("--{flag}={value}")
}
