//! The scene for tests of private packages: servers with a login, and a watch that searches for the password in all
//! processes and files.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep, spawn},
    time::Duration,
};

use nodeagent::digest::Digest;

use crate::{
    free_port::free_port,
    server::{Server, client},
    support::{CommandOutput, NodeTest, put},
};

pub(crate) const PASSWORD: &str = "marker-Zq8!%pw";

/// The password, and its encodings in a header and in an address.
const ITS_FORMS: [&str; 3] = [PASSWORD, "cmVhZGVyOm1hcmtlci1acTghJXB3", "marker-Zq8%21%25pw"];

pub(crate) const VAULT: &str = "vault/family/packages";

pub(crate) const LOGINS: &str = "run/nodeagent/logins";

/// Observations of all processes while a command ran.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The number of observed processes.
    looks: usize,
    /// Command lines and environments with the password.
    leaks: Vec<String>,
    /// Environments with our netrc file or git helper: they prove that the watch sees the right processes.
    equipped: usize,
}

impl Watch {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let watch = move || {
            let mut seen = Seen::default();
            while !until.load(Ordering::Relaxed) {
                seen.look();
                sleep(Duration::from_millis(4));
            }
            seen
        };
        Self { stop, thread: spawn(watch) }
    }

    fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch goes on to its end")
    }
}

impl Seen {
    fn look(&mut self) {
        let ours = session("self");
        for entry in fs::read_dir("/proc").expect("Linux").flatten() {
            // All processes that the agent starts belong to the session of this test.
            if session(&entry.file_name().to_string_lossy()) != ours {
                continue;
            }
            for name in ["cmdline", "environ"] {
                let Ok(bytes) = fs::read(entry.path().join(name)) else { continue };
                let text = String::from_utf8_lossy(&bytes);
                self.looks += 1;
                if ITS_FORMS.iter().any(|form| text.contains(form)) {
                    self.leaks.push(text.replace('\0', " "));
                }
                self.equipped += usize::from(text.contains(LOGINS));
            }
        }
    }
}

/// The session of a process from its `stat` line, in which the second field is a name in parentheses.
fn session(process: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(3).map(str::to_owned)
}

/// A node whose profile has one login, and a server that requires it.
pub(crate) struct Private {
    pub(crate) node: NodeTest,
    pub(crate) server: Server,
}

impl Private {
    pub(crate) fn new(server: Server) -> Self {
        let path = std::env::var("PATH").expect("a search path");
        let node = NodeTest::new().store(VAULT, &format!("{PASSWORD}\n")).search_path(&path);
        Self { node, server }
    }

    /// Sets the profile, with or without the login.
    pub(crate) fn profile(mut self, body: &str, login: bool) -> Self {
        let vault = self.node.beside("store/vault").display().to_string();
        let url = self.server.url();
        let text = body.replace("SERVER", &url);
        let access = if login {
            format!(
                "\n[secrets]\nsource = \"file\"\npath = \"{vault}\"\nscope = \"family\"\n\
                 [[logins]]\nurl = \"{url}\"\nuser = \"reader\"\nkey = \"packages\"\n"
            )
        } else {
            String::new()
        };
        self.node = self.node.profile(&(text + &access));
        self
    }

    /// Adds a real Python environment.
    pub(crate) fn venv(self, pip: bool) -> Self {
        let mut command = client("python");
        command.args(["-m", "venv"]).args((!pip).then_some("--without-pip"));
        command.arg(self.node.root().join("databricks/python"));
        done(command);
        self
    }

    pub(crate) fn run(&self) -> CommandOutput {
        self.node.agent(&["run", "--profile", "x.toml", "-v"])
    }

    /// Runs the profile and checks that the password is only in the vault.
    pub(crate) fn run_in_secret(&self, starts_tools: bool) {
        self.in_secret(&["run", "--profile", "x.toml", "-v"], starts_tools);
    }

    /// Runs nodeagent and checks that the password is only in the vault: in no process, output or file.
    pub(crate) fn in_secret(&self, arguments: &[&str], starts_tools: bool) -> CommandOutput {
        let watch = Watch::begin();
        let output = self.node.agent(arguments);
        let seen = watch.end();
        assert_eq!(seen.leaks, [""; 0]);
        assert!(seen.looks > 10, "{} looks", seen.looks);
        assert!(!starts_tools || seen.equipped > 0, "no child was seen with a file of logins");
        self.nothing_is_left(&output);
        output.ended(0)
    }

