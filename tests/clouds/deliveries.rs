//! Delivered secrets, read by the programs that use them: git, curl, pip, Python, a shell and psql.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    free_port::free_port,
    http_server::{RecordedRequest, TestServer, reply},
    server::{Server, client, program},
    support::NodeTest,
};

fn node(secrets: &[(&str, &str, String)]) -> NodeTest {
    let mut profile = "[secrets]\nsource = \"env\"\nscope = \"family\"\n".to_owned();
    let mut node = NodeTest::new();
    for (key, value, to) in secrets {
        let item = format!("[[secrets.items]]\nkey = \"{key}\"\nto = {{ {to} }}\n");
        profile.push_str(&item);
        node = node.var(&format!("FAMILY_{}", key.to_uppercase()), value);
    }
    node.profile(&profile)
}

fn run(node: &NodeTest) {
    node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(0);
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a program with this input and returns its output.
fn run_with_input(mut command: Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is there");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it listens");
    text(child.wait_with_output().expect("it ends"))
}

/// A server that returns no file to any user.
fn empty_server() -> TestServer {
    TestServer::start(|_, _| reply("404 Not Found", ""))
}

/// The logins in the requests to a server, as `user:password`.
fn logins(server: &TestServer) -> Vec<String> {
    let login = |request: &RecordedRequest| {
        let login = request.headers.get("authorization")?.trim_start_matches("Basic ");
        Some(String::from_utf8(STANDARD.decode(login).expect("base64")).expect("UTF-8"))
    };
    server.requests().iter().filter_map(login).collect()
}

fn git(file: &Path, verb: &str) -> Command {
    let mut command = program("git");
    let helper = format!("credential.helper=store --file={}", file.display());
    command.args(["-c", "credential.helper=", "-c", &helper, "credential", verb]).env("GIT_TERMINAL_PROMPT", "0");
    command
}

#[test]
fn git_uses_its_login_and_its_changes_to_the_file_are_undone() {
    const PASSWORD: &str = "p@ss:w/o rd%41#ü";
    let to = |user: &str| {
        format!("git-credentials = \"/root/.git-credentials\", url = \"https://git.example:8443\", user = \"{user}\"")
    };
    let node =
        node(&[("git", PASSWORD, to("bot@firm"))]).file("root/.git-credentials", "https://ann:hers@git.example:8443\n");
    run(&node);
    let file = node.root().join("root/.git-credentials");
    let credential = "protocol=https\nhost=git.example:8443\nusername=bot@firm\n";
    let filled = run_with_input(git(&file, "fill"), &format!("{credential}\n"));
    assert!(filled.contains(&format!("password={PASSWORD}\n")), "{filled}");
    // After a successful login, git writes the credentials again, in its own format and order.
    run_with_input(git(&file, "approve"), &format!("{credential}path=team\npassword={PASSWORD}\n\n"));
    let before = node.listing();
    run(&node);
    assert_eq!(node.changes_since(&before), [""; 0], "{}", node.read("root/.git-credentials"));
    let node = node.profile("");
    run(&node);
    assert_eq!(node.read("root/.git-credentials"), "https://ann:hers@git.example:8443\n");
}

