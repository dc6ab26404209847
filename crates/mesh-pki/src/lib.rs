//! Certificates as values: keys, requests, templates, checks, trust bundles, TLS configurations.
//!
//! Pure: no files, no sockets, no tasks. Time comes in as a value or through the clock that a
//! [`live::LiveIdentity`] was given; chance is drawn only where a key or a serial number is made.
//!
//! The chain of trust of a peer is judged in one place, [`svid::validate_x509_svid`]: webpki alone
//! accepts certificates that are no SPIFFE identity, and roots that have expired.

pub mod bundle;
pub mod ca;
pub mod chain;
pub mod credential;
pub mod csr;
mod dates;
pub mod issuers;
mod judge;
pub mod key;
pub mod lint;
pub mod live;
pub mod schedule;
pub mod svid;
pub mod template;
pub mod tls;

pub use rustls_pki_types::CertificateDer;
