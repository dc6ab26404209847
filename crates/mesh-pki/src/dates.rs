//! Between the system's time, the time of certificates and the time of webpki.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;
use x509_parser::time::ASN1Time;

/// Whole seconds since 1970; earlier moments count as 1970.
pub(crate) fn seconds(moment: SystemTime) -> u64 {
    moment
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The moment without its fraction of a second, which certificates cannot say.
pub(crate) fn whole_seconds(moment: SystemTime) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds(moment)))
        .unwrap_or(UNIX_EPOCH)
}

/// A certificate's date as a moment; dates before 1970 count as 1970.
pub(crate) fn from_asn1(date: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(date.timestamp()).unwrap_or_default();
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH)
}

/// A moment as a certificate's date, cut to whole seconds; none after the year 9999.
pub(crate) fn to_asn1(moment: SystemTime) -> Option<ASN1Time> {
    let seconds = i64::try_from(seconds(moment)).ok()?;
    ASN1Time::from_timestamp(seconds).ok()
}

/// A moment as webpki wants it.
pub(crate) fn to_webpki(moment: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds(moment)))
}

/// webpki's time as a moment.
pub(crate) fn from_webpki(moment: UnixTime) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(moment.as_secs()))
        .unwrap_or(UNIX_EPOCH)
}
