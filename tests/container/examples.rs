//! The profiles of docs/examples on nodes: the text of the page runs as it is, and its checks succeed.

use crate::support::{Node, PROFILES, wheel};

/// The secrets of the examples.
const PASSWORD: &str = "of-the-ring-1001";
const TOKEN: &str = "of-the-ring-1002";
const NEXT_TOKEN: &str = "of-the-ring-1003";
/// The hash of a password.
const HASH: &str = "$6$ringring$of.the.ring.1004";

/// A page on a node. Its profile is at `/profiles/NAME.toml`.
struct Example<'a> {
    node: &'a Node,
    page: String,
    path: String,
}

impl<'a> Example<'a> {
    fn of(node: &'a Node, name: &str) -> Self {
        let file = format!("{}/docs/examples/{name}.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let example = Self { node, page, path: format!("{PROFILES}/{name}.toml") };
        example.write(example.block("toml"));
        example
    }

    /// The first block of a language.
    fn block(&self, language: &str) -> &str {
        let rest = self.page.split(&format!("```{language}\n")).nth(1).expect("the page has the block");
        rest.split("```").next().expect("split gives one part at least")
    }

    fn write(&self, profile: &str) {
        self.node.write(&self.path, profile);
    }

    /// Runs the profile. No secret is printed.
    #[track_caller]
    fn run(&self, options: &[&str], words: &[&str]) -> String {
        let output = self.node.exec(options, &[&["nodeagent", "run", "--profile", &self.path], words].concat());
        for secret in [PASSWORD, TOKEN, NEXT_TOKEN, HASH] {
            output.never_prints(secret);
        }
        output.exits(0).stderr.clone()
    }

    #[track_caller]
    fn has_nothing_to_do(&self) {
        let printed = self.run(&[], &[]);
        assert!(printed.contains("nothing to do"), "{printed}");
    }

    /// Runs, and runs again without a change. Then the commands of the page succeed.
    #[track_caller]
    fn prove(&self) {
        self.run(&[], &[]);
        self.has_nothing_to_do();
        let checks = self.page.split("\n## Check it\n").nth(1).expect("a section with checks");
        let commands: Vec<&str> = checks.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert!(commands.len() >= 3, "{commands:?}");
        for command in commands {
            self.node.exec(&[], &["bash", "-c", command]).exits(0);
        }
    }

    /// Damages the node. The next run repairs it.
    #[track_caller]
    fn repairs(&self, damage: &str, test: &str) {
        self.node.sh(test);
        self.node.sh(damage);
        assert_ne!(self.node.exec(&[], &["bash", "-c", test]).code, 0, "`{damage}` is no damage for `{test}`");
        self.run(&[], &[]);
        self.node.sh(test);
        self.has_nothing_to_do();
    }
}

/// The name of the driver's package in the page.
const ODBC_DEB: &str = "odbc-postgresql_13.02.0000-2_${node.arch}.deb";

/// A server that speaks so much of PostgreSQL's protocol that a driver can log in with a password.
const WAREHOUSE: &str = r#"
import socket, struct, threading
def receive(client, size):
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
def body(client):
    return receive(client, struct.unpack("!I", receive(client, 4))[0] - 4)
def send(client, kind, data):
    client.sendall(kind + struct.pack("!I", len(data) + 4) + data)
def serve(client):
    hello = body(client)
    while struct.unpack("!I", hello[:4])[0] in (80877103, 80877104):  # requests for encryption
        client.sendall(b"N")
        hello = body(client)
    send(client, b"R", struct.pack("!I", 3))
    assert receive(client, 1) == b"p"
    with open("/tmp/login", "wb") as file:
        file.write(hello[4:].replace(b"\0", b" ") + body(client).rstrip(b"\0") + b"\n")
    send(client, b"R", struct.pack("!I", 0))
    for name, value in [(b"server_version", b"15.0"), (b"client_encoding", b"UTF8"), (b"standard_conforming_strings", b"on")]:
        send(client, b"S", name + b"\0" + value + b"\0")
    send(client, b"Z", b"I")
    while True:
        kind = receive(client, 1)
        body(client)
        if kind == b"X":
            return
        send(client, b"C", b"SET\0")
        send(client, b"Z", b"I")
server = socket.create_server(("127.0.0.1", 6432))
while True:
    client, _ = server.accept()
    threading.Thread(target=serve, args=[client], daemon=True).start()
"#;

#[test]
fn an_odbc_driver_connects_and_gdal_converts() {
    let Some(node) = Node::with("examples", &["--env", &format!("FAMILY_WAREHOUSE_PASSWORD={PASSWORD}")]) else {
        return;
    };
    let names = node.sh(&format!(
        "set -e; echo 127.0.0.1 warehouse.firm.example >> /etc/hosts; mkdir -p {PROFILES}/lib/debs; cd {PROFILES}/lib/debs
        apt-get download -q odbc-postgresql; ls"
    ));
    node.write("/srv/warehouse.py", WAREHOUSE);
    node.serve("python3 /srv/warehouse.py", 6432);
    let odbc = Example::of(&node, "odbc");
    let name = names.lines().last().expect("the driver was downloaded");
    odbc.write(&odbc.block("toml").replace(ODBC_DEB, name));
    odbc.prove();
    let registered = node.sh("odbcinst -q -d; odbcinst -q -s");
    for name in ["[Warehouse Driver]", "[PostgreSQL Unicode]", "[Warehouse]"] {
        assert!(registered.lines().any(|line| line == name), "`{name}` is not in\n{registered}");
    }
    let connected = node.exec(&[], &["isql", "-v", "Warehouse"]);
    assert!(connected.exits(0).stdout.contains("Connected!"), "{connected}");
    let login = node.sh("cat /tmp/login; rm /tmp/login");
    for word in ["user reader", "database cases", PASSWORD] {
        assert!(login.contains(word), "`{word}` is not in {login}");
    }
    assert_eq!(node.sh("stat -c '%a %U:%G' /etc/odbc.ini"), "640 root:warehouse\n");
    let holders = node.sh(&format!("grep -rls {PASSWORD} /etc /var /run /tmp /home /root /opt 2> /dev/null; true"));
    assert_eq!(holders, "/etc/odbc.ini\n", "files with the password");
    // Another data source stays.
    node.sh("printf '[Other]\\nDriver = x\\n' >> /etc/odbc.ini");
    odbc.has_nothing_to_do();
    odbc.repairs(
        "sed -i /Servername/d /etc/odbc.ini",
        "grep -qx 'Servername *= *warehouse.firm.example' /etc/odbc.ini",
    );
    odbc.repairs("dpkg --purge odbc-postgresql 2> /dev/null", "isql -v Warehouse < /dev/null");
    odbc.write("schema = 1\nname = \"odbc\"\n");
    odbc.run(&[], &[]);
    let left = node.sh("cat /etc/odbc.ini /etc/odbcinst.ini");
    assert!(left.contains("[Other]") && !left.contains("Warehouse"), "{left}");

    let gdal = Example::of(&node, "gdal");
    gdal.prove();
    let shown = gdal.page.split("coordinates of Melbourne, `").nth(1).and_then(|rest| rest.split('`').next());
    let converted = node.sh("bash -lc 'echo 144.9631 -37.8136 | to-mga55; echo $PROJ_NETWORK $GDAL_CACHEMAX'");
    assert_eq!(Some(converted.as_str()), shown.map(|shown| format!("{shown}\nOFF 512\n")).as_deref());
    node.sh("/databricks/python/bin/python -c 'import shapely, numpy, geojson
assert numpy.__version__ == \"2.2.6\"
assert shapely.area(shapely.from_geojson(geojson.dumps(geojson.Polygon([[(0, 0), (2, 0), (2, 2), (0, 0)]])))) == 2'");
    gdal.repairs("rm /usr/local/bin/to-mga55", "test -x /usr/local/bin/to-mga55");
    node.has_no("gdal-config");
    node.is_tidy();
}

/// Makes an authority, and a certificate of it for the servers of the firm.
const AUTHORITY: &str = r#"
set -e; umask 022; mkdir -p /srv/tls /srv/www /profiles/certs; cd /srv/tls
echo 127.0.0.1 proxy.firm.example >> /etc/hosts
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out /profiles/certs/firm-root.pem -subj "/O=Firm/CN=Firm Root" 2> /dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=firm.example" 2> /dev/null
echo "subjectAltName=DNS:*.firm.example" > names
openssl x509 -req -in server.csr -CA /profiles/certs/firm-root.pem -CAkey ca.key -days 30 -extfile names -out server.pem 2> /dev/null
mkdir -p /srv/www/deb /tmp/deb/DEBIAN; cd /srv/www/deb
printf 'Package: firm-tools\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: for tests\n' > /tmp/deb/DEBIAN/control
dpkg-deb --build /tmp/deb firm-tools_1.0_all.deb > /dev/null
{ cat /tmp/deb/DEBIAN/control; printf 'Filename: ./firm-tools_1.0_all.deb\nSize: %s\nSHA256: %s\n' \
    "$(stat -c %s *.deb)" "$(sha256sum *.deb | cut -d ' ' -f 1)"; } > Packages
rm /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] https://apt.firm.example/deb/ ./' > /etc/apt/sources.list.d/firm.list
"#;

/// A proxy that decrypts TLS with a certificate of the firm and answers from a folder. It logs each host.
const PROXY: &str = r#"
import http.server, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/tls/server.pem", "/srv/tls/server.key")
class Answer(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *rest):
        super().__init__(*rest, directory="/srv/www")
    def log_message(self, *rest):
        pass
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):
        agent = self.headers.get("User-Agent", "").split("/")[0]
        with open("/srv/proxy.log", "a") as log:
            log.write(self.path + " " + agent + "\n")
        self.send_response(200)
        self.end_headers()
        try:
            Answer(context.wrap_socket(self.connection, server_side=True), self.client_address, self.server)
        except OSError:
            pass
        self.close_connection = True
    def log_message(self, *rest):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 3128), Proxy).serve_forever()
