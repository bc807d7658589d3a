//! The text of init scripts, for nodes where systemd is not process 1.

use std::path::Path;

use super::{checked::Service, unit::HEAD};

/// The folder of pid files and of files with secrets. `/run` is in memory.
pub(super) const RUN_FOLDER: &str = "/run/nodeagent/services";

/// The pid file of a service with an init script of nodeagent.
pub(super) fn pid_file(name: &str) -> String {
    format!("{RUN_FOLDER}/{name}.pid")
}

/// The output of a service with an init script of nodeagent.
pub(super) fn log_file(name: &str) -> String {
    format!("/var/log/{name}.log")
}

/// The init script of a service with `command`. `environment_file` holds its secrets.
pub(super) fn script(name: &str, service: &Service, environment_file: Option<&str>) -> String {
    let description = service.description.as_deref().unwrap_or(name);
    let command = service.command.as_deref().unwrap_or_default();
    let words = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    // Only the program gets the variables, not the commands of this script.
    let variables = service.texts().map(|(variable, value)| format!("        export {variable}={}\n", quoted(value)));
    let variables = variables.collect::<Vec<_>>().concat();
    let secrets =
        environment_file.map_or_else(String::new, |file| format!("        set -a; . {}; set +a\n", quoted(file)));
    let user = service.user.as_ref().map_or_else(String::new, |user| format!(" --chuid {}", quoted(user)));
    let folder = service.working_directory.as_deref().unwrap_or(Path::new("/")).display().to_string();
    format!(
        r#"#!/bin/sh
{HEAD}
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $remote_fs $network
# Required-Stop:     $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {description}
### END INIT INFO
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

start() {{
    mkdir -p {RUN_FOLDER}
    (
{variables}{secrets}        exec /sbin/start-stop-daemon --start --quiet --oknodo --pidfile {pid_file} --make-pidfile \
            --background --no-close{user} --chdir {folder} \
            --startas {program} -- {arguments}
    ) >> {log_file} 2>&1 < /dev/null
}}

stop() {{
    start-stop-daemon --stop --quiet --oknodo --retry TERM/10/KILL/5 --pidfile {pid_file} && rm -f {pid_file}
}}

case "${{1:-}}" in
    start) start ;;
    stop) stop ;;
    restart | force-reload) stop && start ;;
    status) start-stop-daemon --status --pidfile {pid_file} ;;
    *)
        echo "usage: $0 start|stop|restart|force-reload|status" >&2
        exit 2
        ;;
esac
"#,
        pid_file = quoted(&pid_file(name)),
        log_file = quoted(&log_file(name)),
        folder = quoted(&folder),
        program = words(&command[..command.len().min(1)]),
        arguments = words(command.get(1..).unwrap_or_default()),
    )
}

/// A word in single quotes of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