    pub(crate) fn nothing_is_left(&self, output: &CommandOutput) {
        for form in ITS_FORMS {
            assert!(!output.all().contains(form), "{}", output.all());
            let vault = PathBuf::from("store").join(VAULT);
            let expected = if form == PASSWORD { vec![vault] } else { Vec::new() };
            let found = self.node.files_with(form);
            assert!(found.is_empty() || found == expected, "{found:?}");
        }
        assert!(!self.node.root().join(LOGINS).exists(), "the files live as long as the run");
    }

    /// Changes the password.
    pub(crate) fn wrong_password(mut self) -> Self {
        self.node = self.node.store(VAULT, "guessed");
        self
    }

    pub(crate) fn site_packages(&self, path: &str) -> PathBuf {
        self.node.root().join("databricks/python/lib/python3.11/site-packages").join(path)
    }
}

/// A program of the machine that runs the tests.
#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
fn tool(name: &str) -> Command {
    Command::new(name)
}

fn done(mut command: Command) {
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A wheel with one module.
pub(crate) fn wheel(folder: &Path, name: &str, requires: &[&str]) {
    let file = fs::File::create(folder.join(format!("{name}-1.0-py3-none-any.whl"))).expect("it can be written");
    let mut archive = zip::ZipWriter::new(file);
    let requires: Vec<_> = requires.iter().map(|required| format!("Requires-Dist: {required}\n")).collect();
    let requires = requires.concat();
    let files = [
        (format!("{name}.py"), "VALUE = 1\n".to_owned()),
        (
            format!("{name}-1.0.dist-info/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}"),
        ),
        (
            format!("{name}-1.0.dist-info/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
        (
            format!("{name}-1.0.dist-info/RECORD"),
            format!(
                "{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n{name}-1.0.dist-info/WHEEL,,\n{name}-1.0.dist-info/RECORD,,\n"
            ),
        ),
    ];
    for (path, text) in files {
        archive.start_file(path, zip::write::SimpleFileOptions::default()).expect("begun");
        archive.write_all(text.as_bytes()).expect("written");
    }
    archive.finish().expect("written");
}

/// The wheel of the uv version that nodeagent fetches, downloaded once.
pub(crate) fn uv_wheel() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uv");
    let find = || {
        fs::read_dir(&folder)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|kind| kind == "whl"))
    };
    find().unwrap_or_else(|| {
        let mut command = client("python");
        command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "uv==0.13.9", "-d"]);
        command.arg(&folder);
        done(command);
        find().expect("it was downloaded")
    })
}

/// pypi-server with two wheels and uv, for one user.
pub(crate) fn index(node: &Path) -> Server {
    let (packages, users) = (node.join("packages"), node.join("users"));
    fs::create_dir(&packages).expect("created");
    wheel(&packages, "firmhelper", &["firmbase"]);
    wheel(&packages, "firmbase", &[]);
    let uv = uv_wheel();
    std::os::unix::fs::symlink(&uv, packages.join(uv.file_name().expect("a name"))).expect("linked");
    let mut command = client("python");
    let script = "import sys\nfrom passlib.apache import HtpasswdFile\nfile = HtpasswdFile(sys.argv[1], new=True)\n\
                  file.set_password('reader', sys.stdin.read())\nfile.save()";
    command.args(["-c", script]).arg(&users).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    child.stdin.take().expect("piped").write_all(PASSWORD.as_bytes()).expect("written");
    assert!(child.wait().expect("it ends").success());
    let port = free_port();
    let mut command = client("pypi-server");
    command.args(["run", "-i", "127.0.0.1", "-p", &port.to_string(), "-a", "update,download,list", "-P"]);
    command.arg(&users).arg(&packages);
    Server::start(command, port)
}

/// A server of files and git repositories, for one user.
pub(crate) fn behind_basic(folder: &Path, users: &Path) -> Server {
    put(users, &format!("reader:{PASSWORD}\n"));
    let port = free_port();
    let mut command = client("python");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clouds/behind_basic.py"));
    command.arg(port.to_string()).arg(folder).arg(users);
    Server::start(command, port)
}

pub(crate) fn temp() -> tempfile::TempDir {
    tempfile::tempdir_in("/tmp").expect("a temporary folder")
}