"#;

#[test]
fn a_node_reaches_everything_through_the_proxy_of_its_company() {
    let Some(node) = Node::fresh("example-proxy") else { return };
    node.sh(AUTHORITY);
    node.write("/srv/www/simple/firm-reports/firm_reports-1.0-py3-none-any.whl", wheel("firm_reports", "1.0", &[]));
    node.write("/srv/proxy.py", PROXY);
    node.serve("python3 /srv/proxy.py", 3128);
    let reach = "env -i bash -lc 'curl -fsS https://pypi.firm.example/simple/firm-reports/'";
    assert_ne!(node.exec(&[], &["bash", "-c", reach]).code, 0, "the node has no way to the server yet");
    let proxy = Example::of(&node, "proxy");
    proxy.prove();
    node.sh("dpkg-query -W firm-tools; /databricks/python/bin/python -c 'import firm_reports'");
    let hosts = node.sh("cut -d ' ' -f 1 /srv/proxy.log | sort -u");
    assert_eq!(hosts, "apt.firm.example:443\npypi.firm.example:443\n", "hosts that the proxy served");
    // Without the variables of the run: a login shell, R, the runtime's Python, and apt with its own file.
    let url = "https://pypi.firm.example/simple/firm-reports/";
    node.sh(&format!(
        "set -e; {reach} | grep -q firm_reports
        env -i PATH=$PATH Rscript -e 'cat(readLines(url(\"{url}\", method = \"libcurl\")))' | grep -q firm_reports
        env -i bash -lc '/databricks/python/bin/python -c \"import requests; print(requests.get(\\\"{url}\\\").text)\"' | grep -q firm_reports
        mkdir -p /tmp/lists/partial; env -i PATH=$PATH apt-get update -qq -o Dir::State::Lists=/tmp/lists
        grep -q '^https_proxy=.*proxy.firm.example:3128' /etc/environment
        grep -q 'https_proxy=.*proxy.firm.example:3128' /databricks/spark/conf/spark-env.sh"
    ));
    proxy.repairs("rm /etc/apt/apt.conf.d/95proxy", "apt-config dump | grep -q proxy.firm.example");
    proxy.repairs("sed -i /https_proxy/d /etc/environment", "grep -q https_proxy /etc/environment");
    proxy.write("schema = 1\nname = \"proxy\"\n");
    proxy.run(&[], &[]);
    assert_ne!(node.exec(&[], &["bash", "-c", reach]).code, 0, "proxy and authority were taken back");
    assert_eq!(node.sh("grep -rls proxy.firm.example /etc /databricks/spark/conf; true"), "/etc/hosts\n");
    proxy.has_nothing_to_do();
    node.is_tidy();
}

