//! Cycles in the needs of steps, and the default needs that give way to the profile.

use super::phase::Reason;

/// The needs of each step: indexes of steps, with the reasons.
type Needs = [Vec<(usize, Reason)>];

/// Removes default needs that close a cycle with needs that the profile or a resource demands. Returns the members of a
/// cycle that consists of demands only: each depends on the next, and the last one on the first.
pub(super) fn remaining_cycle(needs: &mut Needs) -> Option<Vec<usize>> {
    while let Some(members) = cycle(needs) {
        let Some((step, need)) = weakest_need(needs, &members) else { return Some(members) };
        needs[step].retain(|(other, _)| *other != need);
    }
    None
}

/// The default need of a cycle that gives way. A step with `after`, or one that uses what another creates, moves back:
/// the step that needs it by default no longer waits for it. A step with `before` moves ahead: it no longer waits for
/// its own default need. `None` if the cycle has no default need.
fn weakest_need(needs: &Needs, members: &[usize]) -> Option<(usize, usize)> {
    let count = members.len();
    let edge = |position: usize| (members[position % count], members[(position + 1) % count]);
    let reason = |position: usize| {
        let (step, need) = edge(position);
        needs[step].iter().find(|(other, _)| *other == need).map(|(_, reason)| reason)
    };
    let is_default = |position: usize| matches!(reason(position), Some(Reason::Phase(..)));
    let gives_way = |position: usize| {
        let moved_back = matches!(reason(position + 1), Some(Reason::After(_) | Reason::Creates(_)));
        let moved_ahead = matches!(reason(position + count - 1), Some(Reason::Before(_)));
        is_default(position) && (moved_back || moved_ahead)
    };
    let beside_demand = |position: usize| is_default(position) && !(is_default(position + 1));
    let position =
        (0..count).find(|&position| gives_way(position)).or_else(|| (0..count).find(|&p| beside_demand(p)))?;
    Some(edge(position))
}

/// The members of a cycle, if one exists.
fn cycle(needs: &Needs) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    fn visit(needs: &Needs, index: usize, states: &mut [State], path: &mut Vec<usize>) -> Option<Vec<usize>> {
        match states[index] {
            State::Done => return None,
            State::Open => {
                let begin = path.iter().position(|&open| open == index).unwrap_or(0);
                return Some(path[begin..].to_vec());
            }
            State::New => {}
        }
        states[index] = State::Open;
        path.push(index);
        for (next, _) in &needs[index] {
            if let Some(found) = visit(needs, *next, states, path) {
                return Some(found);
            }
        }
        path.pop();
        states[index] = State::Done;
        None
    }
    let mut states = vec![State::New; needs.len()];
    (0..needs.len()).find_map(|index| visit(needs, index, &mut states, &mut Vec::new()))
}
