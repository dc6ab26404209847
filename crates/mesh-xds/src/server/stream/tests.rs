use std::collections::BTreeMap;

use mesh_proto::envoy::google::rpc;
use mesh_proto::{Any, any};

use super::*;

/// `check`-style driver: a machine, and what it sends as `CDS +a +b -c`.
#[derive(Default)]
struct Stream {
    machine: Machine,
    last: BTreeMap<Kind, String>,
}

fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::Cluster => "CDS",
        Kind::Endpoint => "EDS",
        Kind::Listener => "LDS",
        Kind::Route => "RDS",
        Kind::Secret => "SDS",
    }
}

/// `"CDS a=1 b=2; EDS a=1"` as a snapshot.
fn snapshot(version: u64, text: &str) -> Arc<Resources> {
    let mut resources = Resources {
        version,
        ..Resources::default()
    };
    for part in text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let mut words = part.split(' ');
        let name = words.next().unwrap();
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| short(*kind) == name)
            .unwrap();
        let of_type = resources.by_type.entry(kind.type_url()).or_default();
        for (name, version) in words.map(|word| word.split_once('=').unwrap()) {
            let any = Any {
                type_url: kind.type_url().to_owned(),
                value: version.into(),
            };
            let resource = Resource {
                version: version.to_owned(),
                any: Arc::new(any),
            };
            of_type.insert(name.to_owned(), resource);
        }
    }
    Arc::new(resources)
}

fn request(kind: Kind) -> discovery::DeltaDiscoveryRequest {
    discovery::DeltaDiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        ..Default::default()
    }
}

impl Stream {
    fn publish(&mut self, version: u64, text: &str) -> Vec<String> {
        self.machine.publish(snapshot(version, text));
        self.drain()
    }

    fn ask(&mut self, request: &discovery::DeltaDiscoveryRequest) -> Vec<String> {
        self.machine.on_request(request).unwrap();
        self.drain()
    }

    fn subscribe(&mut self, kind: Kind, names: &[&str]) -> Vec<String> {
        let mut asked = request(kind);
        asked.resource_names_subscribe = names.iter().map(|name| (*name).to_owned()).collect();
        self.ask(&asked)
    }

    fn ack(&mut self, kind: Kind) -> Vec<String> {
        let mut ack = request(kind);
        ack.response_nonce = self.last[&kind].clone();
        self.ask(&ack)
    }

    fn nack(&mut self, kind: Kind, blamed: &[&str]) -> Vec<String> {
        let mut nack = request(kind);
        nack.response_nonce = self.last[&kind].clone();
        let detail = |name: &&str| {
            any::pack(&discovery::ResourceError {
                resource_name: Some(discovery::ResourceName {
                    name: (*name).to_owned(),
                    ..Default::default()
                }),
                error_detail: None,
            })
        };
        nack.error_detail = Some(rpc::Status {
            code: 3,
            message: "bad".into(),
            details: blamed.iter().map(detail).collect(),
        });
        self.ask(&nack)
    }

    /// Acknowledges whatever is sent until nothing more is, and lists it.
    fn settle(&mut self, mut sent: Vec<String>) -> Vec<String> {
        let mut all = sent.clone();
        while !sent.is_empty() {
            let kinds: Vec<Kind> = sent
                .iter()
                .map(|line| {
                    Kind::ALL
                        .into_iter()
                        .find(|k| line.starts_with(short(*k)))
                        .unwrap()
                })
                .collect();
            sent = kinds.into_iter().flat_map(|kind| self.ack(kind)).collect();
            all.extend(sent.clone());
        }
        all
    }

    fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((response, _)) = self.machine.next_response() {
            let kind = Kind::of(&response.type_url).unwrap();
            let upserts = response.resources.iter().map(|r| format!(" +{}", r.name));
            let removals = response
                .removed_resources
                .iter()
                .map(|name| format!(" -{name}"));
            let names: String = upserts.chain(removals).collect();
            lines.push(format!("{}{names}", short(kind)));
            self.last.insert(kind, response.nonce);
        }
        lines
    }
}

