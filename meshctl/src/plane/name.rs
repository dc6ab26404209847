//! How a proxy is named on the command line: `NAME[.NAMESPACE]` or `TYPE/NAME[.NAMESPACE]`. Pure.

use std::fmt;

use crate::error::CommandError;

/// What kind of thing a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A pod; and, where there is none of that name, a Deployment.
    Any,
    /// A pod.
    Pod,
    /// Any pod of a Deployment.
    Deployment,
}

/// A proxy as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxyName {
    /// What it is the name of.
    pub(crate) kind: Kind,
    /// The name.
    pub(crate) name: String,
    /// The namespace, if one was said.
    pub(crate) namespace: Option<String>,
}

impl ProxyName {
    /// Reads a name; `flag` is what `-n` says.
    ///
    /// # Errors
    /// When it is none, or names another namespace than the flag.
    pub(crate) fn parse(text: &str, flag: Option<&str>) -> Result<Self, CommandError> {
        let (kind, rest) = match text.split_once('/') {
            None => (Kind::Any, text),
            Some(("pod" | "pods" | "po", rest)) => (Kind::Pod, rest),
            Some(("deployment" | "deployments" | "deploy", rest)) => (Kind::Deployment, rest),
            Some((other, _)) => {
                let error = format!("{text}: {other:?} has no proxies");
                return Err(CommandError::usage(error).hint("pod/NAME or deployment/NAME"));
            }
        };
        // istio: the last dot separates the namespace.
        let (name, own) = match rest.rsplit_once('.') {
            Some((name, namespace)) => (name, Some(namespace)),
            None => (rest, None),
        };
        if let (Some(own), Some(flag)) = (own, flag)
            && own != flag
        {
            let error = format!("{text} is in namespace {own}, and -n says {flag}");
            return Err(CommandError::usage(error).hint("say only one of them"));
        }
        let namespace = own.or(flag).map(ToOwned::to_owned);
        for part in [Some(name), namespace.as_deref()].into_iter().flatten() {
            checked(part)?;
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
            namespace,
        })
    }
}

/// A name of an object: nothing else may get into a path of the API server.
///
/// # Errors
/// When it is none.
pub(crate) fn checked(name: &str) -> Result<&str, CommandError> {
    let known =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !name.is_empty() && name.len() <= 253 && name.bytes().all(known) && !name.starts_with('.') {
        return Ok(name);
    }
    let error = format!("{name:?} is no name");
    Err(CommandError::usage(error).hint("lower case letters, digits, '-' and '.'"))
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Any => "",
            Kind::Pod => "pod/",
            Kind::Deployment => "deployment/",
        };
        write!(f, "{kind}{}", self.name)?;
        self.namespace
            .as_ref()
            .map_or(Ok(()), |namespace| write!(f, ".{namespace}"))
    }
}

#[cfg(test)]
mod tests;
