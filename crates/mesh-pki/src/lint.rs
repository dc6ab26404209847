//! Looks at a finished leaf certificate before it leaves: one function per rule.
//!
//! It reads the DER afresh and knows nothing of how the certificate was made, so that a change of
//! the signing library's defaults cannot pass unseen.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_BASIC_CONSTRAINTS,
    OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE, OID_X509_EXT_SUBJECT_ALT_NAME,
    OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, Oid,
};
use x509_parser::x509::X509Version;

use crate::chain::{self, CertificateFacts};
use crate::dates;
use crate::template::ToBeSigned;

/// A rule that a finished certificate breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {why}")]
pub struct Finding {
    /// Name of the rule.
    pub rule: &'static str,
    /// What was found.
    pub why: String,
}

/// What a rule may look at.
struct Case<'a> {
    leaf: &'a X509Certificate<'a>,
    ordered: &'a ToBeSigned,
    signer: &'a CertificateFacts,
}

type Rule = fn(&Case<'_>) -> Result<(), String>;

const RULES: [(&str, Rule); 12] = [
    ("version", version),
    ("serial", serial),
    ("empty subject", empty_subject),
    ("issuer", issuer),
    ("name", name),
    ("key usage", key_usage),
    ("extended key usage", extended_key_usage),
    ("basic constraints", basic_constraints),
    ("validity", validity),
    ("within signer", within_signer),
    ("public key", public_key),
    ("extensions", extensions),
];

/// Checks a finished leaf against what was ordered and who signed it; returns every broken rule.
///
/// # Errors
/// At least one finding.
pub fn check_leaf(
    certificate: &CertificateDer<'_>,
    ordered: &ToBeSigned,
    signer: &CertificateFacts,
) -> Result<(), Vec<Finding>> {
    let leaf = chain::parse(certificate).map_err(|why| vec![Finding { rule: "form", why }])?;
    let case = Case {
        leaf: &leaf,
        ordered,
        signer,
    };
    let broken = RULES.iter().filter_map(|(rule, check)| {
        let why = check(&case).err()?;
        Some(Finding { rule, why })
    });
    let findings: Vec<_> = broken.collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings)
    }
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn unreadable(error: x509_parser::error::X509Error) -> String {
    error.to_string()
}

fn version(case: &Case<'_>) -> Result<(), String> {
    let version = case.leaf.version();
    demand(version == X509Version::V3, || format!("{version}"))
}

fn serial(case: &Case<'_>) -> Result<(), String> {
    let got = case.leaf.raw_serial();
    // DER puts a zero byte before a number whose first bit is set.
    let number: Vec<u8> = got.iter().copied().skip_while(|byte| *byte == 0).collect();
    let ordered = case.ordered.serial_hex();
    demand(got.len() <= 20, || {
        format!("{} bytes, at most 20", got.len())
    })?;
    demand(number.len() >= 8, || "fewer than 64 bits".into())?;
    demand(
        chain::hex(&number) == ordered.trim_start_matches("00"),
        || format!("{} was ordered as {ordered}", chain::hex(got)),
    )
}

fn empty_subject(case: &Case<'_>) -> Result<(), String> {
    let subject = case.leaf.subject();
    demand(subject.iter().next().is_none(), || subject.to_string())
}

fn issuer(case: &Case<'_>) -> Result<(), String> {
    let signer = chain::parse(&case.signer.der)?;
    let (got, want) = (case.leaf.issuer(), signer.subject());
    demand(got.as_raw() == want.as_raw(), || {
        format!("{got}, the signer is {want}")
    })
}

fn name(case: &Case<'_>) -> Result<(), String> {
    let names = case.leaf.subject_alternative_name().map_err(unreadable)?;
    let names = names.ok_or("missing")?;
    demand(names.critical, || "not critical".into())?;
    let identity = case.ordered.identity().to_string();
    let dns = case.ordered.dns_names().iter();
    let want: Vec<_> = [GeneralName::URI(&identity)]
        .into_iter()
        .chain(dns.map(|name| GeneralName::DNSName(name.as_str())))
        .collect();
    let got = &names.value.general_names;
    demand(*got == want, || {
        format!("{got:?} where only {want:?} was ordered")
    })
}

fn key_usage(case: &Case<'_>) -> Result<(), String> {
    const DIGITAL_SIGNATURE: u16 = 1;
    let usage = case
        .leaf
        .key_usage()
        .map_err(unreadable)?
        .ok_or("missing")?;
    demand(usage.critical, || "not critical".into())?;
    demand(usage.value.flags == DIGITAL_SIGNATURE, || {
        usage.value.to_string()
    })
}

fn extended_key_usage(case: &Case<'_>) -> Result<(), String> {
    let usage = case.leaf.extended_key_usage().map_err(unreadable)?;
    let usage = usage.ok_or("missing")?.value;
    demand(usage.server_auth && usage.client_auth, || {
        "serverAuth and clientAuth are needed".into()
    })?;
    let more = usage.any
        || usage.code_signing
        || usage.email_protection
        || usage.time_stamping
        || usage.ocsp_signing
        || !usage.other.is_empty();
    demand(!more, || "it allows more than TLS".into())
}

fn basic_constraints(case: &Case<'_>) -> Result<(), String> {
    let basic = case.leaf.basic_constraints().map_err(unreadable)?;
    let basic = basic.ok_or("missing")?;
    demand(basic.critical, || "not critical".into())?;
    demand(!basic.value.ca, || "it says CA".into())
}

fn validity(case: &Case<'_>) -> Result<(), String> {
    let validity = case.leaf.validity();
    let got = (
        dates::from_asn1(validity.not_before),
        dates::from_asn1(validity.not_after),
    );
    let want = (case.ordered.not_before(), case.ordered.not_after());
    demand(got == want && got.0 < got.1, || {
        format!("{got:?} where {want:?} was ordered")
    })
}

fn within_signer(case: &Case<'_>) -> Result<(), String> {
    let validity = case.leaf.validity();
    let starts = dates::from_asn1(validity.not_before) >= case.signer.not_before;
    let ends = dates::from_asn1(validity.not_after) <= case.signer.not_after;
    demand(starts && ends, || "it outlives its signer".into())
}

fn public_key(case: &Case<'_>) -> Result<(), String> {
    let same = case.leaf.public_key().raw == case.ordered.key().spki();
    demand(same, || "it is not the key of the request".into())
}

fn extensions(case: &Case<'_>) -> Result<(), String> {
    const KNOWN: [Oid<'static>; 6] = [
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
        OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
        OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
        OID_X509_EXT_BASIC_CONSTRAINTS,
    ];
    let mut found = case
        .leaf
        .extensions()
        .iter()
        .map(|extension| &extension.oid);
    match found.find(|oid| !KNOWN.contains(oid)) {
        Some(oid) => Err(format!("unknown extension {oid}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