pub(crate) const FROM_INDEX: &str = "[pip]\npackages = [\"firmhelper\"]\nindex-url = \"SERVER/simple/\"\n";

/// A repository with a Python project whose build needs no other package.
pub(crate) fn repository(folder: &Path, scene: &Path) {
    let (bare, work) = (folder.join("git/team/firmhelper.git"), scene.join("project"));
    fs::create_dir_all(&work).expect("created");
    put(
        &work.join("pyproject.toml"),
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\n[project]\nname = \"firmhelper\"\nversion = \"1.0\"\n",
    );
    put(
        &work.join("backend.py"),
        "import zipfile\n\n\ndef build_wheel(folder, settings=None, metadata=None):\n    name = 'firmhelper-1.0-py3-none-any.whl'\n    info = 'firmhelper-1.0.dist-info/'\n    with zipfile.ZipFile(folder + '/' + name, 'w') as archive:\n        archive.writestr('firmhelper.py', 'VALUE = 1\\n')\n        archive.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: firmhelper\\nVersion: 1.0\\n')\n        archive.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n        archive.writestr(info + 'RECORD', 'firmhelper.py,,\\n' + info + 'METADATA,,\\n' + info + 'WHEEL,,\\n' + info + 'RECORD,,\\n')\n    return name\n",
    );
    let git = |arguments: &[&str]| {
        let mut command = tool("git");
        command.current_dir(&work).args(["-c", "user.name=x", "-c", "user.email=x@example.org"]).args(arguments);
        done(command);
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "x"]);
    git(&["clone", "--quiet", "--bare", ".", bare.to_str().expect("UTF-8")]);
}

/// An R repository with one built package.
pub(crate) fn cran(folder: &Path, scene: &Path) {
    let contrib = folder.join("src/contrib");
    fs::create_dir_all(&contrib).expect("created");
    let fields = "Package: firmtools\nVersion: 1.0\nBuilt: R 4.2.2; ; 2026-01-01 00:00:00 UTC; unix\n";
    put(&contrib.join("PACKAGES"), "Package: firmtools\nVersion: 1.0\n");
    fs::create_dir_all(scene.join("firmtools")).expect("created");
    put(&scene.join("firmtools/DESCRIPTION"), fields);
    let mut tar = tool("tar");
    tar.current_dir(scene).arg("-czf").arg(contrib.join("firmtools_1.0.tar.gz")).arg("firmtools");
    done(tar);
}

/// An apt repository with one package, marked as trusted.
pub(crate) fn debian(folder: &Path, scene: &Path) {
    let control = scene.join("firmtool/DEBIAN");
    fs::create_dir_all(&control).expect("created");
    let fields = "Package: firmtool\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n";
    put(&control.join("control"), fields);
    fs::create_dir_all(folder).expect("created");
    let deb = folder.join("firmtool_1.0_all.deb");
    let mut command = tool("dpkg-deb");
    command.args(["--root-owner-group", "--build"]).arg(scene.join("firmtool")).arg(&deb);
    done(command);
    let (size, digest) = (fs::metadata(&deb).expect("built").len(), Digest::sha256_of_file(&deb).expect("readable"));
    let index = format!("{fields}Filename: ./firmtool_1.0_all.deb\nSize: {size}\nSHA256: {}\n", digest.hex());
    put(&folder.join("Packages"), &index);
}

/// A node with its own folders for apt and dpkg.
pub(crate) fn with_apt(node: NodeTest, source: &str) -> NodeTest {
    let root = node.root();
    for folder in ["etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(folder)).expect("created");
    }
    let dir = root.display();
    let settings = format!(
        "Dir \"{dir}\";\nDir::Bin::methods \"/usr/lib/apt/methods\";\nDir::State::status \"{dir}/var/lib/dpkg/status\";\n\
         DPkg::Options {{ \"--root={dir}\"; \"--force-not-root\"; \"--force-script-chrootless\"; }};\n\
         DPkg::Pre-Install-Pkgs \"\";\nDPkg::Post-Invoke \"\";\n"
    );
    let node = node.file("var/lib/dpkg/status", "").file("etc/apt/settings", &settings);
    let node = node.file("etc/apt/sources.list.d/firm.sources", source);
    let path = node.root().join("etc/apt/settings").display().to_string();
    node.passed_var("APT_CONFIG", &path)
}

/// A text without line breaks.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
