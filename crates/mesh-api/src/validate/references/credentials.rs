//! The Secrets that a Gateway's servers need.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::codes;
use crate::kubernetes::secret::{Part, ROOTS_SUFFIX, Secret};
use crate::networking::gateway::ServerTls;
use crate::resources::{Resource, ResourceSet};

/// Secrets by namespace and name.
pub(super) struct Secrets<'a>(BTreeMap<(&'a str, &'a str), &'a Secret>);

impl<'a> Secrets<'a> {
    pub(super) fn new(set: &'a ResourceSet) -> Self {
        let entry = |secret: &'a Resource<Secret>| {
            let key = &secret.key;
            ((key.namespace.as_str(), key.name.as_str()), &secret.spec)
        };
        Self(set.secrets.iter().map(|secret| entry(secret)).collect())
    }

    /// Says which of them are missing, or cannot be used, in a namespace of the gateway's pods.
    pub(super) fn check(
        &self,
        tls: &ServerTls,
        field: &str,
        namespaces: &BTreeSet<&str>,
        findings: &mut Findings<'_>,
    ) {
        for namespace in namespaces {
            if !tls.mode.needs_certificate() {
                continue;
            }
            let names = tls.credential_names.iter().enumerate();
            let names = names.map(|(index, name)| (format!("credentialNames[{index}]"), name));
            let one = ("credentialName".to_owned(), &tls.credential_name);
            let one = Some(one).filter(|(_, name)| !name.is_empty());
            for (of, name) in one.into_iter().chain(names) {
                if let Err(why) = self.certificate(namespace, name) {
                    unusable(format!("{field}.{of}"), why, findings);
                }
            }
            if let Some((of, why)) = self.roots(tls, namespace) {
                unusable(format!("{field}.{of}"), why, findings);
            }
        }
    }

    fn certificate(&self, namespace: &str, name: &str) -> Result<(), String> {
        let Some(secret) = self.0.get(&(namespace, name)) else {
            return Err(missing(namespace, name));
        };
        match &secret.certificate {
            Part::Good(_) => Ok(()),
            Part::Bad(why) => Err(format!("the Secret {namespace}/{name} is unusable: {why}")),
            Part::Missing => Err(format!(
                "the Secret {namespace}/{name} has no tls.crt and tls.key, nor cert and key"
            )),
        }
    }

    /// The field that needs roots, and why there are none.
    fn roots(&self, tls: &ServerTls, namespace: &str) -> Option<(&'static str, String)> {
        if !tls.mode.needs_roots() || !tls.ca_certificates.is_empty() {
            return None;
        }
        let own = &tls.ca_cert_credential_name;
        if !own.is_empty() {
            let why = match self.0.get(&(namespace, own.as_str())) {
                None => missing(namespace, own),
                Some(secret) => of_roots(secret, namespace, own)?,
            };
            return Some(("caCertCredentialName", why));
        }
        let name = tls.credentials().next()?;
        let beside = format!("{name}{ROOTS_SUFFIX}");
        if let Some(secret) = self.0.get(&(namespace, beside.as_str())) {
            return of_roots(secret, namespace, &beside).map(|why| ("credentialName", why));
        }
        let secret = self.0.get(&(namespace, name))?;
        let why = match &secret.roots {
            Part::Missing => format!(
                "{} needs roots: neither has the Secret {namespace}/{name} a ca.crt, nor is there \
                 a Secret {namespace}/{beside}",
                tls.mode.word()
            ),
            Part::Good(_) | Part::Bad(_) => of_roots(secret, namespace, name)?,
        };
        Some(("credentialName", why))
    }
}

fn of_roots(secret: &Secret, namespace: &str, name: &str) -> Option<String> {
    match &secret.roots {
        Part::Good(_) => None,
        Part::Bad(why) => Some(format!("the Secret {namespace}/{name} is unusable: {why}")),
        Part::Missing => Some(format!(
            "the Secret {namespace}/{name} has no ca.crt, nor cacert"
        )),
    }
}

fn missing(namespace: &str, name: &str) -> String {
    format!("there is no usable Secret {namespace}/{name}, where the gateway's pods are")
}

fn unusable(field: String, why: String, findings: &mut Findings<'_>) {
    let hint = "until there is one, TLS with this server fails";
    findings.warning(codes::REFERENCE, field, why, hint);
}
