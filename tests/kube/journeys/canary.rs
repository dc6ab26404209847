//! A new version of reviews is tried with one user, then with a tenth of all, then with everybody.

use std::collections::BTreeMap;

use mesh_test::eventually;
use mesh_tests::page::Stars;
use parking_lot::Mutex;

use crate::app::App;
use crate::shop::Shop;
use crate::world::World;

const HERE: &str = "visitors";
/// Looks at the page when the weights are 90 and 10.
const LOOKS: u32 = 2000;
/// Three standard deviations of a tenth of them.
const SIGMAS: u32 = 40;

pub(crate) fn run(world: &World) {
    let shop = Shop::of(world);
    world.cluster.namespace(HERE);
    App::new(HERE, "visitor").deploy(world);
    let visitor = world.remote(HERE, "visitor");
    let page = "http://istio-ingressgateway.istio-system/productpage";
    visitor.load(page, 40, "Reviewer1");

    world.apply_sample("default", "destination-rule-all.yaml");
    world.apply_sample("default", "virtual-service-all-v1.yaml");
    shop.only(Stars::None);
    world.apply_sample("default", "virtual-service-reviews-test-v2.yaml");
    shop.as_user("jason").only(Stars::Black);
    shop.only(Stars::None);

    world.apply_sample("default", "virtual-service-reviews-90-10.yaml");
    eventually("some get the new version", || match shop.stars() {
        Stars::Black => Ok(()),
        other => Err(other),
    });
    let seen = looks(&shop);
    let black = seen.get(&Stars::Black).copied().unwrap_or_default();
    assert_eq!(seen.values().sum::<u32>(), LOOKS);
    assert!(black.abs_diff(LOOKS / 10) <= SIGMAS, "{seen:?}");
    assert!(!seen.contains_key(&Stars::Red), "{seen:?}");

    world.apply_sample("default", "virtual-service-reviews-50-v3.yaml");
    eventually("half get the third", || match shop.stars() {
        Stars::Red => Ok(()),
        other => Err(other),
    });
    world.apply_sample("default", "virtual-service-reviews-v3.yaml");
    shop.only(Stars::Red);
    visitor.goes_on(200);
    visitor
        .end()
        .assert_unharmed("the page while versions were shifted", 200);

    // As Bookinfo's guide leaves it.
    let samples = ["virtual-service-all-v1.yaml", "destination-rule-all.yaml"];
    for sample in samples {
        let file = crate::world::path(&format!("samples/bookinfo/networking/{sample}"));
        world.kubectl(&["delete", "-n", "default", "-f", &file]);
    }
    world.forget(HERE);
}

/// Many looks, by four visitors.
#[track_caller]
fn looks(shop: &Shop) -> BTreeMap<Stars, u32> {
    let seen = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..LOOKS / 4 {
                    let stars = shop.stars();
                    *seen.lock().entry(stars).or_insert(0) += 1;
                }
            });
        }
    });
    seen.into_inner()
}