#[test]
fn every_reader_of_netrc_sees_the_same_login() {
    const PASSWORD: &str = "a\"#:'$%{b";
    let server = empty_server();
    let index = server.at("simple");
    let node = node(&[
        ("pypi", PASSWORD, format!("index = \"{index}\", user = \"__token__\", owner = \"analyst\"")),
        (
            "other",
            "second",
            "netrc = \"~/.netrc\", machine = \"other.example\", login = \"b\", owner = \"analyst\"".into(),
        ),
    ])
    .file(
        "home/analyst/.netrc",
        "# hers\nmachine hers.example\n\tlogin ann\n\tpassword hers\n\ndefault login x password y\n",
    );
    run(&node);
    let file = node.root().join("home/analyst/.netrc");
    let login = format!("__token__:{PASSWORD}");

    let script = "import netrc, sys\nfound = netrc.netrc(sys.argv[1])\n\
                  print(*(found.authenticators(host) for host in sys.argv[2:]), sep='\\n')";
    let python = |program: &mut Command| {
        let program = program.args(["-c", script]).arg(&file);
        text(program.args(["127.0.0.1", "other.example", "hers.example", "elsewhere"]).output().expect("Python runs"))
    };
    let output = python(&mut client("python"));
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("('__token__', ") && lines[0].contains("a\"#:"), "{output}");
    assert!(lines[1].contains("'second'") && lines[2].contains("'hers'") && lines[3].contains("'y'"), "{output}");

    let mut curl = program("curl");
    curl.args(["--silent", "--netrc-file"]).arg(&file).arg(&index);
    text(curl.output().expect("curl runs"));
    assert_eq!(logins(&server), [login.as_str()], "curl logs in");

    let mut pip = client("pip");
    pip.args([
        "download",
        "--no-input",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--index-url",
        &index,
        "nothing",
    ]);
    pip.env("NETRC", &file).env_remove("PIP_INDEX_URL").stderr(Stdio::null());
    assert!(!pip.output().expect("pip runs").status.success(), "there is no such package");
    assert_eq!(logins(&server).pop(), Some(login), "pip logs in");
}

#[test]
fn psql_uses_the_password_file() {
    const PASSWORD: &str = r"p:a\ss w'ord ü";
    let bin = Path::new("/usr/lib/postgresql/15/bin");
    let data = tempfile::tempdir_in("/tmp").expect("a temporary folder");
    let port = free_port();
    let sql = format!("CREATE ROLE \"read:only\" LOGIN PASSWORD '{}';", PASSWORD.replace('\'', "''"));
    let database = Database { bin, folder: data.path().join("db"), port };
    let _server = database.start(data.path(), &sql);

    let to = format!(
        "pgpass = \"~/.pgpass\", host = \"127.0.0.1\", port = {port}, database = \"postgres\", user = \"read:only\", \
         owner = \"analyst\""
    );
    let node = node(&[("db", PASSWORD, to)]).file("home/analyst/.pgpass", "127.0.0.1:*:*:*:wrong\n");
    run(&node);
    let mut psql = program(bin.join("psql"));
    psql.args([
        "--no-password",
        "-At",
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-U",
        "read:only",
        "-d",
        "postgres",
    ]);
    psql.args(["-c", "SELECT current_user"]).env("PGPASSFILE", node.root().join("home/analyst/.pgpass"));
    assert_eq!(text(psql.output().expect("psql runs")), "read:only\n");
}

/// A PostgreSQL server in a folder.
struct Database<'a> {
    bin: &'a Path,
    folder: PathBuf,
    port: u16,
}

impl Database<'_> {
    /// A command of the server. If the test runs as root, it runs as `postgres`, because the server refuses root.
    fn command(&self, name: &str) -> Command {
        let path = self.bin.join(name);
        if !nix::unistd::Uid::effective().is_root() {
            return program(path);
        }
        let mut command = program("/usr/sbin/runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    }

    fn start(&self, around: &Path, sql: &str) -> Server {
        if let Some(user) = nix::unistd::User::from_name("postgres").expect("users can be read")
            && nix::unistd::Uid::effective().is_root()
        {
            std::os::unix::fs::chown(around, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root may");
        }
        let mut init = self.command("initdb");
        init.arg("-D").arg(&self.folder).args(["-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C"]);
        // The superuser has no password and is only used by the single-user server below.
        init.args(["--auth-local=trust", "--no-sync"]);
        text(init.current_dir(around).output().expect("initdb runs"));
        let mut single = self.command("postgres");
        single.args(["--single", "-D"]).arg(&self.folder).arg("postgres").current_dir(around);
        run_with_input(single, &format!("{sql}\n"));
        let mut server = self.command("postgres");
        server.arg("-D").arg(&self.folder).args(["-p", &self.port.to_string()]).current_dir(around);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]);
        Server::start(server, self.port)
    }
}
