use proptest::prelude::*;

use super::*;

/// The table as RFC 7541 4 describes it, in the simplest way.
struct Model {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    max: usize,
}

impl Model {
    fn size(&self) -> usize {
        self.entries
            .iter()
            .map(|(n, v)| n.len() + v.len() + 32)
            .sum()
    }

    fn shrink_to(&mut self, size: usize) {
        while self.size() > size {
            self.entries.pop();
        }
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let size = name.len() + value.len() + 32;
        self.shrink_to(self.max.saturating_sub(size));
        if size <= self.max {
            self.entries.insert(0, (name, value));
        }
    }
}

#[track_caller]
fn assert_entries(table: &Table, expected: &[(&[u8], &[u8])]) {
    let found: Vec<_> = (0..table.len())
        .map(|age| table.entry(age).unwrap())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(table.entry(table.len()), None);
    assert_eq!(
        table.size(),
        expected.iter().map(|(n, v)| size_of(n, v)).sum::<usize>()
    );
}

#[test]
fn the_newest_entry_comes_first_and_the_oldest_goes_first() {
    let mut table = Table::new(3 * 34);
    for name in [b"a", b"b", b"c", b"d"] {
        table.insert(name, b"1", Note::default());
    }
    assert_entries(&table, &[(b"d", b"1"), (b"c", b"1"), (b"b", b"1")]);
}

#[test]
fn an_entry_that_fits_exactly_stays_alone() {
    let mut table = Table::new(40);
    table.insert(b"a", b"1", Note::default());
    table.insert(b"name", b"1234", Note::default());
    assert_entries(&table, &[(b"name", b"1234")]);
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut table = Table::new(40);
    table.insert(b"a", b"1", Note::default());
    table.insert(b"name", b"12345", Note::default());
    assert_entries(&table, &[]);
    table.insert(b"a", b"1", Note::default());
    table.insert_with_name_of(0, b"12345678", Note::default());
    assert_entries(&table, &[]);
}

#[test]
fn a_name_is_kept_though_its_entry_is_evicted_by_the_new_one() {
    let mut table = Table::new(40);
    table.insert(b"name", b"1", Note::default());
    table.insert_with_name_of(0, b"1234", Note::default());
    assert_entries(&table, &[(b"name", b"1234")]);
    for _ in 0..1000 {
        table.insert_with_name_of(0, b"4321", Note::default());
    }
    assert_entries(&table, &[(b"name", b"4321")]);
}

#[test]
fn a_smaller_table_evicts_and_none_keeps_nothing() {
    let mut table = Table::new(4096);
    table.insert(b"a", b"1", Note::default());
    table.insert(b"b", b"2", Note::default());
    table.set_max(67);
    assert_entries(&table, &[(b"b", b"2")]);
    table.set_max(0);
    assert_entries(&table, &[]);
    table.insert(b"", b"", Note::default());
    assert_entries(&table, &[]);
    table.set_max(32);
    table.insert(b"", b"", Note::default());
    assert_entries(&table, &[(b"", b"")]);
}

#[test]
fn memory_is_bounded_however_much_is_inserted() {
    let mut table = Table::new(4096);
    let value = [b'v'; 1000];
    for length in (0..1000).cycle().take(100_000) {
        table.insert(b"name", &value[..length], Note::default());
        table.insert_with_name_of(0, &value[..1000 - length], Note::default());
    }
    assert!(
        table.bytes.capacity() <= 4 * 4096,
        "{}",
        table.bytes.capacity()
    );
    assert!(
        table.entries.capacity() <= 256,
        "{}",
        table.entries.capacity()
    );
}

#[test]
fn positions_survive_more_bytes_than_they_can_count() {
    let mut table = Table::new(100);
    table.insert(b"a", b"1", Note::default());
    table.cut = u32::MAX - 1000;
    table.entries.iter_mut().for_each(|e| e.start = table.cut);
    for _ in 0..200 {
        table.insert_with_name_of(0, b"1234567890", Note::default());
    }
    assert!(table.cut < 4000);
    assert_entries(&table, &[(b"a", b"1234567890"), (b"a", b"1234567890")]);
}

#[derive(Debug, Clone)]
enum Change {
    Insert(Vec<u8>, Vec<u8>),
    Again(usize, Vec<u8>),
    Resize(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let text = |most| prop::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        6 => (text(30), text(200)).prop_map(|(name, value)| Change::Insert(name, value)),
        4 => (0_usize..20, text(200)).prop_map(|(age, value)| Change::Again(age, value)),
        1 => (0_usize..1000).prop_map(Change::Resize),
    ]
}

proptest! {
    #[test]
    fn it_is_the_table_of_the_rfc(changes in prop::collection::vec(change(), 0..200)) {
        let mut table = Table::new(600);
        let mut model = Model { entries: Vec::new(), max: 600 };
        for change in changes {
            match change {
                Change::Insert(name, value) => {
                    table.insert(&name, &value, Note::default());
                    model.insert(name, value);
                }
                Change::Again(age, value) => {
                    table.insert_with_name_of(age, &value, Note::default());
                    if let Some((name, _)) = model.entries.get(age).cloned() {
                        model.insert(name, value);
                    }
                }
                Change::Resize(max) => {
                    table.set_max(max);
                    model.max = max;
                    model.shrink_to(max);
                }
            }
            let expected: Vec<_> = model.entries.iter().map(|(n, v)| (&n[..], &v[..])).collect();
            assert_entries(&table, &expected);
        }
    }
}
