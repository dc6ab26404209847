use mesh_api::Object;
use mesh_api::decode::objects;

use super::{Texts, review, review_removal};

const RULE: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}";
const LESSER_RULE: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}";
const ROUTE: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: v2}}]}]}";
const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, name: http}]}";

fn mk(text: &str) -> Vec<Object> {
    let (objects, found) = objects("test.yaml", text);
    assert!(found.is_empty(), "{found:?}");
    objects
}

#[test]
fn a_route_to_a_subset_that_exists_is_fine() {
    let (new, kept, cluster) = (mk(ROUTE), mk(RULE), mk(SERVICE));
    let review = review(
        &new,
        &Texts::default(),
        &kept.iter().collect::<Vec<_>>(),
        &cluster,
    );
    assert_eq!(
        (review.wrong.len(), review.dangling.len()),
        (0, 0),
        "{review:?}"
    );
    assert!(review.refuse(false).is_ok());
}

#[test]
fn a_route_to_a_missing_subset_is_refused_unless_forced() {
    let (new, kept, cluster) = (mk(ROUTE), mk(LESSER_RULE), mk(SERVICE));
    let review = review(
        &new,
        &Texts::default(),
        &kept.iter().collect::<Vec<_>>(),
        &cluster,
    );
    let refused = review.refuse(false).unwrap_err();
    assert!(refused.error.contains("v2"), "{refused}");
    assert!(
        refused.hints.iter().any(|hint| hint.contains("--force")),
        "{refused:?}"
    );
    assert!(review.refuse(true).is_ok());
}

#[test]
fn taking_away_what_others_refer_to_is_noticed() {
    let kept: Vec<Object> = mk(RULE).into_iter().chain(mk(ROUTE)).collect();
    let kept: Vec<&Object> = kept.iter().collect();
    let (new, cluster) = (mk(LESSER_RULE), mk(SERVICE));
    assert_eq!(
        review(&new, &Texts::default(), &kept, &cluster)
            .dangling
            .len(),
        1
    );
    let removed = review_removal(&[new[0].key.clone()], &kept, &cluster);
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert!(
        removed[0].contains("virtualservice default/web"),
        "{removed:?}"
    );
}

#[test]
fn an_object_that_is_wrong_is_refused_even_when_forced() {
    let text = ROUTE.replace("hosts: [web]", "hosts: []");
    let review = review(&mk(&text), &Texts::default(), &[], &mk(SERVICE));
    assert!(review.refuse(true).is_err(), "{review:?}");
}
