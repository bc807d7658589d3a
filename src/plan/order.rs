//! The order of steps: default phases, `after` and `before` in the profile, and resources that one step creates for
//! another.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cycle::remaining_cycle,
    need_sources::NeedSources,
    phase::{Need, Phase, Reason},
    step::{Step, is_among},
    step_id::StepId,
};
use crate::{problem::Problem, profile::Setting};

/// Sets the dependencies of each step. The error lists every member of a cycle.
pub fn into_order<A>(mut steps: Vec<Step<A>>) -> Result<Vec<Step<A>>, Problem> {
    let sources = NeedSources::of(&steps);
    if let Some(problem) = (0..steps.len()).find_map(|index| need_of_later_stage(&steps, &sources, index)) {
        return Err(problem);
    }
    let mut of_phase: BTreeMap<Phase, Vec<usize>> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        of_phase.entry(step.phase).or_default().push(index);
    }
    let defaults: Vec<Vec<usize>> = (0..steps.len()).map(|index| by_phase(&steps, &of_phase, index)).collect();
    let explicit: Vec<Vec<(usize, Reason)>> =
        (0..steps.len()).map(|index| explicit_needs(&steps, &sources, index)).collect();
    let defaults = without_contradictions(&explicit, &remaining_defaults(&steps, &defaults, &explicit));
    let mut needs: Vec<_> = (0..steps.len()).map(|index| needs_of(&steps, &defaults, &explicit, index)).collect();
    let members = remaining_cycle(&mut needs);
    let ids: Vec<StepId> = steps.iter().map(|step| step.id.clone()).collect();
    for (step, needs) in steps.iter_mut().zip(needs) {
        step.needs = needs.into_iter().map(|(need, reason)| Need { step: ids[need].clone(), reason }).collect();
    }
    match members {
        Some(members) => Err(cyclic(&steps, &members)),
        None => Ok(steps),
    }
}

/// The indexes of the steps that precede a step by default. `of_phase` has the steps of each phase.
fn by_phase<A>(steps: &[Step<A>], of_phase: &BTreeMap<Phase, Vec<usize>>, index: usize) -> Vec<usize> {
    let step = &steps[index];
    let is_beside = |other: &Step<A>| step.beside.is_some_and(|kind| is_named(other, kind));
    let earlier = step.phase.needs().iter().filter_map(|phase| of_phase.get(phase)).flatten();
    let earlier = earlier.filter(|&&other| !is_beside(&steps[other]));
    // Hooks run one after another in the order of the profile.
    let hooks = if step.phase == Phase::Hooks { of_phase.get(&Phase::Hooks) } else { None };
    let hooks = hooks.into_iter().flatten().filter(|&&other| other < index);
    let mut needed: Vec<usize> =
        earlier.chain(hooks).copied().filter(|&other| is_same_stage(step, &steps[other])).collect();
    needed.sort_unstable();
    needed
}

/// Whether two steps are of the same stage. The steps of an earlier stage have ended before a later one begins.
fn is_same_stage<A>(step: &Step<A>, other: &Step<A>) -> bool {
    step.order.stage == other.order.stage
}

