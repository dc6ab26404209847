use std::time::Duration;

use mesh_proto::envoy::envoy::r#type::v3::Percent;
use mesh_proto::envoy::google::protobuf as wkt;

use super::*;
use crate::testing::http_filter;

fn mk_filter(passes: bool) -> pb::HealthCheck {
    pb::HealthCheck {
        pass_through_mode: Some(wkt::BoolValue { value: passes }),
        ..Default::default()
    }
}

fn cached(pb: pb::HealthCheck) -> pb::HealthCheck {
    pb::HealthCheck {
        cache_time: Some(wkt::Duration {
            seconds: 5,
            nanos: 0,
        }),
        ..pb
    }
}

fn by_cluster(pb: pb::HealthCheck, value: f64) -> pb::HealthCheck {
    pb::HealthCheck {
        cluster_min_healthy_percentages: [("c".to_owned(), Percent { value })].into(),
        ..pb
    }
}

fn compiled(pb: &pb::HealthCheck) -> Result<Arc<HealthFilter>, String> {
    let filter = of_manager(&[http_filter(pb)]);
    let filter = filter.map_err(|fault| fault.of("listener", "l").to_string());
    Ok(filter?.unwrap())
}

#[test]
fn who_answers_is_as_it_is_said() {
    let kind = |pb| match &compiled(&pb).unwrap().kind {
        Who::Application => "application".to_owned(),
        Who::Cached { time, .. } => format!("cached {time:?}"),
        Who::Clusters(clusters) => format!("clusters {clusters:?}"),
    };
    assert_eq!(kind(mk_filter(true)), "application");
    let time = Duration::from_secs(5);
    assert_eq!(kind(cached(mk_filter(true))), format!("cached {time:?}"));
    assert_eq!(kind(mk_filter(false)), "clusters []");
    assert!(kind(by_cluster(mk_filter(false), 25.0)).contains("25.0"));
    assert_eq!(compiled(&mk_filter(true)), compiled(&mk_filter(true)));
    assert!(compiled(&mk_filter(true)) != compiled(&mk_filter(false)));
    assert!(of_manager(&[]).unwrap().is_none());
}

#[test]
fn what_does_not_fit_is_refused() {
    let why = |pb| compiled(&pb).unwrap_err();
    let at = "listener l: http_filters[0].typed_config";
    assert_eq!(
        why(pb::HealthCheck::default()),
        format!("{at}.pass_through_mode: is missing")
    );
    assert_eq!(
        why(cached(mk_filter(false))),
        format!("{at}.cache_time: is only for answers of the application (pass_through_mode)")
    );
    assert_eq!(
        why(by_cluster(mk_filter(true), 1.0)),
        format!(
            "{at}.cluster_min_healthy_percentages: \
             is not looked at where the application answers (pass_through_mode)"
        )
    );
    assert_eq!(
        why(by_cluster(mk_filter(false), 101.0)),
        format!("{at}.cluster_min_healthy_percentages: that of c is not between 0 and 100")
    );
    let two = [http_filter(&mk_filter(true)), http_filter(&mk_filter(true))];
    let fault = of_manager(&two).unwrap_err().of("listener", "l");
    assert_eq!(
        fault.to_string(),
        "listener l: http_filters[1]: there is one before it, and one is supported"
    );
}
