use super::Table;

#[test]
fn columns_are_aligned_and_colour_takes_no_room() {
    let mut table = Table::new(&["name", "ready"]);
    table.row(["\u{1b}[32mpilot\u{1b}[0m", "yes"]);
    table.row(["istio-ingressgateway", "no"]);
    let expected = "NAME                   READY\n\
                    \u{1b}[32mpilot\u{1b}[0m                  yes\n\
                    istio-ingressgateway   no";
    assert_eq!(table.render(), expected);
}