/// A client that has everything of version 1.
fn settled(text: &str) -> Stream {
    let mut stream = Stream::default();
    stream.publish(1, text);
    let names = |kind: Kind| -> Vec<String> {
        let snapshot = snapshot(1, text);
        resources_of(&snapshot, kind).keys().cloned().collect()
    };
    let mut sent = stream.subscribe(Kind::Cluster, &[]);
    sent.extend(stream.subscribe(Kind::Listener, &[]));
    for kind in [Kind::Endpoint, Kind::Route] {
        let names = names(kind);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            sent.extend(stream.subscribe(kind, &names));
        }
    }
    stream.settle(sent);
    assert_eq!(stream.machine.acked_version(), Some(1));
    stream
}

#[test]
fn a_wildcard_is_answered_even_when_there_is_nothing() {
    let mut stream = Stream::default();
    assert_eq!(stream.subscribe(Kind::Cluster, &[]), Vec::<String>::new());
    assert_eq!(stream.publish(1, ""), ["CDS"]);
    assert_eq!(stream.machine.acked_version(), None);
    assert_eq!(stream.ack(Kind::Cluster), Vec::<String>::new());
    assert_eq!(stream.machine.acked_version(), Some(1));
}

#[test]
fn nothing_is_sent_for_names_that_are_not_subscribed_to() {
    let mut stream = Stream::default();
    stream.publish(1, "EDS a=1 b=1; RDS 80=1; LDS l=1");
    assert_eq!(stream.subscribe(Kind::Endpoint, &["a"]), ["EDS +a"]);
    stream.ack(Kind::Endpoint);
    assert_eq!(
        stream.publish(2, "EDS a=1 b=2; RDS 80=2; LDS l=2"),
        Vec::<String>::new()
    );
    assert_eq!(stream.machine.acked_version(), Some(2));
}

#[test]
fn a_name_that_does_not_exist_is_answered_as_removed_and_sent_when_it_comes() {
    let mut stream = settled("CDS a=1; LDS l=1");
    assert_eq!(stream.subscribe(Kind::Route, &["80"]), ["RDS -80"]);
    stream.ack(Kind::Route);
    assert_eq!(stream.publish(2, "CDS a=1; LDS l=1; RDS 80=1"), ["RDS +80"]);
}

#[test]
fn only_what_changed_is_sent() {
    let mut stream = settled("CDS a=1 b=1; LDS l=1");
    assert_eq!(stream.publish(2, "CDS a=1 b=2; LDS l=1"), ["CDS +b"]);
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(2));
}

#[test]
fn what_is_new_comes_before_what_names_it_and_removals_come_last() {
    let mut stream = settled("CDS old=1; EDS old=1; LDS l=1; RDS 80=1");
    assert_eq!(
        stream.publish(2, "CDS new=1; EDS new=1; LDS l=2; RDS 80=2"),
        ["CDS +new"]
    );
    // Who acknowledges a cluster when it has its endpoints gets them before.
    assert_eq!(stream.subscribe(Kind::Endpoint, &["new"]), ["EDS +new"]);
    assert_eq!(stream.ack(Kind::Endpoint), Vec::<String>::new());
    let next = stream.ack(Kind::Cluster);
    assert_eq!(
        stream.settle(next),
        ["LDS +l", "RDS +80", "CDS -old", "EDS -old"]
    );
}

#[test]
fn nothing_overtakes_a_cluster_that_cannot_be_sent_yet() {
    let mut stream = settled("CDS a=1; LDS l=1");
    assert_eq!(stream.publish(2, "CDS a=2; LDS l=1"), ["CDS +a"]);
    assert_eq!(stream.publish(3, "CDS a=3; LDS l=3"), Vec::<String>::new());
    assert_eq!(stream.ack(Kind::Cluster), ["CDS +a"]);
    assert_eq!(stream.ack(Kind::Cluster), ["LDS +l"]);
}

#[test]
fn snapshots_in_between_are_skipped() {
    let mut stream = settled("CDS a=1; LDS l=1");
    stream.publish(2, "CDS a=2; LDS l=1");
    stream.publish(3, "CDS a=3; LDS l=1");
    stream.publish(4, "CDS a=4; LDS l=1");
    assert_eq!(stream.ack(Kind::Cluster), ["CDS +a"]);
    assert_eq!(stream.machine.acked_version(), Some(1));
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(4));
}