/// The error of a step that needs a step of a later stage. The name of a section stands for its entries of the same
/// stage only.
fn need_of_later_stage<A>(steps: &[Step<A>], sources: &NeedSources<'_>, index: usize) -> Option<Problem> {
    let step = &steps[index];
    let later = |first: &Step<A>| first.order.stage > step.order.stage;
    let names_section = |reason: &Reason, first: &Step<A>| {
        let named = naming(&step.order.after, step, first).or_else(|| naming(&first.order.before, first, step));
        matches!(reason, Reason::After(_) | Reason::Before(_)) && named.is_some_and(|name| !name.value.contains('.'))
    };
    let needs = needs_among(steps, sources, index, later);
    let (other, reason) = needs.into_iter().find(|(other, reason)| !names_section(reason, &steps[*other]))?;
    let entry = |step: &Step<A>| step.entries.first().cloned().unwrap_or_default();
    let message = format!(
        "`{}` runs during the launch, but needs `{}`, which has `stage = \"post-start\"`",
        entry(step),
        entry(&steps[other])
    );
    let cause = match &reason {
        Reason::Creates(resource) => format!("`{}` creates {resource}", entry(&steps[other])),
        Reason::Phase(..) | Reason::After(_) | Reason::Before(_) => reason.to_string(),
    };
    let origin = match reason {
        Reason::After(origin) | Reason::Before(origin) => Some(origin),
        Reason::Creates(_) | Reason::Phase(..) => step.origins.first().cloned(),
    };
    let hint = format!("add `stage = \"post-start\"` to `{}`, or remove it from the other entry", entry(step));
    Some(Problem { causes: vec![cause], origin, ..Problem::refused(message).hint(hint) })
}

/// The needs of a step that the profile or a resource demands, among the steps of its stage.
fn explicit_needs<A>(steps: &[Step<A>], sources: &NeedSources<'_>, index: usize) -> Vec<(usize, Reason)> {
    needs_among(steps, sources, index, |other| is_same_stage(&steps[index], other))
}

/// The needs of a step that the profile or a resource demands, among certain steps.
fn needs_among<A>(
    steps: &[Step<A>],
    sources: &NeedSources<'_>,
    index: usize,
    counts: impl Fn(&Step<A>) -> bool,
) -> Vec<(usize, Reason)> {
    let step = &steps[index];
    let mut needs = Vec::new();
    let others = sources.of_step(step).into_iter().map(|other| (other, &steps[other]));
    for (other, first) in others.filter(|(other, first)| *other != index && counts(first)) {
        let created = first.creates.iter().find(|created| step.uses.iter().any(|used| created.is_needed_for(used)));
        if let Some(resource) = created {
            needs.push((other, Reason::Creates(resource.clone())));
        }
        if let Some(after) = naming(&step.order.after, step, first) {
            needs.push((other, Reason::After(after.origin.clone())));
        }
        if let Some(before) = naming(&first.order.before, first, step) {
            needs.push((other, Reason::Before(before.origin.clone())));
        }
    }
    needs
}

/// All needs of a step, each with its first reason.
fn needs_of<A>(
    steps: &[Step<A>],
    defaults: &[Vec<usize>],
    explicit: &[Vec<(usize, Reason)>],
    index: usize,
) -> Vec<(usize, Reason)> {
    let phase = |other: usize| Reason::Phase(steps[other].phase, steps[index].phase);
    let by_phase = defaults[index].iter().map(|&other| (other, phase(other)));
    let mut seen = BTreeSet::new();
    explicit[index].iter().cloned().chain(by_phase).filter(|(other, _)| seen.insert(*other)).collect()
}

/// The default needs that the explicit ones leave. If the profile puts a step before another, the step keeps only the
/// default needs that the other one has as well.
fn remaining_defaults<A>(
    steps: &[Step<A>],
    defaults: &[Vec<usize>],
    explicit: &[Vec<(usize, Reason)>],
) -> Vec<Vec<usize>> {
    let needed = all_needs(explicit, |_| true);
    let remaining = |index: usize| {
        let step = &steps[index];
        let is_later = |other: usize| {
            other != index
                && is_same_stage(step, &steps[other])
                && naming(&step.order.before, step, &steps[other]).is_some()
        };
        let later: Vec<usize> = (0..steps.len()).filter(|&other| is_later(other)).collect();
        let stays = |other: usize| {
            later.iter().all(|&later| defaults[later].contains(&other)) && !needed[other].contains(&index)
        };
        defaults[index].iter().copied().filter(|&other| stays(other)).collect()
    };
    (0..steps.len()).map(remaining).collect()
}

