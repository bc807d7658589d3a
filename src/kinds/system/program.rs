//! Runs the programs of the operating system that change it, and explains their messages.

use crate::{
    exec::Cmd,
    problem::Problem,
    steps::{Context, MessageHint, run_program},
};

/// Runs a program that must succeed.
pub(super) async fn run(ctx: &Context, cmd: &Cmd) -> Result<(), Problem> {
    run_program(ctx, cmd, HINTS).await
}

/// The hints for messages of mount, umount, swapon, hostname or update-alternatives.
const HINTS: &[MessageHint] = &[
    ("unknown filesystem type", "install the package of this type with `[apt]`, or check `type`"),
    ("bad option; for several filesystems", "install the package with the program mount.TYPE with `[apt]`"),
    ("target is busy", "end the programs that use the folder, then run nodeagent again"),
    ("special device", "check `what`: there is no such device"),
    ("permission denied", "the security settings of the node, such as AppArmor, forbid it"),
    ("Operation not permitted", "the security settings of the node, such as seccomp, forbid it"),
    ("not registered; not setting", "check the path, or add the package that provides it to `[apt]`"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::run_program::hint_for;

    #[test]
    fn real_messages_have_hints() {
        for message in [
            "mount: /mnt/x: unknown filesystem type 'gcsfuse'.",
            "mount: /mnt/x: bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> \
             helper program.",
            "umount: /mnt/x: target is busy.",
            "mount: /mnt/x: special device /dev/sdz1 does not exist.",
            "mount: /mnt/x: permission denied.",
            "swapon: /swapfile: swapon failed: Operation not permitted",
            "update-alternatives: error: alternative /bin/x for editor not registered; not setting",
        ] {
            assert!(hint_for(HINTS, message).is_some(), "{message}");
        }
        assert_eq!(hint_for(HINTS, "mount: /mnt/x: can't read superblock on /dev/sdb1."), None);
    }
}
