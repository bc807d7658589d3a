//! Decisions about services, and looks at prepared folders.

use std::{
    collections::BTreeMap,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    changes::{Changes, Run, changes},
    checked::{Service, Watched},
    desired::DesiredService,
    init_script_look,
    look::ServiceLook,
    state::{Definition, Enabled, InitSystem, Running},
    systemd_look,
    triggers::Triggers,
    written::State,
};
use crate::{
    fs::{Attributes, Snapshot, replace},
    state::{Receipt, ServiceReceipt},
};

fn service() -> Service {
    Service {
        command: Some(vec!["/opt/x".to_owned()]),
        description: None,
        user: None,
        working_directory: None,
        environment: BTreeMap::new(),
        restart: None,
        settings: BTreeMap::new(),
        state: State::Running,
        enabled: Some(true),
        masked: false,
        restart_on: Vec::new(),
        health: None,
    }
}

fn desired(service: Service) -> DesiredService {
    let (profile, name) = ("ring".to_owned(), "x".to_owned());
    DesiredService { profile, name, service, init: InitSystem::Systemd, command_files: vec!["/etc/x.conf".into()] }
}

fn state(fingerprint: &str) -> super::look::FileState {
    let (fingerprint, stamp) = (fingerprint.to_owned(), fingerprint.to_owned());
    super::look::FileState { fingerprint, stamp, changed: SystemTime::UNIX_EPOCH }
}

/// A service that is as wanted and runs.
fn running(wanted: &DesiredService) -> ServiceLook {
    let mut look = ServiceLook::default();
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    look.definition.exists = true;
    look.definition.enabled = Enabled::Yes;
    look.definition.running = Some(Running { id: "1".to_owned(), since });
    look.written = wanted.definition().map(|file| Snapshot {
        bytes: Some(file.text.into_bytes()),
        mode: file.mode,
        owner: (0, 0),
        stamp: None,
    });
    look.files =
        [("/opt/x", "program"), ("/etc/x.conf", "config")].map(|(path, text)| (path.into(), state(text))).into();
    look
}

fn triggers(wanted: &DesiredService, look: &ServiceLook, receipt: &Receipt) -> Triggers {
    Triggers::read(Path::new("/nowhere"), wanted, look, receipt, |_| Some("1.0".to_owned()))
}

fn recorded(wanted: &DesiredService, look: &ServiceLook) -> ServiceReceipt {
    let Triggers { values, stamps, .. } = triggers(wanted, look, &Receipt::default());
    ServiceReceipt { triggers: values, stamps, ..ServiceReceipt::default() }
}

fn restart(changes: &Changes) -> Vec<String> {
    match &changes.run {
        Some(Run::Restart(reasons)) => reasons.clone(),
        other => panic!("no restart, but {other:?}"),
    }
}

#[test]
fn nothing_is_restarted_without_a_change_and_each_change_is_a_reason() {
    let mut wanted = desired(service());
    wanted.service.restart_on =
        vec![Watched::Entry("pip".into(), crate::diagnostic::Origin { file: "x".into(), line: 1, column: 1 })];
    let look = running(&wanted);
    let record = recorded(&wanted, &look);
    let decide = |wanted: &DesiredService, look: &ServiceLook, receipt: &Receipt| {
        changes(wanted, look, Some(&record), &triggers(wanted, look, receipt), None)
    };
    assert!(decide(&wanted, &look, &Receipt::default()).is_empty());

    let mut other = running(&wanted);
    other.files.insert("/etc/x.conf".into(), state("new"));
    assert_eq!(restart(&decide(&wanted, &other, &Receipt::default())), ["/etc/x.conf changed"]);
    let mut other = running(&wanted);
    other.files.insert("/opt/x".into(), state("new"));
    assert_eq!(restart(&decide(&wanted, &other, &Receipt::default())), ["/opt/x changed"]);
    // A run that ended before the restart has left its mark.
    let mut receipt = Receipt::default();
    receipt.note_change(&["pip".to_owned()], "run-1");
    assert_eq!(restart(&decide(&wanted, &look, &receipt)), ["pip changed"]);
    // An element that is added or removed is no change of the service.
    let mut fewer = wanted.clone();
    fewer.service.restart_on.clear();
    fewer.command_files.clear();
    assert!(decide(&fewer, &look, &Receipt::default()).is_empty());
    let mut changed = wanted.clone();
    changed.service.user = Some("ann".into());
    let found = decide(&changed, &look, &Receipt::default());
    assert!(found.define && restart(&found).contains(&"its definition changed".to_owned()), "{found:?}");
}