#[test]
fn a_snapshot_that_changes_nothing_is_acknowledged_at_once() {
    let mut stream = settled("CDS a=1; LDS l=1");
    assert_eq!(stream.publish(2, "CDS a=1; LDS l=1"), Vec::<String>::new());
    assert_eq!(stream.machine.acked_version(), Some(2));
}

#[test]
fn a_version_counts_only_when_what_its_clusters_asked_for_is_acknowledged_too() {
    let mut stream = settled("CDS a=1; EDS a=1; LDS l=1");
    stream.publish(2, "CDS a=1 b=1; EDS a=1 b=1; LDS l=1");
    assert_eq!(stream.subscribe(Kind::Endpoint, &["b"]), ["EDS +b"]);
    assert_eq!(stream.ack(Kind::Cluster), Vec::<String>::new());
    assert_eq!(stream.machine.acked_version(), Some(1));
    stream.ack(Kind::Endpoint);
    assert_eq!(stream.machine.acked_version(), Some(2));
}

#[test]
fn a_refused_version_is_not_sent_again_and_the_next_one_is() {
    let mut stream = settled("CDS a=1 b=1; LDS l=1");
    stream.publish(2, "CDS a=2 b=2; LDS l=1");
    assert_eq!(stream.nack(Kind::Cluster, &["a"]), Vec::<String>::new());
    let status = &stream.machine.status()[Kind::Cluster.type_url()];
    assert_eq!(status.last_error.as_deref(), Some("bad"));
    assert_eq!(status.rejected, ["a"]);
    assert_eq!(stream.publish(3, "CDS a=2 b=3; LDS l=1"), ["CDS +b"]);
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(1));
    assert_eq!(stream.publish(4, "CDS a=4 b=3; LDS l=1"), ["CDS +a"]);
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(4));
}

#[test]
fn going_back_to_what_the_client_has_settles_a_refusal() {
    let mut stream = settled("CDS a=1; LDS l=1");
    stream.publish(2, "CDS a=2; LDS l=1");
    stream.nack(Kind::Cluster, &["a"]);
    assert_eq!(stream.publish(3, "CDS a=1; LDS l=1"), Vec::<String>::new());
    assert_eq!(stream.machine.acked_version(), Some(3));
}

#[test]
fn a_refusal_that_blames_nobody_holds_back_the_whole_message_until_part_of_it_changes() {
    let mut stream = settled("CDS a=1 b=1; LDS l=1");
    stream.publish(2, "CDS a=2 b=2; LDS l=1");
    assert_eq!(stream.nack(Kind::Cluster, &[]), Vec::<String>::new());
    assert_eq!(stream.publish(3, "CDS a=2 b=2; LDS l=3"), ["LDS +l"]);
    stream.ack(Kind::Listener);
    assert_eq!(stream.machine.acked_version(), Some(1));
    assert_eq!(stream.publish(4, "CDS a=4 b=2; LDS l=3"), ["CDS +a +b"]);
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(4));
}

#[test]
fn a_stale_nonce_says_nothing() {
    let mut stream = settled("CDS a=1; LDS l=1");
    stream.publish(2, "CDS a=2; LDS l=1");
    let mut stale = request(Kind::Cluster);
    stale.response_nonce = "1-1".into();
    assert_eq!(stream.ask(&stale), Vec::<String>::new());
    stale.error_detail = Some(rpc::Status::default());
    stream.ask(&stale);
    assert_eq!(stream.machine.acked_version(), Some(1));
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(2));
}