/// A collector that answers at the address of its health, and shows its configuration.
const COLLECTOR: &str = r#"#!/usr/bin/python3
import http.server, os, re, sys
assert sys.argv[1] == "--config"
config = re.sub(r"\$\{env:(\w+)\}", lambda found: os.environ[found[1]], open(sys.argv[2]).read())
host, port = re.search(r"health_check:\s+endpoint: (\S+):(\d+)", config).groups()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(config.encode() if self.path == "/config" else b"ok")
http.server.ThreadingHTTPServer((host, int(port)), Answer).serve_forever()
"#;

/// A server that reads the settings file of `rserver`.
const RSERVER: &str = r#"#!/usr/bin/python3
import http.server
lines = [line.strip().partition("=") for line in open("/etc/rstudio/rserver.conf") if not line.startswith('#')]
conf = {key: value for key, _, value in lines}
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((repr(sorted(conf.items())) + "\n").encode())
    do_HEAD = do_GET
address = (conf.get("www-address", "0.0.0.0"), int(conf.get("www-port", "8787")))
http.server.ThreadingHTTPServer(address, Answer).serve_forever()
"#;

/// Packs the programs: an archive and a Debian package that starts its service.
const PACK: &str = r"
set -e; cd /srv; mkdir -p /profiles/lib/debs deb/DEBIAN deb/etc/rstudio deb/lib/systemd/system
chmod 755 collector/otelcol deb/usr/lib/rstudio-server/bin/rserver
printf 'Apache\n' > collector/LICENSE
tar czf /profiles/lib/otelcol_linux_$(dpkg --print-architecture).tar.gz -C collector .
printf 'Package: rstudio-server\nVersion: 2024.09.1+394\nArchitecture: '$(dpkg --print-architecture)'\nMaintainer: x <x@example.com>\nDescription: for tests\n' > deb/DEBIAN/control
printf '#!/bin/sh\nset -e\nid rstudio-server > /dev/null 2>&1 || useradd --system rstudio-server\nsystemctl daemon-reload\nsystemctl enable --now rstudio-server\n' > deb/DEBIAN/postinst
chmod 755 deb/DEBIAN/postinst
printf '# Server Configuration File\nwww-thread-pool-size=2\n' > deb/etc/rstudio/rserver.conf
printf '[Unit]\nDescription=RStudio Server\n[Service]\nExecStart=/usr/lib/rstudio-server/bin/rserver\n[Install]\nWantedBy=multi-user.target\n' > deb/lib/systemd/system/rstudio-server.service
printf '/etc/rstudio/rserver.conf\n' > deb/DEBIAN/conffiles
dpkg-deb --build deb /profiles/lib/debs/rstudio-server_2024.09.1+394_$(dpkg --print-architecture).deb > /dev/null
";

