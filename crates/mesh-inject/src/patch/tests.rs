use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Applies a patch as RFC 6902 says.
#[track_caller]
pub(crate) fn apply(value: &mut Value, steps: &[Operation]) {
    for step in steps {
        let (path, new) = match step {
            Operation::Add { path, value } | Operation::Replace { path, value } => {
                (path, Some(value.clone()))
            }
            Operation::Remove { path } => (path, None),
        };
        let Some((parent, last)) = path.rsplit_once('/') else {
            *value = new.unwrap();
            continue;
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        match (value.pointer_mut(parent).unwrap(), step) {
            (Value::Object(members), Operation::Remove { .. }) => {
                members.remove(&last).unwrap();
            }
            (Value::Object(members), Operation::Add { .. }) => {
                members.insert(last, new.unwrap());
            }
            (Value::Object(members), Operation::Replace { .. }) => {
                *members.get_mut(&last).unwrap() = new.unwrap();
            }
            (Value::Array(items), step) => {
                let index: usize = last.parse().unwrap();
                match step {
                    Operation::Remove { .. } => drop(items.remove(index)),
                    Operation::Add { .. } => items.insert(index, new.unwrap()),
                    Operation::Replace { .. } => items[index] = new.unwrap(),
                }
            }
            (other, _) => panic!("{path}: {other} has no members"),
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        "[a~/]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(name|kind|a/b|c~d)", inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn a_patch_makes_the_new_value_of_the_old(old in values(), new in values()) {
        let mut patched = old.clone();
        apply(&mut patched, &diff(&old, &new));
        prop_assert_eq!(patched, new);
    }
}

#[test]
fn what_is_inserted_is_all_that_a_patch_names() {
    let old = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]});
    let new = json!({"containers": [{"name": "x"}, {"name": "a", "image": "2"}, {"name": "b"}]});
    let steps = serde_json::to_value(diff(&old, &new)).unwrap();
    let expected = json!([
        {"op": "add", "path": "/containers/0", "value": {"name": "x"}},
        {"op": "replace", "path": "/containers/1/image", "value": "2"},
    ]);
    assert_eq!(steps, expected);
}

#[test]
fn nothing_is_done_to_what_is_the_same() {
    assert_eq!(diff(&json!({"a": [1]}), &json!({"a": [1]})), []);
}