#[test]
fn a_client_that_comes_back_hears_of_differences_only() {
    let mut stream = Stream::default();
    stream.publish(7, "CDS a=1 b=2; EDS a=1");
    let mut clusters = request(Kind::Cluster);
    let versions = [("a", "1"), ("b", "1"), ("gone", "1")];
    clusters.initial_resource_versions = versions
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .into();
    assert_eq!(stream.ask(&clusters), ["CDS +b", "CDS -gone"][..1]);
    assert_eq!(stream.ack(Kind::Cluster), ["CDS -gone"]);
    let mut endpoints = request(Kind::Endpoint);
    endpoints.resource_names_subscribe = vec!["a".into()];
    endpoints.initial_resource_versions = [("a".to_owned(), "1".to_owned())].into();
    assert_eq!(stream.ask(&endpoints), Vec::<String>::new());
    stream.ack(Kind::Cluster);
    assert_eq!(stream.machine.acked_version(), Some(7));
}

#[test]
fn an_explicit_subscription_is_answered_even_if_the_client_should_have_it() {
    let mut stream = settled("CDS a=1; EDS a=1; LDS l=1");
    assert_eq!(stream.subscribe(Kind::Endpoint, &["a"]), ["EDS +a"]);
}

#[test]
fn a_cluster_that_is_sent_again_is_followed_by_its_endpoints() {
    let mut stream = settled("CDS a=1 b=1; EDS a=1 b=1; LDS l=1");
    let sent = stream.publish(2, "CDS a=2 b=1; EDS a=1 b=1; LDS l=1");
    assert_eq!(stream.settle(sent), ["CDS +a", "EDS +a"]);
}

#[test]
fn asking_for_all_clusters_anew_repeats_all_endpoints() {
    let mut stream = settled("CDS a=1 b=1; EDS a=1 b=1; LDS l=1");
    let sent = stream.subscribe(Kind::Cluster, &["*"]);
    assert_eq!(stream.settle(sent), ["CDS +a +b", "EDS +a +b"]);
}

#[test]
fn what_is_unsubscribed_is_not_sent_any_more() {
    let mut stream = settled("CDS a=1; EDS a=1; LDS l=1");
    let mut less = request(Kind::Endpoint);
    less.resource_names_unsubscribe = vec!["a".into()];
    stream.ask(&less);
    assert_eq!(
        stream.publish(2, "CDS a=1; EDS a=2; LDS l=1"),
        Vec::<String>::new()
    );
    assert_eq!(stream.publish(3, "CDS a=1; LDS l=1"), Vec::<String>::new());
    assert_eq!(stream.machine.acked_version(), Some(3));
}

#[test]
fn large_changes_go_out_in_parts() {
    let mut stream = settled("CDS a=1; LDS l=1");
    let mut next = Resources::clone(&snapshot(2, "CDS a=1; LDS l=2"));
    let clusters = next.by_type.get_mut(Kind::Cluster.type_url()).unwrap();
    for name in ["b", "c", "d"] {
        let any = Any {
            type_url: Kind::Cluster.type_url().to_owned(),
            value: vec![0; subscription::MAX_RESPONSE / 2 + 1],
        };
        clusters.insert(name.to_owned(), Resource::new(any));
    }
    stream.machine.publish(Arc::new(next));
    let first = stream.drain();
    assert_eq!(
        stream.settle(first),
        ["CDS +b", "CDS +c", "CDS +d", "LDS +l"]
    );
    assert_eq!(stream.machine.acked_version(), Some(2));
}

#[test]
fn unknown_types_are_passed_over_and_too_much_is_refused() {
    let mut stream = settled("CDS a=1; LDS l=1");
    let unknown = discovery::DeltaDiscoveryRequest {
        type_url: "type.googleapis.com/some.Thing".into(),
        resource_names_subscribe: vec!["x".into()],
        ..Default::default()
    };
    assert_eq!(stream.ask(&unknown), Vec::<String>::new());
    assert_eq!(stream.machine.acked_version(), Some(1));

    let mut long = request(Kind::Route);
    long.resource_names_subscribe = vec!["x".repeat(MAX_NAME + 1)];
    assert_eq!(
        stream.machine.on_request(&long),
        Err(Refused::LongName(MAX_NAME + 1))
    );

    let mut many = request(Kind::Route);
    many.resource_names_subscribe = (0..=MAX_NAMES).map(|n| n.to_string()).collect();
    let type_url = Kind::Route.type_url();
    assert_eq!(
        stream.machine.on_request(&many),
        Err(Refused::TooManyNames { type_url })
    );
}
