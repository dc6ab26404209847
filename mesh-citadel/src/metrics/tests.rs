use super::*;

#[test]
fn every_cause_of_failure_is_there_before_the_first() {
    let registry = Registry::new();
    let _metrics = Metrics::new(&registry).unwrap();
    let text = mesh_runtime::metrics::text(&registry);
    for label in IssueError::LABELS {
        let line = format!("citadel_server_csr_sign_err_count{{error=\"{label}\"}} 0\n");
        assert!(text.contains(&line), "{text}");
    }
}
