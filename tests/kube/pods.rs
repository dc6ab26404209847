//! Pods of images that were packed from folders.

use crate::cluster::shared;
use crate::toolbox::{self, PAGE, idle, pod};

#[test]
fn a_pod_of_an_image_packed_from_a_folder_runs_and_its_log_is_read() {
    let cluster = shared().read();
    toolbox::pack(&cluster);
    cluster.namespace("logs");
    cluster.apply(&pod("logs", "reader", &["print", "/page"]));
    let succeeded = "jsonpath={.status.phase}=Succeeded";
    cluster.wait(succeeded, &["pod/reader", "-n", "logs"]);
    assert_eq!(cluster.kubectl(&["logs", "reader", "-n", "logs"]), PAGE);
}

#[test]
fn a_program_is_run_in_a_pod() {
    let cluster = shared().read();
    toolbox::pack(&cluster);
    cluster.namespace("programs");
    cluster.apply(&idle("programs", "idle"));
    cluster.wait("condition=Ready", &["pod/idle", "-n", "programs"]);
    let exec = ["exec", "idle", "-n", "programs", "--"];
    let print = ["/toolbox", "print", "/etc/hostname"];
    let hostname = cluster.kubectl(&[&exec[..], &print].concat());
    assert_eq!(hostname, "idle\n");
}
