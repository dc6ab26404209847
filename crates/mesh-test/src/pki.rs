//! Certificates for tests, made at run time: roots, leaves, and leaves with a chosen defect.
//!
//! Made with rcgen directly and not by mesh-pki, so that mesh-pki's own tests may use it and our
//! checks are held against certificates that our templates would never make. Answers are DER and
//! PEM, so that no type of mesh-pki is needed to read them; only [`Authority::live`] makes one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::key::Key;
use mesh_pki::live::{Identity, LiveIdentity};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::time::ASN1Time;

/// A certificate with its private key.
pub struct Certified {
    /// Certificates, leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key as PKCS#8 in PEM.
    pub key_pem: String,
}

impl Certified {
    /// The private key for a TLS library.
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        let key = KeyPair::from_pem(&self.key_pem).unwrap();
        PrivatePkcs8KeyDer::from(key.serialize_der()).into()
    }
}

/// A root or an intermediate that signs what tests ask for.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    key_pem: String,
    /// Certificates between leaves and the root.
    above: Vec<CertificateDer<'static>>,
    now: SystemTime,
}

/// What is wrong with a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Nothing.
    None,
    /// No subject alternative name.
    NoName,
    /// A second URI name.
    TwoNames,
    /// A URI name that is no SPIFFE ID.
    NotSpiffe,
    /// The identity of the trust domain itself.
    NoPath,
    /// Expired five seconds ago.
    Expired,
    /// Valid from a minute ahead.
    NotYetValid,
    /// No key usage.
    NoKeyUsage,
    /// Key usage without digitalSignature.
    NoDigitalSignature,
    /// Key usage with keyCertSign.
    KeyCertSign,
    /// Key usage with cRLSign.
    CrlSign,
    /// Says that it is a CA.
    Ca,
    /// No extended key usage.
    NoExtendedKeyUsage,
    /// Extended key usage for servers only.
    ServerOnly,
    /// Extended key usage for clients only.
    ClientOnly,
    /// A critical extension that nobody knows.
    UnknownCritical,
    /// Valid longer than its root.
    OutlivesRoot,
    /// No basic constraints.
    NoBasicConstraints,
    /// A DNS name beside the URI.
    WithDnsName,
    /// The key usage is not critical.
    KeyUsageNotCritical,
    /// The subject is empty and its alternative name not critical.
    NameNotCritical,
    /// Two extensions for alternative names, with one URI each.
    NameExtensionTwice,
    /// A URI name of bytes that are no text.
    DamagedName,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Authority {
    /// A root for `trust_domain`, valid for a year from yesterday as seen at `now`.
    #[must_use]
    pub fn root(trust_domain: &str, now: SystemTime) -> Self {
        Self::root_valid(trust_domain, now, now - DAY, now + 365 * DAY)
    }

    /// A root that expired an hour before `now`.
    #[must_use]
    pub fn expired_root(trust_domain: &str, now: SystemTime) -> Self {
        Self::root_valid(
            trust_domain,
            now,
            now - DAY,
            now - Duration::from_secs(3600),
        )
    }

    /// A root with given dates, for leaves made as of `now`.
    #[must_use]
    pub fn root_valid(
        trust_domain: &str,
        now: SystemTime,
        not_before: SystemTime,
        not_after: SystemTime,
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(trust_domain, "root", not_before, not_after);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            key_pem: key.serialize_pem(),
            der: certificate.into(),
            issuer: Issuer::new(params, key),
            above: Vec::new(),
            now,
        }
    }

    /// A root that exists as PEM, for leaves made as of `now`.
    #[must_use]
    pub fn load(certificate_pem: &str, key_pem: &str, now: SystemTime) -> Self {
        let key = KeyPair::from_pem(key_pem).unwrap();
        Self {
            key_pem: key_pem.to_owned(),
            der: CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap(),
            issuer: Issuer::from_ca_cert_pem(certificate_pem, key).unwrap(),
            above: Vec::new(),
            now,
        }
    }

    /// The same root, name and key, issued again with dates from yesterday for a year.
    #[must_use]
    pub fn reissued(&self, trust_domain: &str) -> Self {
        let key = KeyPair::from_pem(&self.key_pem).unwrap();
        let params = ca_params(trust_domain, "root", self.now - DAY, self.now + 365 * DAY);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            key_pem: self.key_pem.clone(),
            der: certificate.into(),
            issuer: Issuer::new(params, key),
            above: Vec::new(),
            now: self.now,
        }
    }

    /// An intermediate under this authority; without keyCertSign if so told.
    #[must_use]
    pub fn intermediate(&self, trust_domain: &str, signs: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let dates = (self.now - DAY, self.now + 30 * DAY);
        let mut params = ca_params(trust_domain, "intermediate", dates.0, dates.1);
        if !signs {
            params.key_usages = vec![KeyUsagePurpose::CrlSign];
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let der = CertificateDer::from(certificate);
        let mut above = vec![der.clone()];
        above.extend(self.above.iter().cloned());
        Self {
            key_pem: key.serialize_pem(),
            der,
            issuer: Issuer::new(params, key),
            above,
            now: self.now,
        }
    }

    /// Its certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Its certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    /// Its private key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// A good leaf for a SPIFFE ID, valid for an hour.
    #[must_use]
    pub fn leaf(&self, spiffe_id: &str) -> Certified {
        self.defective(spiffe_id, Defect::None)
    }

    /// A good leaf with a lifetime of its own, counted from this authority's `now`.
    #[must_use]
    pub fn leaf_for(&self, spiffe_id: &str, lifetime: Duration) -> Certified {
        let mut params = leaf_params(spiffe_id, self.now);
        params.not_after = date(self.now + lifetime).to_datetime();
        self.sign(&params)
    }

    /// A leaf with a defect.
    #[must_use]
    pub fn defective(&self, spiffe_id: &str, defect: Defect) -> Certified {
        let mut params = leaf_params(spiffe_id, self.now);
        spoil(&mut params, defect, self.now);
        self.sign(&params)
    }

    /// A live identity with a good leaf, which judges others by this authority's certificate.
    #[must_use]
    pub fn live(&self, spiffe_id: &str, clock: Arc<dyn Clock>) -> LiveIdentity {
        let certified = self.leaf(spiffe_id);
        let trust_domain = SpiffeId::parse(spiffe_id).unwrap().trust_domain().clone();
        let bundle = TrustBundle::new(trust_domain, vec![self.der.clone()]).unwrap();
        let key = Key::from_pem(&certified.key_pem).unwrap();
        let identity = Identity::new(certified.chain, &key, Arc::new(bundle), clock.wall());
        LiveIdentity::new(identity.unwrap(), clock)
    }

    fn sign(&self, params: &CertificateParams) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![certificate.into()];
        chain.extend(self.above.iter().cloned());
        Certified {
            chain,
            key_pem: key.serialize_pem(),
        }
    }
}

