//! Where HAProxy judges otherwise.

use super::Entry;
use crate::differential::table::Difference::{
    Accepts, Bears, LooksWhole, PassesOnNonsense, PassesOnOtherwise, Refuses, SpoilsAnswer,
};

const PEER: &str = "HAProxy";

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "HAProxy's lines",
        peer: PEER,
        difference: Accepts,
        chapters: &["lines"],
        reason: "LF does for CRLF, several spaces or tabs for one, empty lines are skipped, methods \
                 are any tokens and every HTTP/x.y is HTTP/1.1. A server behind that reads by the \
                 letter sees another line.",
    },
    Entry {
        name: "HAProxy's lines, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["lines"],
        reason: "control characters at the end of a line are passed on, and HTTP/1.0 is, with what \
                 it lacks; Istio answers HTTP/1.0 with 426.",
    },
    Entry {
        name: "HAProxy's codings",
        peer: PEER,
        difference: Accepts,
        chapters: &["codings", "pipelines"],
        reason: "content-length beside transfer-encoding is dropped and the message passed on, as \
                 RFC 9112 6.3 permits. We refuse: nobody says such a thing by accident.",
    },
    Entry {
        name: "HAProxy's codings, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["codings", "pipelines"],
        reason: "the field is passed on as it was written, in capitals or beside empty elements, and \
                 requests without a host or with an escaped zero are too. The strict back end reads \
                 `chunked` and nothing else; we write it anew.",
    },
    Entry {
        name: "HAProxy's fields",
        peer: PEER,
        difference: Accepts,
        chapters: &["fields"],
        reason: "it unfolds; RFC 9112 5.2 lets a proxy unfold or refuse.",
    },
    Entry {
        name: "HAProxy's values",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["fields"],
        reason: "all control characters but CR and LF are passed on in values; RFC 9110 5.5 allows \
                 none but the tab.",
    },
    Entry {
        name: "HAProxy's lengths",
        peer: PEER,
        difference: Accepts,
        chapters: &["lengths"],
        reason: "a list of equal lengths becomes one, as RFC 9110 8.6 permits; no client that means \
                 well writes it.",
    },
    Entry {
        name: "HAProxy's largest length",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["lengths"],
        reason: "2^64 passes as a length; we refuse what does not fit in 64 bits.",
    },
    Entry {
        name: "HAProxy's chunks",
        peer: PEER,
        difference: Accepts,
        chapters: &["chunks"],
        reason: "white space behind a size, bare LF, extensions and trailers of any kind pass. Where \
                 a chunk ends must be clear to everybody (RFC 9112 7.1).",
    },
    Entry {
        name: "HAProxy's chunks, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["chunks"],
        reason: "trailers with control characters are passed on.",
    },
    Entry {
        name: "HAProxy's hosts",
        peer: PEER,
        difference: Accepts,
        chapters: &["hosts"],
        reason: "two equal hosts become one and ports are not looked at; RFC 9112 3.2 asks for 400.",
    },
    Entry {
        name: "HAProxy's hosts, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["hosts"],
        reason: "hosts that are none, and no host at all, reach the back end as they are; it is \
                 configured to route by them if one wants it.",
    },
    Entry {
        name: "HAProxy's targets",
        peer: PEER,
        difference: Accepts,
        chapters: &["targets"],
        reason: "`*` is passed on; here no route has it.",
    },
    Entry {
        name: "HAProxy's targets, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["targets"],
        reason: "targets are passed on in the form in which they came, absolute ones too, with \
                 escaped zeros and user information; here back ends see paths alone.",
    },
    Entry {
        name: "HAProxy's heads of HTTP/2",
        peer: PEER,
        difference: Accepts,
        chapters: &["h2-heads"],
        reason: "authorities that are none, a host beside another authority, `:protocol` without \
                 being offered, lists of lengths and methods in small letters pass (RFC 9113 8.3.1).",
    },
    Entry {
        name: "HAProxy's heads of HTTP/2, unread",
        peer: PEER,
        difference: PassesOnNonsense,
        chapters: &["h2-heads"],
        reason: "any scheme, control characters in values and authorities of any form are written \
                 into HTTP/1 as they are.",
    },
    Entry {
        name: "HAProxy carries other protocols",
        peer: PEER,
        difference: Accepts,
        chapters: &["upgrades"],
        reason: "CONNECT and every upgrade are passed on as a tunnel; Istio has to be asked to.",
    },
    Entry {
        name: "HAProxy's patience",
        peer: PEER,
        difference: Bears,
        chapters: &["h2-frames"],
        reason: "a setting that lifts a stream's window above 2^31 is taken; RFC 9113 6.9.2 calls it \
                 a connection error.",
    },
    Entry {
        name: "HAProxy's trailers",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["chunks"],
        reason: "it passes trailers on that belong into heads (RFC 9110 6.5.1).",
    },
    Entry {
        name: "HAProxy's hops",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["fields", "upgrades"],
        reason: "fields that `connection` names stay, as do some of the connection's own, and what \
                 proxies of the mesh tell one another; RFC 9110 7.6.1 asks to drop them.",
    },
    Entry {
        name: "HAProxy's paths",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["targets", "h2-heads"],
        reason: "it normalises nothing unless told to, and routes and policies then see another \
                 path than the application.",
    },
    Entry {
        name: "Zeros before a length, at HAProxy",
        peer: PEER,
        difference: PassesOnOtherwise,
        chapters: &["lengths"],
        reason: "we write the number in its plainest form, lest somebody reads it as octal.",
    },
    Entry {
        name: "HAProxy's answers",
        peer: PEER,
        difference: LooksWhole,
        chapters: &["answers"],
        reason: "answers are read as leniently as requests, and a reset that ends an answer without \
                 a length counts as its end.",
    },
    Entry {
        name: "HAProxy's refusals",
        peer: PEER,
        difference: Refuses,
        chapters: &["targets", "h2-heads"],
        reason: "a fragment, an empty trailer section, and absolute targets beside another host are \
                 refused; RFC 9112 3.2.2 asks to take the target's authority.",
    },
    Entry {
        name: "HAProxy's frames",
        peer: PEER,
        difference: Refuses,
        chapters: &["h2-frames", "h2-streams"],
        reason: "unknown frames on streams, padding and the reserved bit are not always ignored \
                 (RFC 9113 4.1), and it takes 100 streams at a time.",
    },
    Entry {
        name: "HAProxy spoils",
        peer: PEER,
        difference: SpoilsAnswer,
        chapters: &["answers", "upgrades"],
        reason: "an answer of HTTP/1.0 without a length is turned into another framing, and a tunnel \
                 ends when one side closes.",
    },
];
