//! Runs the programs that manage services: systemctl and journalctl, or update-rc.d and init scripts.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{
    init_script::log_file,
    state::{Definition, InitSystem},
};
use crate::{
    exec::{Cmd, ExecError},
    inventory::below,
    redact,
    steps::Context,
};

/// The number of lines of a log that a failure shows.
const SHOWN_LINES: usize = 8;
/// The number of lines that are read from the journal for them.
const READ_LINES: usize = 200;
/// The part of a log file that is read for them.
const READ_BYTES: u64 = 16 << 10;

/// The program that manages services on a node.
#[derive(Clone, Copy)]
pub(super) struct Manager<'a> {
    pub ctx: &'a Context,
    pub init: InitSystem,
}

impl Manager<'_> {
    /// Starts, stops or restarts a service, and waits until the program of the init system has ended.
    pub(super) async fn control(&self, name: &str, verb: &str) -> Result<(), ExecError> {
        match self.init {
            InitSystem::Systemd => {
                if verb != "stop" {
                    // After several failures, systemd refuses to start a service. A service that did not fail is an
                    // error here.
                    let _ = self.output(&systemctl(&["reset-failed"], name)).await;
                }
                self.run(&systemctl(&[verb], name)).await
            }
            InitSystem::Scripts => {
                // A service must not inherit the environment of the agent.
                let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
                let script = self.ctx.on_node(&format!("/etc/init.d/{name}")).display().to_string();
                self.run(&Cmd::new("env").args(["-i", path, &script, verb])).await
            }
        }
    }

    /// Enables or disables a service.
    pub(super) async fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), ExecError> {
        let verb = if enabled { "enable" } else { "disable" };
        match self.init {
            InitSystem::Systemd => self.run(&systemctl(&["--no-reload", verb], name)).await,
            InitSystem::Scripts => {
                self.run(&Cmd::new("update-rc.d").args([name, "defaults"])).await?;
                self.run(&Cmd::new("update-rc.d").args([name, verb])).await
            }
        }
    }

    /// Removes the links of an init script.
    pub(super) async fn remove_links(&self, name: &str) -> Result<(), ExecError> {
        match self.init {
            InitSystem::Systemd => self.set_enabled(name, false).await,
            InitSystem::Scripts => self.run(&Cmd::new("update-rc.d").args([name, "remove"])).await,
        }
    }

    /// Masks or unmasks a service of systemd. systemd must be reloaded afterwards.
    pub(super) async fn set_masked(&self, name: &str, masked: bool) -> Result<(), ExecError> {
        self.run(&systemctl(&["--no-reload", if masked { "mask" } else { "unmask" }], name)).await
    }

    /// Whether systemd has read another version of a unit than the present one.
    pub(super) async fn is_stale(&self, name: &str) -> bool {
        if self.init == InitSystem::Scripts {
            return false;
        }
        let shown = self.output(&systemctl(&["show", "--property=NeedDaemonReload"], name)).await;
        shown.is_some_and(|text| text.trim() == "NeedDaemonReload=yes")
    }

    /// Makes systemd read all units again.
    pub(super) async fn reload(&self) -> Result<(), ExecError> {
        match self.init {
            InitSystem::Systemd => self.run(&Cmd::new("systemctl").arg("daemon-reload")).await,
            InitSystem::Scripts => Ok(()),
        }
    }

    /// The last lines of a service's log, without secrets.
    pub(super) async fn last_lines(&self, name: &str, definition: &Definition) -> Vec<String> {
        let text = match self.init {
            InitSystem::Systemd => {
                // Messages reach the journal a moment after they were written.
                let _ = self.output(&Cmd::new("journalctl").arg("--sync")).await;
                let unit = format!("--unit={name}.service");
                // More lines than are shown: a secret may begin before them.
                let lines = format!("--lines={READ_LINES}");
                let cmd = Cmd::new("journalctl").args(["--no-pager", "--output=cat", "--quiet", &unit, &lines]);
                self.output(&cmd).await.unwrap_or_default()
            }
            InitSystem::Scripts if definition.foreign.is_some() => String::new(),
            InitSystem::Scripts => end_of(&below(&self.ctx.root, Path::new(&log_file(name)))),
        };
        redact::last_lines(&text, SHOWN_LINES)
    }

    async fn run(&self, cmd: &Cmd) -> Result<(), ExecError> {
        self.ctx.runner.run(cmd).await?.ok(cmd).map(drop)
    }

    async fn output(&self, cmd: &Cmd) -> Option<String> {
        self.ctx.runner.run(cmd).await.ok().map(|done| done.stdout)
    }
}

fn systemctl(words: &[&str], name: &str) -> Cmd {
    Cmd::new("systemctl").args(words.iter().copied()).arg(format!("{name}.service"))
}

fn end_of(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(READ_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(READ_BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // A secret in the first line may be cut.
        let whole = if length > READ_BYTES { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &*text };
        Ok(whole.to_owned())
    };
    read().unwrap_or_default()
}