/// Writes a PEM block.
#[must_use]
pub fn to_pem(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}

fn date(at: SystemTime) -> ASN1Time {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap().as_secs();
    ASN1Time::from_timestamp(seconds.try_into().unwrap()).unwrap()
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn ca_params(
    trust_domain: &str,
    name: &str,
    not_before: SystemTime,
    not_after: SystemTime,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date(not_before).to_datetime();
    params.not_after = date(not_after).to_datetime();
    params.distinguished_name = DistinguishedName::new();
    let dn = &mut params.distinguished_name;
    dn.push(DnType::OrganizationName, trust_domain);
    dn.push(DnType::CommonName, name);
    params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(spiffe_id: &str, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date(now - Duration::from_secs(120)).to_datetime();
    params.not_after = date(now + Duration::from_secs(3600)).to_datetime();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![uri(spiffe_id)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn spoil(params: &mut CertificateParams, defect: Defect, now: SystemTime) {
    let names = &mut params.subject_alt_names;
    let usages = &mut params.key_usages;
    match defect {
        Defect::None => {}
        Defect::NoName => names.clear(),
        Defect::TwoNames => names.push(uri("spiffe://cluster.local/ns/default/sa/second")),
        Defect::NotSpiffe => *names = vec![uri("https://example.com/ns/default/sa/a")],
        Defect::NoPath => *names = vec![uri("spiffe://cluster.local")],
        Defect::Expired => params.not_after = date(now - Duration::from_secs(5)).to_datetime(),
        Defect::NotYetValid => {
            params.not_before = date(now + Duration::from_secs(60)).to_datetime()
        }
        Defect::NoKeyUsage => usages.clear(),
        Defect::NoDigitalSignature => *usages = vec![KeyUsagePurpose::KeyEncipherment],
        Defect::KeyCertSign => usages.push(KeyUsagePurpose::KeyCertSign),
        Defect::CrlSign => usages.push(KeyUsagePurpose::CrlSign),
        Defect::Ca => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        Defect::NoExtendedKeyUsage => params.extended_key_usages.clear(),
        Defect::ServerOnly => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        Defect::ClientOnly => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        Defect::UnknownCritical => {
            let oid = [1, 3, 6, 1, 4, 1, 55555, 1];
            params.custom_extensions = vec![extension(&oid, vec![5, 0], true)];
        }
        Defect::OutlivesRoot => params.not_after = date(now + 10 * 365 * DAY).to_datetime(),
        Defect::NoBasicConstraints => params.is_ca = IsCa::NoCa,
        Defect::WithDnsName => names.push(SanType::DnsName("example.com".try_into().unwrap())),
        Defect::KeyUsageNotCritical => {
            usages.clear();
            let digital_signature = vec![0x03, 0x02, 0x07, 0x80];
            params.custom_extensions = vec![extension(&KEY_USAGE, digital_signature, false)];
        }
        Defect::NameNotCritical => {
            names.clear();
            let name = uri_der(b"spiffe://cluster.local/ns/default/sa/a");
            params.custom_extensions = vec![extension(&ALTERNATIVE_NAME, name, false)];
        }
        Defect::NameExtensionTwice => {
            let name = uri_der(b"spiffe://cluster.local/ns/default/sa/second");
            params.custom_extensions = vec![extension(&ALTERNATIVE_NAME, name, true)];
        }
        Defect::DamagedName => {
            names.clear();
            let name = uri_der(b"spiffe://cluster.local/\xff\xfe");
            params.custom_extensions = vec![extension(&ALTERNATIVE_NAME, name, true)];
        }
    }
}

/// id-ce-keyUsage.
const KEY_USAGE: [u64; 4] = [2, 5, 29, 15];
/// id-ce-subjectAltName.
const ALTERNATIVE_NAME: [u64; 4] = [2, 5, 29, 17];

fn extension(oid: &[u64], content: Vec<u8>, critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(critical);
    extension
}

/// GeneralNames with one URI, for texts below 126 bytes.
fn uri_der(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126, "longer texts need another length");
    let mut der = vec![0x30, length + 2, 0x86, length];
    der.extend_from_slice(text);
    der
}
