//! The watermark beside a list of all positions and STATEs that ever were.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::value::RawValue;
use target_upsert::state::watermark::Watermark;

#[derive(Clone, Debug)]
enum Step {
    /// The next record is read.
    Read,
    /// A STATE comes behind the last record that was read.
    State,
    /// One of those that are under way ends; this chooses it.
    End(prop::sample::Index),
    /// One of those that are under way must come again.
    Freeze(prop::sample::Index),
    /// Whoever passes STATEs on looks.
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        80 => Just(Step::Read),
        30 => Just(Step::State),
        80 => any::<prop::sample::Index>().prop_map(Step::End),
        3 => any::<prop::sample::Index>().prop_map(Step::Freeze),
        40 => Just(Step::Take),
    ]
}

/// Everything that ever happened.
#[derive(Default)]
struct Model {
    /// By position: `None` under way, `Some(true)` ended, `Some(false)` must come again.
    records: BTreeMap<u64, Option<bool>>,
    /// Position before it, and whether it or a later one was passed on.
    states: Vec<(u64, bool)>,
}

impl Model {
    fn under_way(&self) -> Vec<u64> {
        self.records.iter().filter(|(_, end)| end.is_none()).map(|(at, _)| *at).collect()
    }

    /// A STATE is safe when each record before it has ended, and none must come again.
    fn take_safe(&mut self) -> Option<usize> {
        let is_safe = |after: u64| (1..=after).all(|at| self.records[&at] == Some(true));
        let newest = self.states.iter().rposition(|(after, _)| is_safe(*after))?;
        let is_new = !self.states[newest].1;
        self.states[..=newest].iter_mut().for_each(|state| state.1 = true);
        is_new.then_some(newest)
    }
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn a_state_is_safe_when_all_before_it_have_ended_and_none_must_come_again(
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let (mut watermark, mut model) = (Watermark::default(), Model::default());
        for step in steps {
            let under_way = model.under_way();
            match step {
                Step::Read => {
                    model.records.insert(model.records.len() as u64 + 1, None);
                }
                Step::State => {
                    let after = model.records.len() as u64;
                    let value = RawValue::from_string(model.states.len().to_string()).unwrap();
                    watermark.state(after, value);
                    model.states.push((after, false));
                }
                Step::End(which) if !under_way.is_empty() => {
                    let position = *which.get(&under_way);
                    watermark.end(position);
                    model.records.insert(position, Some(true));
                }
                Step::Freeze(which) if !under_way.is_empty() => {
                    let position = *which.get(&under_way);
                    watermark.freeze(position);
                    model.records.insert(position, Some(false));
                }
                Step::Take => {
                    let safe = watermark.take_safe().map(|value| value.get().parse().unwrap());
                    prop_assert_eq!(safe, model.take_safe());
                }
                Step::End(_) | Step::Freeze(_) => {}
            }
        }
        let safe = watermark.take_safe().map(|value| value.get().parse().unwrap());
        prop_assert_eq!(safe, model.take_safe());
    }
}
