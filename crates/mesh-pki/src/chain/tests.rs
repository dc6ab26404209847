use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::{Authority, Defect};

use super::*;

fn authority() -> Authority {
    Authority::root("cluster.local", clock::fixed().wall())
}

#[test]
fn pem_is_read_with_comments_line_ends_and_other_blocks() {
    let root = authority();
    let text = format!(
        "# the root\n{}\nsome text\n{}\n{}trailing",
        root.pem(),
        root.key_pem(),
        root.pem().replace('\n', "\r\n")
    );
    let want = [root.der().clone(), root.der().clone()];
    assert_eq!(from_pem(&text).unwrap(), want);
}

#[test]
fn pem_is_written_as_it_was_read() {
    let root = authority();
    assert_eq!(to_pem(root.der()), root.pem());
}

#[test]
fn damaged_pem_is_refused_by_what_is_wrong() {
    let pem = authority().pem();
    let cut = pem.replace("-----END CERTIFICATE-----", "");
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, want) in [
        (String::new(), "no certificate"),
        ("hello".to_owned(), "no certificate"),
        (cut, "a PEM block is damaged"),
        (format!("{pem}{empty}"), "certificate 1 is damaged"),
    ] {
        let error = from_pem(&text).unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn facts_are_what_the_certificate_says() {
    let root = authority();
    let leaf = root.leaf("spiffe://cluster.local/ns/default/sa/a");
    let leaf = facts(&leaf.chain[0]).unwrap();
    assert_eq!(leaf.uris, ["spiffe://cluster.local/ns/default/sa/a"]);
    assert!(!leaf.is_ca && !leaf.signs_certificates);
    let root = facts(root.der()).unwrap();
    assert_eq!(root.uris, ["spiffe://cluster.local"]);
    assert!(root.is_ca && root.signs_certificates);
}

#[test]
fn a_certificate_is_current_from_its_first_to_its_last_second() {
    let root = authority();
    let root = facts(root.der()).unwrap();
    let second = std::time::Duration::from_secs(1);
    assert!(!root.is_current(root.not_before - second));
    assert!(root.is_current(root.not_before));
    assert!(root.is_current(root.not_after + second / 2));
    assert!(!root.is_current(root.not_after + second));
}

#[test]
fn a_name_that_is_no_text_is_a_damaged_certificate() {
    let id = "spiffe://cluster.local/ns/default/sa/a";
    let leaf = authority().defective(id, Defect::DamagedName);
    assert!(facts(&leaf.chain[0]).is_err());
}

#[test]
fn a_serial_is_printed_as_the_number_that_it_is() {
    let mut root = facts(authority().der()).unwrap();
    for (serial, want) in [
        (&[0x00, 0x95, 0x67][..], "9567"),
        (&[0x05, 0x67], "0567"),
        (&[0x00], "00"),
    ] {
        root.serial = serial.to_vec();
        assert_eq!(root.serial_hex(), want);
    }
}
