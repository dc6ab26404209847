use mesh_proto::envoy::envoy::config::route::v3::rate_limit::action as pb;
use mesh_proto::envoy::google::protobuf::UInt32Value;

use super::*;

fn with(action: ActionSpecifier) -> RateLimit {
    RateLimit {
        actions: vec![ActionPb {
            action_specifier: Some(action),
        }],
        ..Default::default()
    }
}

#[track_caller]
fn refused(pb: RateLimit) -> String {
    let fault = recipes(&[pb]).unwrap_err();
    fault.of("route configuration", "r").to_string()
}

#[test]
fn what_cannot_be_described_is_refused_by_its_field() {
    let plain = || with(ActionSpecifier::SourceCluster(pb::SourceCluster {}));
    let cases = [
        (
            RateLimit {
                disable_key: "k".into(),
                ..plain()
            },
            "rate_limits[0].disable_key: is not supported",
        ),
        (
            RateLimit {
                limit: Some(Default::default()),
                ..plain()
            },
            "rate_limits[0].limit: is not supported",
        ),
        (
            RateLimit {
                stage: Some(UInt32Value { value: 11 }),
                ..plain()
            },
            "rate_limits[0].stage: 11 is more than 10",
        ),
        (RateLimit::default(), "rate_limits[0].actions: is missing"),
        (
            with(ActionSpecifier::Metadata(Default::default())),
            "rate_limits[0].actions[0].metadata: is not supported",
        ),
        (
            with(ActionSpecifier::DynamicMetadata(Default::default())),
            "rate_limits[0].actions[0].dynamic_metadata: is not supported",
        ),
        (
            with(ActionSpecifier::Extension(Default::default())),
            "rate_limits[0].actions[0].extension: is not supported",
        ),
        (
            with(ActionSpecifier::RemoteAddressMatch(Default::default())),
            "rate_limits[0].actions[0].remote_address_match: is not supported",
        ),
        (
            with(ActionSpecifier::GenericKey(pb::GenericKey {
                descriptor_value: "v".into(),
                default_value: "d".into(),
                ..Default::default()
            })),
            "rate_limits[0].actions[0].generic_key.default_value: is not supported",
        ),
        (
            with(ActionSpecifier::RequestHeaders(Default::default())),
            "rate_limits[0].actions[0].request_headers.header_name: is missing",
        ),
        (
            with(ActionSpecifier::HeaderValueMatch(pb::HeaderValueMatch {
                descriptor_value: "v".into(),
                ..Default::default()
            })),
            "rate_limits[0].actions[0].header_value_match.headers: is missing",
        ),
        (
            with(ActionSpecifier::MaskedRemoteAddress(
                pb::MaskedRemoteAddress {
                    v4_prefix_mask_len: Some(UInt32Value { value: 33 }),
                    ..Default::default()
                },
            )),
            "rate_limits[0].actions[0].masked_remote_address.v4_prefix_mask_len: 33 is more than 32",
        ),
    ];
    for (pb, why) in cases {
        assert_eq!(refused(pb), format!("route configuration r: {why}"));
    }
}

#[test]
fn keys_have_envoys_defaults() {
    let word = with(ActionSpecifier::GenericKey(pb::GenericKey {
        descriptor_value: "%REQ(a)%".into(),
        ..Default::default()
    }));
    let recipe = &recipes(&[word]).unwrap()[0];
    let fixed = Action::Fixed {
        key: "generic_key".into(),
        value: "%REQ(a)%".into(),
    };
    assert_eq!((recipe.stage, &recipe.actions[..]), (0, &[fixed][..]));
}