/// The default needs without those that would close a cycle with another default need. `after` moves a step behind the
/// steps that it names, so steps that come before these by default no longer wait for it. `before` does the reverse.
fn without_contradictions(explicit: &[Vec<(usize, Reason)>], defaults: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let by_after = all_needs(explicit, |reason| matches!(reason, Reason::After(_)));
    let by_before = all_needs(explicit, |reason| matches!(reason, Reason::Before(_)));
    let stays = |index: usize, other: usize| {
        let is_moved_behind = by_after[other].iter().any(|&first| defaults[first].contains(&index));
        let is_moved_ahead = defaults[other].iter().any(|&first| by_before[first].contains(&index));
        !is_moved_behind && !is_moved_ahead
    };
    let defaults = defaults.iter().enumerate();
    defaults.map(|(index, needs)| needs.iter().copied().filter(|&other| stays(index, other)).collect()).collect()
}

/// The steps that each step needs for certain reasons, directly or through other steps.
fn all_needs(explicit: &[Vec<(usize, Reason)>], counts: impl Fn(&Reason) -> bool) -> Vec<BTreeSet<usize>> {
    let direct = |index: usize| explicit[index].iter().filter(|(_, reason)| counts(reason)).map(|(need, _)| *need);
    let needed = |index: usize| {
        let (mut open, mut seen): (Vec<usize>, _) = (direct(index).collect(), BTreeSet::new());
        while let Some(need) = open.pop() {
            if seen.insert(need) {
                open.extend(direct(need));
            }
        }
        seen
    };
    (0..explicit.len()).map(needed).collect()
}

/// The first of a step's names in `after` or `before` that refers to another step. A step does not wait for a step of
/// the same entry, such as the `bashrc` of another user.
fn naming<'a, A>(names: &'a [Setting<String>], step: &Step<A>, other: &Step<A>) -> Option<&'a Setting<String>> {
    let is_same_entry = || step.entries == other.entries && step.origins == other.origins;
    names.iter().find(|name| is_named(other, &name.value) && !is_same_entry())
}

/// Whether a step carries out an entry, or any entry of a section.
fn is_named<A>(step: &Step<A>, name: &str) -> bool {
    is_among(&step.entries, name)
}

