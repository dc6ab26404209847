use super::*;

fn policy(on: &[&str]) -> RetryPolicy {
    let kinds = on.iter().map(|token| RetryOn::parse(token).unwrap());
    RetryPolicy {
        on: kinds.fold(RetryOn::default(), RetryOn::with),
        retries: 2,
        ..RetryPolicy::NEVER
    }
}

fn answer(status: u16, grpc_status: Option<u32>) -> FailureKind {
    FailureKind::Answer {
        status,
        grpc_status,
        rate_limited: false,
    }
}

#[track_caller]
fn check(on: &[&str], failure: FailureKind, expect: bool) {
    assert_eq!(policy(on).covers(failure), expect, "{on:?} {failure:?}");
}

#[test]
fn each_condition_covers_its_failures_and_no_other() {
    check(&["connect-failure"], FailureKind::ConnectFailure, true);
    check(&["connect-failure"], FailureKind::Reset, false);
    check(&["connect-failure"], FailureKind::ResetBeforeRequest, false);
    check(&["refused-stream"], FailureKind::RefusedStream, true);
    check(&["refused-stream"], FailureKind::Reset, false);
    check(
        &["reset-before-request"],
        FailureKind::ResetBeforeRequest,
        true,
    );
    check(&["reset-before-request"], FailureKind::ConnectFailure, true);
    check(&["reset-before-request"], FailureKind::Reset, false);
    check(&["reset"], FailureKind::Reset, true);
    check(&["gateway-error"], FailureKind::Reset, true);
    check(&["5xx"], FailureKind::PerTryTimeout, true);
    check(&["reset"], FailureKind::PerTryTimeout, true);
    check(&["connect-failure"], FailureKind::PerTryTimeout, false);
}

#[test]
fn answers_are_told_by_status_and_grpc_status() {
    check(&["5xx"], answer(500, None), true);
    check(&["5xx"], answer(404, None), false);
    check(&["gateway-error"], answer(500, None), false);
    check(&["gateway-error"], answer(503, None), true);
    check(&["retriable-4xx"], answer(409, None), true);
    check(&["retriable-4xx"], answer(429, None), false);
    check(&["unavailable"], answer(200, Some(14)), true);
    check(&["unavailable"], answer(503, None), false);
    check(&["cancelled", "internal"], answer(200, Some(13)), true);
    let listed = RetryPolicy {
        statuses: vec![429],
        ..policy(&["retriable-status-codes"])
    };
    assert!(listed.covers(answer(429, None)) && !listed.covers(answer(503, None)));
}

#[test]
fn a_rate_limited_answer_is_left_alone() {
    let limited = FailureKind::Answer {
        status: 503,
        grpc_status: None,
        rate_limited: true,
    };
    check(&["5xx"], limited, false);
    check(&["5xx", "envoy-ratelimited"], limited, true);
}

#[test]
fn attempts_are_counted_and_pauses_grow_to_their_bound() {
    let policy = policy(&["connect-failure"]);
    let pause = |attempt| policy.may_retry(attempt, FailureKind::ConnectFailure, || 7);
    assert_eq!(pause(1), Some(Duration::from_nanos(7)));
    assert_eq!(pause(2), Some(Duration::from_nanos(7)));
    assert_eq!(pause(3), None);
    let bounds = [1, 2, 3, 4, 40, u32::MAX].map(|n| policy.pause_bound(n).as_millis());
    assert_eq!(bounds, [25, 75, 175, 250, 250, 250]);
}

#[test]
fn without_a_policy_nothing_is_repeated() {
    let never = RetryPolicy::NEVER;
    assert_eq!(never.may_retry(1, FailureKind::ConnectFailure, || 0), None);
}