fn process(node: &Node, service: &str) -> String {
    node.sh(&format!("systemctl show {service} --property=MainPID --value"))
}

#[test]
fn an_agent_and_rstudio_run_with_their_settings() {
    let token = format!("OPS_OTLP_TOKEN={TOKEN}");
    let hash = format!("RESEARCH_ANALYST_PASSWORD_HASH={HASH}");
    let Some(node) = Node::with_systemd("examples", &["--env", &token, "--env", &hash]) else { return };
    node.write("/srv/collector/otelcol", COLLECTOR);
    node.write("/srv/deb/usr/lib/rstudio-server/bin/rserver", RSERVER);
    node.sh(PACK);
    agent_is_proved(&node);
    rstudio_is_proved(&node);
    node.is_tidy();
}

fn agent_is_proved(node: &Node) {
    let agent = Example::of(node, "agent");
    node.write(&format!("{PROFILES}/conf/otelcol.yaml"), agent.block("yaml"));
    let digest = node.sh(&format!("sha256sum {PROFILES}/lib/otelcol_linux_*.tar.gz | cut -d ' ' -f 1"));
    let placeholder = agent.page.split("sha256 = \"").nth(1).and_then(|rest| rest.split('"').next());
    let profile = agent.block("toml").replace(placeholder.expect("a digest"), digest.trim());
    agent.write(&profile);
    agent.prove();
    let config = node.sh("curl -fsS http://127.0.0.1:13133/config");
    for line in ["collection_interval: 15s", "endpoint: https://otlp.vendor.example:4318", "value: \"driver\""] {
        assert!(config.contains(line), "`{line}` is not in\n{config}");
    }
    assert!(config.contains(&format!("Bearer {TOKEN}")), "the collector has the token");
    node.sh("test ! -e /opt/otelcol/LICENSE; test $(ps -o user= -C otelcol) = otelcol");
    let holders = node.sh(&format!("grep -rls {TOKEN} /etc /var /run /tmp /home /root /opt 2> /dev/null; true"));
    assert_eq!(holders, "/run/nodeagent/services/otelcol.env\n", "files with the token");
    agent.repairs(
        "rm -r /opt/otelcol; systemctl kill -s KILL otelcol; systemctl stop otelcol",
        "test -x /opt/otelcol/otelcol && curl -fsS http://127.0.0.1:13133/",
    );
    // A new token and a new interval restart it, each once.
    for (words, next, expected) in [
        (vec!["--env".to_owned(), format!("OPS_OTLP_TOKEN={NEXT_TOKEN}")], profile.clone(), NEXT_TOKEN),
        (vec![], profile.replace("\"15s\"", "\"17s\""), "collection_interval: 17s"),
    ] {
        let before = process(node, "otelcol");
        agent.write(&next);
        agent.run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert_ne!(process(node, "otelcol"), before);
        assert!(node.sh("curl -fsS http://127.0.0.1:13133/config").contains(expected));
    }
    agent.write("schema = 1\nname = \"agent\"\n");
    agent.run(&[], &[]);
    node.sh("! systemctl is-active -q otelcol; test ! -e /opt/otelcol/otelcol; test ! -e /etc/otelcol/config.yaml");
    agent.has_nothing_to_do();
}