fn cyclic<A>(steps: &[Step<A>], members: &[usize]) -> Problem {
    let next = |position: usize| &steps[members[(position + 1) % members.len()]];
    let lines = members.iter().enumerate().map(|(position, &index)| {
        let step = &steps[index];
        let need = step.needs.iter().find(|need| need.step == next(position).id);
        let why = need.map(|need| format!(" ({})", need.reason)).unwrap_or_default();
        let line = step.origins.first().map(|origin| format!(", asked for at {origin}")).unwrap_or_default();
        format!("`{}`{line}, waits for `{}`{why}", step.id, next(position).id)
    });
    let origin = members.iter().find_map(|&index| steps[index].origins.first().cloned());
    let problem = Problem::refused("the order of steps has a cycle")
        .hint("remove one of the `after` and `before` keys that the causes name".to_owned());
    Problem { causes: lines.collect(), origin, ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::Origin,
        plan::{Resource, StepId},
        profile::{Order, RunStage},
    };

    fn step(entry: &str, phase: Phase) -> Step<()> {
        Step { entries: vec![entry.to_owned()], ..Step::for_tests(entry, (), phase) }
    }

    fn origin(line: usize) -> Origin {
        Origin { file: "x.toml".into(), line, column: 1 }
    }

    fn named(entries: &[&str]) -> Vec<Setting<String>> {
        entries.iter().map(|entry| Setting { value: (*entry).to_owned(), origin: origin(7) }).collect()
    }

    fn needs(steps: Vec<Step<()>>, of: &str) -> Vec<String> {
        let steps = into_order(steps).expect("no cycle");
        let step = steps.iter().find(|step| step.id.0 == of).expect("planned");
        step.needs.iter().map(|need| format!("{}: {}", need.step, need.reason)).collect()
    }

    #[test]
    fn phases_give_the_default_order() {
        let steps = || {
            let phases = [("apt", Phase::Packages), ("pip", Phase::Environments), ("r", Phase::Environments)];
            let all = [&phases[..], &[("files./x", Phase::Files), ("shell.bashrc", Phase::Settings)]].concat();
            all.into_iter().map(|(entry, phase)| step(entry, phase)).collect::<Vec<_>>()
        };
        assert_eq!(needs(steps(), "pip"), ["apt: system packages come before Python and R packages"]);
        assert_eq!(needs(steps(), "r"), ["apt: system packages come before Python and R packages"]);
        assert_eq!(needs(steps(), "files./x"), ["apt: system packages come before files"]);
        assert_eq!(needs(steps(), "shell.bashrc"), [""; 0]);
    }

    #[test]
    fn the_profile_takes_precedence_over_phases_also_through_other_steps() {
        let mut late = step("files./b", Phase::Files);
        late.order = Order { after: named(&["files./a"]), before: named(&["apt"]), ..Order::default() };
        let steps = vec![step("apt", Phase::Packages), step("files./a", Phase::Files), late];
        assert_eq!(needs(steps.clone(), "apt"), ["files./b: `before` at x.toml:7"]);
        assert_eq!(needs(steps.clone(), "files./b"), ["files./a: `after` at x.toml:7"]);
        assert_eq!(needs(steps, "files./a"), [""; 0]);
    }

    #[test]
    fn after_names_an_entry_or_a_section() {
        let mut late = step("shell.bashrc", Phase::Settings);
        late.order.after = named(&["files", "pip"]);
        let steps = vec![step("files./a", Phase::Files), step("files./b", Phase::Files), late];
        let expected = ["files./a: `after` at x.toml:7", "files./b: `after` at x.toml:7"];
        assert_eq!(needs(steps, "shell.bashrc"), expected);
    }

    #[test]
    fn before_gives_the_other_step_a_need_and_drops_default_needs_that_it_does_not_have() {
        let steps = || {
            let mut early = step("files./etc/apt/x", Phase::Files);
            early.order.before = named(&["apt"]);
            vec![step("apt", Phase::Packages), early]
        };
        assert_eq!(needs(steps(), "apt"), ["files./etc/apt/x: `before` at x.toml:7"]);
        assert_eq!(needs(steps(), "files./etc/apt/x"), [""; 0]);
    }

    #[test]
    fn after_moves_a_step_behind_the_phases_that_the_named_steps_wait_for() {
        let steps = || {
            let mut late = step("files./etc/pip.conf", Phase::Configuration);
            late.order.after = named(&["pip"]);
            vec![step("apt", Phase::Packages), step("pip", Phase::Environments), late]
        };
        assert_eq!(needs(steps(), "files./etc/pip.conf"), ["pip: `after` at x.toml:7"]);
        assert_eq!(needs(steps(), "pip"), ["apt: system packages come before Python and R packages"]);
        assert_eq!(needs(steps(), "apt"), [""; 0]);
    }

    #[test]
    fn before_moves_a_step_ahead_also_through_other_steps() {
        let steps = || {
            let (mut first, mut second) = (step("files./a", Phase::Files), step("files./b", Phase::Files));
            first.order.before = named(&["files./b"]);
            second.order.before = named(&["apt.sources"]);
            vec![step("apt.sources", Phase::Sources), step("apt", Phase::Packages), first, second]
        };
        assert_eq!(needs(steps(), "files./a"), [""; 0]);
        assert_eq!(needs(steps(), "files./b"), ["files./a: `before` at x.toml:7"]);
        assert_eq!(needs(steps(), "apt.sources"), ["files./b: `before` at x.toml:7"]);
        assert_eq!(needs(steps(), "apt"), ["apt.sources: sources come before system packages"]);
    }

    #[test]
    fn the_steps_of_one_entry_do_not_wait_for_each_other() {
        let steps = ["bashrc", "bashrc:analyst"].map(|id| {
            let mut step = step("shell.bashrc", Phase::Settings);
            step.id = StepId(id.to_owned());
            step.order.after = named(&["shell"]);
            step.order.before = named(&["shell"]);
            step
        });
        assert_eq!(needs(steps.to_vec(), "bashrc"), [""; 0]);
        assert_eq!(needs(steps.to_vec(), "bashrc:analyst"), [""; 0]);
    }

    #[test]
    fn a_step_waits_for_the_step_that_creates_its_folder_or_its_owner() {
        let (mut folder, mut user) = (step("files./opt/x", Phase::Files), step("users.eve", Phase::Accounts));
        folder.creates = vec![Resource::Path("/opt/x".into())];
        user.creates = vec![Resource::User("eve".into())];
        let mut file = step("shell.bashrc", Phase::Settings);
        file.uses = vec![Resource::Path("/opt/x/y".into()), Resource::User("eve".into())];
        let expected = ["files./opt/x: it creates `/opt/x`", "users.eve: it creates the user `eve`"];
        assert_eq!(needs(vec![file, folder, user], "shell.bashrc"), expected);
    }

    #[test]
    fn a_cycle_is_refused_with_the_line_of_every_member() {
        let (mut one, mut other) = (step("files./a", Phase::Files), step("files./b", Phase::Files));
        one.order.after = named(&["files./b"]);
        other.order.after = named(&["files./a"]);
        other.origins = vec![origin(9)];
        let problem = into_order(vec![one, other]).expect_err("a cycle");
        assert!(problem.refused);
        let expected = [
            "`files./a`, asked for at x.toml:1, waits for `files./b` (`after` at x.toml:7)",
            "`files./b`, asked for at x.toml:9, waits for `files./a` (`after` at x.toml:7)",
        ];
        assert_eq!(problem.causes, expected);
    }

    #[test]
    fn hooks_run_in_the_order_of_the_profile_unless_they_have_an_order_of_their_own() {
        let hooks = || ["hooks.a", "hooks.b", "hooks.c"].map(|entry| step(entry, Phase::Hooks)).to_vec();
        assert_eq!(needs(hooks(), "hooks.b"), ["hooks.a: hooks run one after another"]);
        assert_eq!(needs(hooks(), "hooks.a"), [""; 0]);
        let mut moved = hooks();
        moved[0].order.after = named(&["hooks.c"]);
        assert_eq!(needs(moved.clone(), "hooks.a"), ["hooks.c: `after` at x.toml:7"]);
        assert_eq!(needs(moved.clone(), "hooks.b"), [""; 0]);
        assert_eq!(needs(moved, "hooks.c"), ["hooks.b: hooks run one after another"]);
    }

    #[test]
    fn the_profile_takes_precedence_over_several_phases() {
        // apt waits for the hook, because the hook comes before the file, and apt after the file.
        let mut hook = step("hooks.a", Phase::Hooks);
        hook.order.before = named(&["files./a"]);
        let mut apt = step("apt", Phase::Packages);
        apt.order.after = named(&["files./a"]);
        let steps = vec![step("services.x", Phase::Services), apt, step("files./a", Phase::Files), hook];
        assert_eq!(needs(steps.clone(), "files./a"), ["hooks.a: `before` at x.toml:7"]);
        assert_eq!(needs(steps.clone(), "apt"), ["files./a: `after` at x.toml:7"]);
        assert_eq!(needs(steps, "hooks.a"), [""; 0]);
    }

    #[test]
    fn random_orders_that_exist_are_found() {
        use Phase::{Accounts, Environments, Files, Hooks, Installers, Packages, Services, Sources};
        let phases = [Accounts, Sources, Packages, Environments, Files, Installers, Services, Hooks];
        let mut random = fastrand::Rng::with_seed(11);
        for round in 0..2000 {
            // The explicit needs agree with a random order, so an order exists.
            let mut order: Vec<usize> = (0..phases.len()).collect();
            random.shuffle(&mut order);
            let mut steps: Vec<_> =
                (0..phases.len()).map(|index| step(&format!("files./{index}"), phases[index])).collect();
            let mut wanted = BTreeSet::new();
            for _ in 0..random.usize(1..6) {
                let (first, second) = (random.usize(0..phases.len()), random.usize(0..phases.len()));
                let (early, late) = if first < second { (order[first], order[second]) } else { continue };
                wanted.insert((format!("files./{late}"), format!("files./{early}")));
                if random.bool() {
                    steps[late].order.after.extend(named(&[&format!("files./{early}")]));
                } else {
                    steps[early].order.before.extend(named(&[&format!("files./{late}")]));
                }
            }
            let ordered = into_order(steps).unwrap_or_else(|problem| panic!("round {round}: {problem:?}"));
            let is_explicit = |need: &&Need| !matches!(need.reason, Reason::Phase(..));
            let pair = |step: &Step<()>, need: &Need| (step.id.0.clone(), need.step.0.clone());
            let kept: BTreeSet<_> = ordered
                .iter()
                .flat_map(|step| step.needs.iter().filter(is_explicit).map(move |need| pair(step, need)))
                .collect();
            assert_eq!(kept, wanted, "round {round}");
        }
    }

    fn after_the_launch(entry: &str, phase: Phase) -> Step<()> {
        let mut step = step(entry, phase);
        step.order.stage = RunStage::PostStart;
        step
    }

    #[test]
    fn stages_have_an_order_each() {
        let mut late = after_the_launch("files./a", Phase::Files);
        late.order.after = named(&["apt", "files./b"]);
        let mut early = step("files./b", Phase::Files);
        early.order.before = named(&["files./a"]);
        // A section stands for its entries of the same stage.
        early.order.after = named(&["services"]);
        let steps = vec![step("apt", Phase::Packages), early, late, after_the_launch("services.x", Phase::Services)];
        assert_eq!(needs(steps.clone(), "files./a"), [""; 0]);
        assert_eq!(needs(steps.clone(), "files./b"), ["apt: system packages come before files"]);
        assert_eq!(needs(steps, "services.x"), ["files./a: files come before services"]);
    }

    #[test]
    fn the_launch_cannot_wait_for_a_later_stage() {
        let refused = |early: Step<()>, late: Step<()>| {
            let problem = into_order(vec![early, late]).expect_err("it is too late");
            assert!(problem.message.contains("`files./b`"), "{problem:?}");
            (problem.causes, problem.origin)
        };
        let early = || step("files./a", Phase::Files);
        let late = || after_the_launch("files./b", Phase::Files);
        let mut after = early();
        after.order.after = named(&["files./b"]);
        assert_eq!(refused(after, late()), (vec!["`after` at x.toml:7".to_owned()], Some(origin(7))));
        let mut before = late();
        before.order.before = named(&["files./a"]);
        assert_eq!(refused(early(), before), (vec!["`before` at x.toml:7".to_owned()], Some(origin(7))));
        let (mut user, mut creator) = (early(), late());
        user.uses = vec![Resource::Path("/b/c".into())];
        creator.creates = vec![Resource::Path("/b".into())];
        assert_eq!(refused(user, creator), (vec!["`files./b` creates `/b`".to_owned()], Some(origin(1))));
    }

    #[test]
    fn a_kind_that_may_run_at_the_same_time_does_not_wait() {
        let mut pip = step("pip", Phase::Environments);
        pip.beside = Some("apt");
        assert_eq!(needs(vec![step("apt", Phase::Packages), pip], "pip"), [""; 0]);
    }
}
