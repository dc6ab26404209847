//! Where Envoy judges otherwise.

use super::Entry;
use crate::differential::table::Difference::{
    Accepts, Bears, LooksWhole, PassesOnNonsense, PassesOnOtherwise, Refuses, SpoilsAnswer,
};

const PEER: &str = "Envoy";

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "Envoy's lines",
        peer: PEER,
        difference: Accepts,
        chapters: &["lines"],
        reason: "its parser takes LF or CR for CRLF, tabs for spaces and any number of empty lines. \
                 A server behind that reads by the letter sees another line, so we refuse.",
    },
    Entry {
        name: "Envoy's folds",
        peer: PEER,
        difference: Accepts,
        chapters: &["fields", "codings", "pipelines"],
        reason: "it unfolds, and passes over an empty `transfer-encoding` or a second host. RFC 9112 \
                 5.2 lets a proxy unfold or refuse; what was hidden from one reader is refused here.",
    },
    Entry {
        name: "Envoy's chunks",
        peer: PEER,
        difference: Accepts,
        chapters: &["chunks"],
        reason: "white space behind a size, a bare LF, data longer or shorter than announced, \
                 extensions and trailers of any kind pass. Where a chunk ends must be clear to \
                 everybody (RFC 9112 7.1), and extensions are bounded.",
    },
    Entry {
        name: "Envoy's hosts",
        peer: PEER,
        difference: Accepts,
        chapters: &["hosts", "targets"],
        reason: "it takes the first of two hosts and does not look into it; of an absolute target it \
                 drops user information. Two hosts or a host that is none are two meanings (RFC 9112 \
                 3.2).",
    },
    Entry {
        name: "Envoy's hosts, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["hosts", "pipelines"],
        reason: "hosts that are empty or have user information reach the back end as they are.",
    },
    Entry {
        name: "Envoy's heads of HTTP/2",
        peer: PEER,
        difference: Accepts,
        chapters: &["h2-heads"],
        reason: "any scheme passes, as do authorities that are none, methods in small letters, bytes \
                 above ASCII in paths and a host beside another authority (RFC 9113 8.3.1).",
    },
    Entry {
        name: "Envoy's patience",
        peer: PEER,
        difference: Bears,
        chapters: &["h2-frames", "h2-streams", "hpack"],
        reason: "frames on streams that are over, and PRIORITY where none can be, are ignored by its \
                 codec; RFC 9113 5.1 and 6.3 call them connection errors. A head that stands for \
                 much more than it is ends its stream alone.",
    },
    Entry {
        name: "Envoy's trailers",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["chunks"],
        reason: "it passes trailers on that belong into heads. What looked at the head has not seen \
                 them (RFC 9110 6.5.1), so we drop them.",
    },
    Entry {
        name: "Istio's headers",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["fields"],
        reason: "headers by which proxies of the mesh know one another mean nothing to a plain \
                 Envoy; Istio's extensions take them out, as we do. `http2-settings` belongs to one \
                 connection.",
    },
    Entry {
        name: "Zeros before a length",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["lengths"],
        reason: "we write the number in its plainest form, lest somebody reads it as octal.",
    },
    Entry {
        name: "Envoy's paths",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["targets"],
        reason: "its normalisation escapes signs that RFC 3986 does not allow, and reads `..;` as a \
                 dot segment; Istio's test vectors leave both as they are.",
    },
    Entry {
        name: "Envoy's answers",
        peer: PEER,
        difference: LooksWhole,
        chapters: &["answers", "h2-answers"],
        reason: "answers are read by the same lenient parser, and a reset that ends an answer \
                 without a length counts as its end. A broken answer must not look whole.",
    },
    Entry {
        name: "Envoy's refusals",
        peer: PEER,
        difference: Refuses,
        chapters: &["lengths", "lines", "targets", "h2-heads", "fields"],
        reason: "equal lengths, methods that it does not know, targets with a fragment or with a \
                 query and no path, and `connection: host` are refused. RFC 9110 8.6 and 9.1 allow \
                 to take them, and Istio asks for the fragment to be cut off.",
    },
    Entry {
        name: "Envoy closes sooner",
        peer: PEER,
        difference: Refuses,
        chapters: &["pipelines", "h2-streams", "upgrades"],
        reason: "behind a request that it refuses for its method or path, or whose upgrade is not \
                 granted, it closes, and a malformed stream ends the whole connection of HTTP/2. \
                 RFC 9113 5.4.2 asks for the stream alone.",
    },
    Entry {
        name: "Envoy on lengths of answers",
        peer: PEER,
        difference: SpoilsAnswer,
        chapters: &["answers"],
        reason: "it refuses equal lengths in answers, and informational ones with a length; both \
                 mean one thing only.",
    },
    Entry {
        name: "Half-closed tunnels",
        peer: PEER,
        difference: SpoilsAnswer,
        chapters: &["upgrades"],
        reason: "a tunnel ends when its client closes one side; we pass the end of one direction \
                 on and keep the other (RFC 9110 9.3.6 lets both).",
    },
];