#[test]
fn a_service_that_nodeagent_defined_and_did_not_start_is_restarted() {
    let wanted = desired(service());
    let look = running(&wanted);
    let found = changes(&wanted, &look, None, &triggers(&wanted, &look, &Receipt::default()), None);
    assert_eq!(restart(&found), ["its last start was not recorded"]);
}

#[test]
fn without_a_record_a_service_of_others_is_restarted_if_a_file_is_newer_than_its_start() {
    let wanted = desired(Service { command: None, restart_on: vec![Watched::Files("/etc/x/*".into())], ..service() });
    let decide = |seconds: u64| {
        let mut look = running(&wanted);
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        look.files = BTreeMap::from([(PathBuf::from("/etc/x/a"), super::look::FileState { changed, ..state("a") })]);
        look.matches = BTreeMap::from([("/etc/x/*".to_owned(), vec!["/etc/x/a".into()])]);
        changes(&wanted, &look, None, &triggers(&wanted, &look, &Receipt::default()), None)
    };
    assert!(decide(999).is_empty());
    assert_eq!(restart(&decide(1001)), ["/etc/x/a changed"]);
}

#[test]
fn the_links_of_systemd_tell_the_state() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let root = temp.path();
    let file = |path: &str, text: &str| {
        replace(&root.join(path), text.as_bytes(), Attributes::default()).expect("written");
    };
    let link = |target: &str, path: &str| {
        crate::fs::create_dirs(root.join(path).parent().expect("a folder"), 0o755).expect("made");
        symlink(target, root.join(path)).expect("linked");
    };
    assert_eq!(systemd_look::read(root, "mariadb"), Definition::default());
    file("lib/systemd/system/mariadb.service", "[Install]\nWantedBy=multi-user.target\nAlias=mysql.service\n");
    let found = systemd_look::read(root, "mariadb");
    assert!(found.exists && found.enabled == Enabled::No && found.running.is_none(), "{found:?}");
    link("/lib/systemd/system/mariadb.service", "etc/systemd/system/multi-user.target.wants/mariadb.service");
    assert_eq!(systemd_look::read(root, "mariadb").enabled, Enabled::Partly);
    link("/lib/systemd/system/mariadb.service", "etc/systemd/system/mysql.service");
    link("0123456789abcdef", "run/systemd/units/invocation:mariadb.service");
    // The alias has the state of the service.
    for name in ["mariadb", "mysql"] {
        let found = systemd_look::read(root, name);
        assert_eq!(found.enabled, Enabled::Yes, "{name}");
        assert_eq!(found.running.expect("active").id, "0123456789abcdef", "{name}");
    }
    link("/dev/null", "etc/systemd/system/cups.service");
    assert!(systemd_look::read(root, "cups").masked);
    file("lib/systemd/system/getty@.service", "[Install]\nWantedBy=getty.target\n");
    assert!(systemd_look::read(root, "getty@tty1").exists);
    file("lib/systemd/system/static.service", "[Service]\n");
    assert_eq!(systemd_look::read(root, "static").enabled, Enabled::Static);
}

#[test]
fn a_pid_file_of_an_earlier_process_is_no_running_service() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let root = temp.path();
    let file = |path: &str, text: &str| {
        replace(&root.join(path), text.as_bytes(), Attributes::default()).expect("written");
    };
    file("etc/init.d/cron", "#!/bin/sh\nDAEMON=/usr/sbin/cron\nPIDFILE=/run/crond.pid\n");
    file("run/crond.pid", "42\n");
    let stat = |state: &str, ticks: u64| {
        file("proc/42/stat", &format!("42 (a) b) {state} 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 {ticks} 1 1"));
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    file("proc/stat", &format!("cpu 1\nbtime {}\n", now - 1000));
    let running = || init_script_look::read(root, "cron").running.map(|running| running.id);
    assert_eq!(running(), None, "no process");
    stat("S", 10_000);
    assert_eq!(running().as_deref(), Some("42"));
    stat("Z", 10_000);
    assert_eq!(running(), None, "it has ended");
    stat("S", 110_000);
    assert_eq!(running(), None, "another process has its number");
}
