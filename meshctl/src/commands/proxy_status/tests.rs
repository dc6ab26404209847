use super::*;
use crate::ui::Color;

#[test]
fn each_type_says_how_far_it_has_come() {
    let page = json!([{
        "proxy": "whatever",
        "node": "sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local",
        "version_published": 4, "version_acked": 3,
        "cluster_sent": "4-1", "cluster_acked": "4-1",
        "listener_sent": "4-2", "listener_acked": "3-2",
        "endpoint_sent": "", "endpoint_acked": "",
        "route_sent": "4-3", "route_acked": "3-3",
        "last_error": "Listener: 10.0.0.1_80: address is taken",
    }]);
    let rows = read(&page, "pilot-1");
    let table = to_table(&rows, &Ui::new(Color::Never)).render();
    assert_eq!(
        table,
        "NAME         CDS      LDS       EDS        RDS     PILOT     VERSION\n\
         web-1.shop   SYNCED   REFUSED   NOT SENT   STALE   pilot-1   3 of 4"
    );
}
