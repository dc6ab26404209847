use super::*;

#[test]
fn settings_survive_their_own_text() {
    let settings = Settings::of_mesh("mesh-system");
    let value = serde_json::to_value(&settings).unwrap();
    assert_eq!(Settings::from_value(value), Ok(settings));
}

#[test]
fn what_is_not_named_has_its_default() {
    let settings = Settings::from_yaml("proxy: {image: own:1}\n").unwrap();
    let mut expected = Settings::default();
    expected.proxy.image = "own:1".to_owned();
    assert_eq!(settings, expected);
    assert_eq!(Settings::from_yaml("# nothing\n"), Ok(Settings::default()));
}

#[track_caller]
fn check_bad(text: &str, says: &str) {
    let said = Settings::from_yaml(text).unwrap_err().to_string();
    assert!(said.contains(says), "{said}");
}

#[test]
fn what_cannot_be_used_is_named_by_its_field() {
    check_bad("proxy: {imag: x}", "proxy.imag: unknown field");
    check_bad("proxy: {statusPort: 70000}", "proxy.statusPort");
    check_bad(
        "proxy: {statusPort: 15021}",
        "proxy.statusPort: is another port",
    );
    check_bad("capture: {mode: redirect}", "capture.mode: unknown variant");
    check_bad("proxy: {image: ''}", "proxy.image: is empty");
    check_bad("proxy: {drainTime: soon}", "proxy.drainTime");
    check_bad("proxy: {minimumDrainTime: soon}", "proxy.minimumDrainTime");
    check_bad("a: [", "line 1");
}

#[test]
fn the_meshs_configuration_changes_what_sidecars_get() {
    let text = "
trustDomain: example.org
accessLogFile: /dev/stdout
enablePrometheusMerge: false
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
defaultConfig:
  discoveryAddress: pilot.other:15012
  holdApplicationUntilProxyStarts: false
  terminationDrainDuration: 20s
  tracing: {sampling: 1}
";
    let (settings, without_effect) = Settings::default().with_mesh_config(text).unwrap();
    assert_eq!(settings.proxy.trust_domain, "example.org");
    assert_eq!(settings.proxy.access_log, "-");
    assert_eq!(settings.proxy.xds_address, "pilot.other:15012");
    assert_eq!(settings.proxy.drain_time, "20s");
    assert!(!settings.prometheus_merge && !settings.hold_application_until_proxy_starts);
    assert_eq!(without_effect, ["tracing"]);
    let bad = Settings::default().with_mesh_config("defaultConfig: {statusPort: x}");
    let said = bad.unwrap_err().to_string();
    assert_eq!(
        said,
        "defaultConfig.statusPort: expected a port, or 0 for none"
    );
}

/// The settings that docs/injection.md prints.
fn documented() -> String {
    let guide = include_str!("../../../../docs/injection.md");
    let (_, after) = guide
        .split_once("With the defaults of a mesh in `istio-system`:")
        .unwrap();
    let lines = after.lines().skip(2);
    let block = lines.take_while(|line| line.starts_with("    "));
    let text = block.filter_map(|line| line.get(4..));
    text.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_guide_prints_the_defaults() {
    let text = documented();
    assert_eq!(Settings::from_yaml(&text), Ok(Settings::default()));
    let documents = documents::split(&text);
    let said = documents::parse(&documents[0]).unwrap();
    let all = serde_json::to_value(Settings::default()).unwrap();
    assert_eq!(said, all, "every setting is there");
}
