//! Creates groups and users and changes users, with the programs of Debian's package `passwd`.

use std::path::Path;

use super::{
    action::Action,
    changes::{UserState, changes, missing_groups},
    checked::Accounts,
    commands,
    desired::{DesiredGroup, DesiredUser, Membership},
    plan::password_of,
};
use crate::{
    exec::Cmd,
    facts::users::Users,
    fs::{self, FsError},
    inventory::{Vault, below},
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
    },
    plan::WriteFile,
    problem::Problem,
    profile::FileStore,
    state::Receipt,
    steps::{Context, MessageHint, remove_partial_files, run_program, write_file},
};

impl Acting for Accounts {
    type Prepared = ();

    fn word(action: &Action) -> &'static str {
        action.word()
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(_: &Action) -> bool {
        false
    }

    locks_no_packages!();

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, _: &Action) -> Result<(), Problem> {
        Ok(())
    }

    async fn act(ctx: &Context, action: &Action, (): (), vault: &Vault) -> Result<(), Problem> {
        match action {
            Action::Group(group) => create_group(ctx, group).await,
            Action::User(user, _) => bring_user(ctx, user, vault).await,
            Action::Join(member) => join(ctx, member).await,
            Action::Keys(file) => write_keys(ctx, file),
        }
    }

    fn leaves_behind(action: &Action, (): &()) -> LeftBehind {
        match action {
            Action::Keys(file) => LeftBehind::items(vec![file.path.display().to_string()]),
            Action::Group(_) | Action::User(..) | Action::Join(_) => LeftBehind::default(),
        }
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        // The programs write files completely or not at all. The present state shows the missing items.
        remove_partial_files(items)
    }
}

async fn create_group(ctx: &Context, group: &DesiredGroup) -> Result<(), Problem> {
    note(ctx, &group.profile, format!("groups.{}", group.name))?;
    if Users::read(&ctx.root).group(&group.name).is_none() {
        run(ctx, &commands::groupadd(&group.name, group.gid, group.system)).await?;
    }
    match Users::read(&ctx.root).group(&group.name) {
        Some(_) => Ok(()),
        None => Err(Problem::new(format!("the group `{}` does not exist after groupadd", group.name))),
    }
}

async fn bring_user(ctx: &Context, user: &DesiredUser, vault: &Vault) -> Result<(), Problem> {
    let hash = user.account.password.as_ref().and_then(|secret| vault.get(secret.from.as_ref()?)?.ok());
    let before = state(ctx, user);
    let missing = changes(user, &before, hash);
    if missing.create {
        note(ctx, &user.profile, format!("users.{}", user.name))?;
    }
    let has_group = before.users.group(&user.primary).is_some();
    for cmd in commands::of_user(user, &missing, has_group) {
        run(ctx, &cmd).await?;
    }
    if let Some(hash) = hash.filter(|_| missing.password) {
        run(ctx, &commands::chpasswd(&user.name, hash)).await?;
    }
    let left = changes(user, &state(ctx, user), hash);
    if left.is_empty() {
        return Ok(());
    }
    let left = left.in_words().join(", ");
    Err(Problem::new(format!("the user `{}` is not as requested; still to do: {left}", user.name)))
}

fn state(ctx: &Context, user: &DesiredUser) -> UserState {
    let password = user.account.password.as_ref().and_then(|_| password_of(&ctx.root, &user.name));
    UserState {
        users: Users::read(&ctx.root),
        has_home: below(&ctx.root, &user.home).is_dir(),
        is_ours: Receipt::read(&ctx.root).created_account(&user.profile, &format!("users.{}", user.name)),
        password,
    }
}

async fn join(ctx: &Context, member: &Membership) -> Result<(), Problem> {
    let users = Users::read(&ctx.root);
    if let Some(group) = member.groups.iter().find(|group| users.group(group).is_none()) {
        let message = format!("there is no group `{group}` on this node: no package of this run created it");
        return Err(Problem::new(message).hint("add it to `[groups]`, or check its name".to_owned()));
    }
    run(ctx, &commands::join(member)).await?;
    let left = missing_groups(&member.user, &member.groups, &Users::read(&ctx.root));
    if left.is_empty() {
        return Ok(());
    }
    Err(Problem::new(format!("the user `{}` is not in {}", member.user, left.join(", "))))
}

fn write_keys(ctx: &Context, file: &WriteFile) -> Result<(), Problem> {
    if let Some(folder) = file.path.parent() {
        // sshd ignores keys in a folder that others may write to.
        fs::create_dirs(folder, 0o700)?;
    }
    write_file(ctx, file)
}

/// Records an account before it is created: only homes of accounts that nodeagent created are created again.
fn note(ctx: &Context, profile: &str, entry: String) -> Result<(), Problem> {
    Ok(Receipt::update(&ctx.root, |receipt| receipt.note_account(profile, entry))?)
}

async fn run(ctx: &Context, cmd: &Cmd) -> Result<(), Problem> {
    run_program(ctx, cmd, HINTS).await
}

/// The hints for messages of groupadd, useradd and usermod.
const HINTS: &[MessageHint] = &[
    ("is not unique", "another program has taken this id during the run: run nodeagent again"),
    ("already exists", "another program has created it during the run: run nodeagent again"),
    ("is currently used by process", "end the processes of the user, then run nodeagent again"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::run_program::hint_for;

    #[test]
    fn real_messages_have_hints() {
        for message in [
            "useradd: UID 1001 is not unique",
            "groupadd: group 'x' already exists",
            "usermod: user analyst is currently used by process 412",
        ] {
            assert!(hint_for(HINTS, message).is_some(), "{message}");
        }
        assert_eq!(hint_for(HINTS, "useradd: cannot open /etc/passwd"), None);
    }
}
