//! `nodeagent db` with a real server: two users, grants, errors, and the password while psql runs.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use crate::{
    free_port::free_port,
    server::{Server, program},
    support::{CommandOutput, NodeTest, put},
};

/// A password with all characters that a password file escapes, and a marker.
pub(crate) const READ_ONLY: &str = r"hunter2:ro\:\\ 'x'";
pub(crate) const READ_WRITE: &str = "hunter2-read-write";

const ROLES: &str = r"
create role read_only login password E'hunter2:ro\\:\\\\ ''x''';
alter role read_only set default_transaction_read_only = on;
create role read_write login password 'hunter2-read-write';
create database analytics;
\c analytics
create table matters (id int, client text);
insert into matters values (1, 'Ann'), (2, E'P\u00e4r');
create table salaries (id int);
grant select on matters to read_only, read_write;
grant insert on matters to read_only, read_write;
";

/// A server for one test.
pub(crate) struct Postgres {
    folder: TempDir,
    port: u16,
    _server: Server,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let (data, port) = (folder.path().join("data"), free_port());
        let roles = folder.path().join("roles.sql");
        put(&roles, ROLES);
        // PostgreSQL does not run as root.
        if Uid::effective().is_root() {
            let user = User::from_name("postgres").expect("the users can be read").expect("PostgreSQL is installed");
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("it can be given away");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let programs = programs();
        let done = |mut command: Command| {
            let output = command.stdin(Stdio::null()).output().expect("it starts");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let mut initdb = as_postgres(&programs.join("initdb"));
        initdb.arg("-D").arg(&data).args([
            "-A",
            "scram-sha-256",
            "--auth-local=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        ]);
        initdb.args(["-U", "postgres"]);
        done(initdb);
        let mut server = as_postgres(&programs.join("postgres"));
        server.arg("-D").arg(&data).args([
            "-p",
            &port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]);
        server.arg("-c").arg(format!("unix_socket_directories={}", folder.path().display()));
        let server = Server::start(server, port);
        let began = Instant::now();
        loop {
            let mut psql = as_postgres(Path::new("/usr/bin/psql"));
            psql.args([
                "-X",
                "-q",
                "-U",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                "postgres",
                "-p",
                &port.to_string(),
                "-h",
            ]);
            let output = psql.arg(folder.path()).arg("-f").arg(&roles).output().expect("psql starts");
            if output.status.success() {
                break;
            }
            // The server listens before it answers.
            assert!(began.elapsed() < Duration::from_secs(30), "{}", String::from_utf8_lossy(&output.stderr));
            sleep(Duration::from_millis(100));
        }
        Self { folder, port, _server: server }
    }

    /// A node that may connect as `read_only`. Only a principal of Criminal may connect as `read_write`.
    fn node(&self) -> NodeTest {
        self.node_with("")
    }

    fn node_with(&self, more: &str) -> NodeTest {
        NodeTest::new().store("Admin/init_scripts/access.toml", &self.access(more))
    }

    /// An access file for a node that may connect as `read_only`. The passwords are in the folder of the server.
    pub(crate) fn access(&self, more: &str) -> String {
        let port = self.port;
        let secrets = self.folder.path().join("secrets").display().to_string();
        let file = |key: &str| {
            format!(r#"secret = {{ source = "file", path = "{secrets}", scope = "family", key = "{key}" }}"#)
        };
        let database = |name: &str, rest: &str| {
            format!("[[databases]]\nname = \"{name}\"\nhost = \"127.0.0.1\"\nport = {port}\n{rest}\n")
        };
        let users = format!(
            "users = [\n {{ name = \"read_only\", {} }},\n {{ name = \"read_write\", {} }},\n]",
            file("ro"),
            file("rw")
        );
        let wrong =
            format!("users = [{{ name = \"read_only\", {} }}, {{ name = \"gone\", {} }}]", file("rw"), file("no"));
        let access = [
            "schema = 1\ncontact = \"data-platform@lawfirms.example\"\n".to_owned(),
            database("analytics", &format!("sslmode = \"disable\"\n{users}")),
            database("secured", &format!("database = \"analytics\"\n{users}")),
            database("elsewhere", &format!("database = \"nowhere\"\nsslmode = \"disable\"\n{users}")),
            database("down", &format!("sslmode = \"disable\"\n{users}"))
                .replace(&port.to_string(), &free_port().to_string()),
            database("stale", &format!("database = \"analytics\"\nsslmode = \"disable\"\n{wrong}")),
            "[[grants]]\nwho = [\"local:root\"]\nconnect = [\"analytics:read_only\", \"secured:read_only\", \
             \"elsewhere:read_only\", \"down:read_only\", \"stale:read_only\", \"stale:gone\"]\n"
                .to_owned(),
            "[[grants]]\nwho = [\"cluster:Criminal\"]\nconnect = [\"analytics:read_write\"]\n".to_owned(),
            more.to_owned(),
        ];
        for (key, value) in [("ro", READ_ONLY), ("rw", READ_WRITE)] {
            let folder = self.folder.path().join("secrets/family");
            fs::create_dir_all(&folder).expect("it is ours");
            // Editors add a line end.
            put(&folder.join(key), &format!("{value}\n"));
        }
        access.concat()
    }
}

/// The folder with the programs of the server, on Debian and Ubuntu.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: run scripts/clients");
    let mut found: Vec<PathBuf> = versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect();
    found.retain(|bin| bin.join("initdb").is_file());
    found.sort();
    found.pop().expect("PostgreSQL is installed: run scripts/clients")
}

fn as_postgres(path: &Path) -> Command {
    let mut command = if Uid::effective().is_root() {
        let mut command = program("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
        command
    } else {
        program(path)
    };
    command.env("LC_ALL", "C").current_dir("/");
    command
}

fn query(node: &NodeTest, database: &str, user: &str, sql: &str) -> CommandOutput {
    let output = node.agent(&["db", "query", database, "--as", user, "--csv", "-c", sql]);
    assert!(!output.all().contains("hunter2"), "{}", output.all());
    output
}

fn assert_contains(output: &CommandOutput, parts: &[&str]) {
    for part in parts {
        assert!(output.stderr.contains(part), "`{part}` is not in: {}", output.stderr);
    }
}

#[test]
fn grants_and_the_server_decide_which_users_can_connect() {
    let postgres = Postgres::start();
    let node = postgres.node_with("[[grants]]\nwho = [\"cluster:Family\"]\nconnect = [\"analytics:read_write\"]\n");
    let output =
        query(&node, "analytics", "read_only", "select current_user, client from matters order by id").ended(0);
    assert_eq!(output.stdout, "current_user,client\nread_only,Ann\nread_only,P\u{e4}r\n");
    let refused = query(&node, "analytics", "read_only", "insert into matters values (3, 'x')").ended(1);
    assert_contains(
        &refused,
        &[
            "`read_only` does not have the permission in `analytics`",
            "cannot execute INSERT in a read-only transaction",
        ],
    );

    let audit = node.read("var/log/nodeagent/audit.jsonl");
    let lines: Vec<serde_json::Value> = audit.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let fields =
        |line: &serde_json::Value| [&line["command"], &line["event"], &line["decision"]].map(ToString::to_string);
    assert_eq!(fields(&lines[0]), [r#""db query""#, r#""decision""#, r#""allowed""#], "{audit}");
    assert_eq!(fields(&lines[1]), [r#""db query""#, r#""fetch""#, r#""allowed""#], "{audit}");

    let denied = query(&node, "analytics", "read_write", "select 1").ended(2);
    assert_contains(
        &denied,
        &["the database `analytics` may not be connected to as `read_write`", "analytics as read_only"],
    );
    let node = node.var("DB_CLUSTER_NAME", "Prod-Discovery-Family-15.4-etl-1");
    let output = query(&node, "analytics", "read_write", "insert into matters values (3, 'x') returning id").ended(0);
    assert_eq!(output.stdout, "id\n3\nINSERT 0 1\n");
    assert_contains(
        &query(&node, "analytics", "read_write", "select * from salaries").ended(1),
        &["permission denied for table salaries"],
    );
}

#[test]
fn each_error_of_the_server_names_its_cause() {
    let postgres = Postgres::start();
    let node = postgres.node();
    for (database, user, code, parts) in [
        (
            "stale",
            "read_only",
            1,
            &["rejects the password of `read_only`", "password authentication failed", "hint:"][..],
        ),
        ("elsewhere", "read_only", 1, &["has no database `nowhere`", "check `database`"]),
        ("secured", "read_only", 1, &["cannot use TLS", "server does not support SSL", "check `sslmode`"]),
        ("down", "read_only", 1, &["cannot be reached at 127.0.0.1:", "Connection refused", "check `host` and `port`"]),
        ("stale", "gone", 2, &["the password of `gone` for `stale` could not be fetched", "there is no key `no`"]),
        ("analytcs", "read_only", 2, &["there is no database `analytcs`", "did you mean `analytics`?"]),
        ("analytics", "read_onyl", 2, &["has no user `read_onyl`", "did you mean `read_only`?"]),
        ("analytics", "read_write", 2, &["may not be connected to as `read_write`", "data-platform@lawfirms.example"]),
    ] {
        let output = query(&node, database, user, "select 1").ended(code);
        assert_contains(&output, parts);
        assert_eq!(output.stdout, "");
    }
    let output = query(&node, "analytics", "read_only", "selct 1").ended(1);
    assert_contains(&output, &["`analytics` did not run the statement", "syntax error at or near \"selct\""]);
}

#[test]
fn statements_have_a_time_limit_and_the_first_error_ends_the_command() {
    let postgres = Postgres::start();
    let node = postgres.node();
    let began = Instant::now();
    let output = node
        .agent(&["db", "query", "analytics", "--as", "read_only", "--timeout", "300ms", "-c", "select pg_sleep(20)"])
        .ended(1);
    assert_contains(&output, &["cancelled at its time limit of 300ms", "--timeout"]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let several = ["db", "query", "analytics", "--as", "read_only", "--csv"];
    let output =
        node.agent(&[&several[..], &["-c", "select 1 as a", "-c", "selct", "-c", "select 2 as b"]].concat()).ended(1);
    assert_eq!(output.stdout, "a\n1\n");
    let output = node.agent(&[&several[..], &["-c", "do $$ begin raise notice 'mind'; end $$"]].concat()).ended(0);
    assert_contains(&output, &["NOTICE:  mind"]);
}

#[test]
fn the_password_is_not_in_arguments_variables_or_files_while_psql_runs() {
    let postgres = Postgres::start();
    // A secret variable, and variables that would change the connection of psql.
    let node = postgres
        .node_with(
            "[[databases]]\nname = \"by-variable\"\nhost = \"127.0.0.1\"\ndatabase = \"analytics\"\nsslmode = \"disable\"\nport = PORT\n\
             users = [{ name = \"read_only\", secret = { source = \"env\", scope = \"family\", key = \"ro\" } }]\n\
             [[grants]]\nwho = [\"local:root\"]\nconnect = [\"by-variable:read_only\"]\n"
                .replace("PORT", &postgres.port.to_string())
                .as_str(),
        )
        .var("FAMILY_RO", READ_ONLY)
        .var("PGHOST", "192.0.2.1")
        .var("PGPASSWORD", "hunter2-wrong")
        .var("PGOPTIONS", "-c application_name=astray");
    let mut searched = 0;
    std::thread::scope(|scope| {
        let sql = "select pg_sleep(1.5), current_setting('application_name') as name";
        let running = scope.spawn(|| query(&node, "by-variable", "read_only", sql));
        while !running.is_finished() {
            searched += search_psql();
            sleep(Duration::from_millis(20));
        }
        let output = running.join().expect("it ended").ended(0);
        assert_eq!(output.stdout, "pg_sleep,name\n,nodeagent\n");
    });
    assert!(searched > 0, "psql was not seen");
    assert_eq!(node.files_with("hunter2"), Vec::<PathBuf>::new());
}

/// Searches all psql processes of this test for the password. Returns the number of processes.
fn search_psql() -> usize {
    let mut seen = 0;
    for process in fs::read_dir("/proc").expect("there are processes").filter_map(Result::ok) {
        let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
        let (arguments, variables) = (read("cmdline"), read("environ"));
        let contains = |text: &[u8], words: &str| text.windows(words.len()).any(|window| window == words.as_bytes());
        // Debian's psql is a script that executes the real program.
        let is_psql = arguments.split(|byte| *byte == 0).next().is_some_and(|program| program.ends_with(b"psql"));
        if !is_psql || !contains(&arguments, "pg_sleep(1.5)") || variables.is_empty() {
            continue;
        }
        assert!(!contains(&arguments, "hunter2") && !contains(&variables, "hunter2"), "the password shows");
        assert!(contains(&variables, "PGPASSFILE=/proc/self/fd/"), "{}", String::from_utf8_lossy(&variables));
        seen += 1;
    }
    seen
}

/// psql has the terminal: it gets the input and handles an interrupt itself.
#[test]
fn a_session_has_the_terminal() {
    let postgres = Postgres::start();
    let node = postgres.node();
    let store = node.beside("store").display().to_string();
    let mut python = program("python3");
    python.arg("-c").arg(TYPIST).arg(assert_cmd::cargo::cargo_bin!("nodeagent")).arg("--root").arg(node.root());
    python.args(["--filestore", &store, "db", "connect", "analytics", "--as", "read_only"]);
    let output = python.env("TERM", "dumb").env("PAGER", "").output().expect("Python starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("user is read_only") && text.contains("canceling statement due to user request"), "{text}");

    let output = node.agent(&["db", "connect", "stale", "--as", "read_only"]).ended(1);
    assert_contains(&output, &["rejects the password of `read_only`"]);
    let output = node.agent(&["db", "connect", "analytics", "--as", "read_write"]).ended(2);
    assert_contains(&output, &["may not be connected to as `read_write`"]);
}

/// Types into a terminal, interrupts a statement, and quits.
const TYPIST: &str = r#"
import os, pty, sys, time, select
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b""
def until(words):
    global said
    end = time.time() + 20
    while words not in said:
        if time.time() > end:
            sys.exit(f"no {words} in {output}")
        if select.select([terminal], [], [], 0.2)[0]:
            said += os.read(terminal, 4096)
until(b"analytics=>")
os.write(terminal, b"select 'user is ' || current_user;\n")
until(b"user is read_only")
# The second statement is sent when the first has been answered: an interrupt that came before it would be lost.
os.write(terminal, b"select 'be' || 'gun'; select pg_sleep(30);\n")
until(b"begun")
time.sleep(1)
os.write(terminal, b"\x03")
until(b"canceling statement due to user request")
os.write(terminal, b"\\q\n")
_, status = os.waitpid(pid, 0)
print(said.decode())
sys.exit(os.waitstatus_to_exitcode(status))
"#;

#[test]
fn without_psql_the_hint_names_the_package() {
    let access = r#"
schema = 1
[[databases]]
name = "analytics"
host = "127.0.0.1"
users = [{ name = "read_only", secret = { source = "env", scope = "family", key = "ro" } }]
[[grants]]
who = ["local:root"]
connect = ["analytics:read_only"]
"#;
    let node =
        NodeTest::new().store("Admin/init_scripts/access.toml", access).var("FAMILY_RO", "x").var("PATH", "/nowhere");
    assert_contains(
        &query(&node, "analytics", "read_only", "select 1").ended(1),
        &["`psql` could not be started", "postgresql-client"],
    );
}
