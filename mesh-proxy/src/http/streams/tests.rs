use std::collections::BTreeMap;

use slotmap::SlotMap;

use super::*;

#[test]
fn every_stream_finds_its_own_request_however_their_numbers_fall() {
    let mut random = fastrand::Rng::with_seed(1);
    for wide in [8, 300, 100_000] {
        let mut flows: SlotMap<FlowKey, ()> = SlotMap::with_key();
        let (mut streams, mut model) = (Streams::default(), BTreeMap::new());
        for _ in 0..20_000 {
            let stream = random.u32(0..wide);
            if model.remove(&stream).is_some() {
                streams.remove(stream);
            } else if model.len() < 400 {
                let flow = flows.insert(());
                streams.insert(stream, flow);
                model.insert(stream, flow);
            }
            let asked = random.u32(0..wide);
            assert_eq!(streams.get(asked), model.get(&asked).copied());
            assert_eq!(streams.len(), model.len());
        }
        let mut all = streams.flows();
        all.sort();
        let mut expected: Vec<FlowKey> = model.into_values().collect();
        expected.sort();
        assert_eq!(all, expected);
    }
}