fn rstudio_is_proved(node: &Node) {
    let rstudio = Example::of(node, "rstudio");
    rstudio.prove();
    let answer = node.sh("curl -fsS http://127.0.0.1:8787/");
    for part in
        ["('www-address', '127.0.0.1')", "('auth-required-user-group', 'rstudio-users')", "www-thread-pool-size"]
    {
        assert!(answer.contains(part), "`{part}` is not in {answer}");
    }
    node.sh(&format!(
        "set -e; id -nG analyst | grep -qw rstudio-users; grep -qF 'analyst:{HASH}:' /etc/shadow
        test \"$(stat -c %U /home/analyst/R/library)\" = analyst
        test \"$(systemctl show rstudio-server --property=MemoryMax --value)\" = 17179869184"
    ));
    let before = process(node, "rstudio-server");
    rstudio.has_nothing_to_do();
    assert_eq!(process(node, "rstudio-server"), before, "it is not restarted without a change");
    rstudio
        .repairs("sed -i s/8787/8788/ /etc/rstudio/rserver.conf", "grep -qx www-port=8787 /etc/rstudio/rserver.conf");
    rstudio.write(&rstudio.block("toml").replace("8787", "8789"));
    rstudio.run(&[], &[]);
    node.sh("curl -fsS http://127.0.0.1:8789/");
    // On a worker, the profile does nothing.
    let worker = rstudio.run(&["--env", "DB_IS_DRIVER=FALSE"], &["--dry-run"]);
    assert!(!worker.contains("8789"), "{worker}");
}
