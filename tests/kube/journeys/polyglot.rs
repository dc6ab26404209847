//! Bookinfo as others write it: the page in Python, reviews in Java, ratings in Node, details in Rust,
//! each with the HTTP of its ecosystem.

use std::collections::BTreeSet;
use std::process::Command;

use mesh_test::eventually;
use mesh_tests::cluster::success;
use mesh_tests::mesh::binary;
use mesh_tests::page::Stars;
use tempfile::TempDir;

use crate::shop::Shop;
use crate::world::{World, path};

const HERE: &str = "polyglot";
const LOOKS: usize = 200;

pub(crate) fn run(world: &World) {
    images(world, &["--polyglot"]);
    world.meshed(HERE);
    for file in ["platform/kube/bookinfo", "networking/destination-rule-all"] {
        let file = path(&format!("samples/bookinfo/{file}.yaml"));
        world.kubectl(&["apply", "-n", HERE, "-f", &file]);
    }
    world.all_rolled_out(HERE);
    // Their names are those of the images that the other journeys have.
    images(world, &[]);
    world.all_show(HERE, &[], "2/2");
    let shop = Shop::at(&format!("{}:9080", world.service(HERE, "productpage")));
    // Its manifest has no probes, so nobody has waited for Java.
    eventually("every version of reviews", || every_version(&shop));
    let seen: BTreeSet<Stars> = (0..LOOKS).map(|_| shop.stars()).collect();
    assert_eq!(seen.len(), 3, "{seen:?}");

    world.apply_sample(HERE, "virtual-service-reviews-test-v2.yaml");
    shop.as_user("jason").only(Stars::Black);
    shop.only(Stars::None);
    world.apply_sample(HERE, "virtual-service-reviews-v3.yaml");
    shop.only(Stars::Red);
    world.forget(HERE);
}

/// Looks until each has been seen, and no look shows less than the whole page.
fn every_version(shop: &Shop) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for _ in 0..LOOKS {
        let page = shop.page()?;
        if page.contains("currently unavailable") {
            return Err(page);
        }
        seen.insert(mesh_tests::page::stars(&page));
        if seen.len() == 3 {
            return Ok(());
        }
    }
    Err(format!("{seen:?}"))
}

/// Makes the sample's images and imports them.
#[track_caller]
fn images(world: &World, how: &[&str]) {
    let folder = TempDir::new().unwrap();
    let archive = folder.path().join("bookinfo.tar");
    let mut xtask = Command::new(binary("xtask"));
    let xtask = xtask.args(["bookinfo", "--built"]).args(how);
    success(&xtask.arg("--out").arg(&archive).output().unwrap());
    world.cluster.import(&archive);
}
