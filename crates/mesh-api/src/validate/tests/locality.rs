use super::check;

#[test]
fn localities_and_warmup() {
    let balancer = |inner: &str, expected: &[&str]| {
        let rule = format!(
            "{{host: a, trafficPolicy: {{loadBalancer: {{{inner}}}, outlierDetection: {{}}}}}}"
        );
        check("dr", &rule, expected);
    };
    let at = "spec.trafficPolicy.loadBalancer.localityLbSetting";
    let setting = |inner: &str, expected: &[&str]| {
        balancer(&format!("localityLbSetting: {{{inner}}}"), expected);
    };
    setting("enabled: false", &[]);
    setting("failover: [{from: eu, to: us}]", &[]);
    setting(
        "failoverPriority: [topology.kubernetes.io/zone, version=v1]",
        &[],
    );
    setting(
        "distribute: [{from: eu/*, to: {eu/a/*: 80, us: 20}}, {from: us, to: {us: 100}}]",
        &[],
    );
    setting(
        "distribute: [{from: eu/*, to: {eu: 100}}], failover: [{from: eu, to: us}]",
        &[&format!(
            "{at}: distribute and failover cannot be had together"
        )],
    );
    setting(
        "distribute: [{from: eu/*, to: {eu: 80, us: 25, asia: 0}}]",
        &[
            &format!("{at}.distribute[0].to[\"asia\"]: 0 is not between 1 and 100"),
            &format!("{at}.distribute[0].to: the shares sum up to 105, not 100"),
        ],
    );
    setting(
        "distribute: [{from: eu/a, to: {us/*/x: 40, us//x: 60}}, {from: eu/*, to: {us: 50, us/a: 50}}]",
        &[
            &format!("{at}.distribute[0].to: \"us/*/x\" may have one *, at its end"),
            &format!("{at}.distribute[0].to: \"us//x\" has an empty region, zone or sub-zone"),
            &format!("{at}.distribute[1].to: \"us/a\" overlaps with another one"),
            &format!("{at}.distribute: \"eu/*\" overlaps with another one"),
        ],
    );
    setting(
        "failover: [{from: eu, to: eu}, {from: eu/a, to: '*'}, {from: us}]",
        &[
            &format!("{at}.failover[0]: goes from a region to itself"),
            &format!("{at}.failover[1].from: \"eu/a\" is not the name of one region"),
            &format!("{at}.failover[1].to: \"*\" is not the name of one region"),
            &format!("{at}.failover[2].to: is missing"),
        ],
    );
    setting(
        "failover: [{from: eu, to: us}], failoverPriority: [topology.istio.io/subzone]",
        &[&format!(
            "{at}.failoverPriority[0]: topology.istio.io/subzone cannot be had together with \
             failover"
        )],
    );
    setting(
        "distribute: [{from: eu, to: {us: 100}}], failoverPriority: [version]",
        &[&format!(
            "{at}.failoverPriority: is not heeded beside distribute"
        )],
    );
    check(
        "dr",
        "{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {failoverPriority: [version]}}}}",
        &[&format!(
            "{at}: is not heeded without outlierDetection: nobody would know who has failed; add \
             outlierDetection: {{}} to the same block"
        )],
    );
    let at = "spec.trafficPolicy.loadBalancer";
    balancer(
        "simple: ROUND_ROBIN, warmup: {duration: 1m, minimumPercent: 20.5, aggression: 1.5}",
        &[],
    );
    balancer(
        "warmup: {}",
        &[&format!("{at}.warmup.duration: is missing")],
    );
    balancer(
        "warmup: {duration: 10us, minimumPercent: 101, aggression: 0.5}",
        &[
            &format!("{at}.warmup.aggression: 0.5 is out of range, expected 1 to 1000"),
            &format!("{at}.warmup.minimumPercent: 101 is out of range, expected 0 to 100"),
        ],
    );
    balancer(
        "warmup: {duration: 10us}",
        &[&format!("{at}.warmup.duration: is less than 1ms")],
    );
    balancer(
        "simple: RANDOM, warmupDurationSecs: 1m",
        &[
            &format!(
                "{at}.warmupDurationSecs: is the old way to say it; write warmup: {{duration: ...}}"
            ),
            &format!(
                "{at}.warmup: is not heeded: only ROUND_ROBIN and LEAST_REQUEST warm endpoints up"
            ),
        ],
    );
}
