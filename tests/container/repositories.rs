//! Repositories that are down or slow, that truncate responses, or that serve other bytes than their index lists.

use crate::support::{CommandOutput, LIBRARY, Node, port};

/// A repository with faults. The first part of the path selects the fault.
const SERVER: &str = r"
import os, sys, time
import fake_http

class Faulty(fake_http.Handler):
    asked = {}

    def handle_any(self):
        _, kind, *rest = self.path.split('/')
        path = '/srv/cran/' + '/'.join(rest)
        archive = path.endswith('.tar.gz')
        self.asked[self.path] = self.asked.get(self.path, 0) + 1
        if kind == 'busy' and self.asked[self.path] < 3:
            return self.respond(503, b'come back later')
        if kind == 'slow' and archive:
            time.sleep(600)
        if not os.path.exists(path) or kind == 'lost' and archive:
            return self.respond(404, b'not here')
        with open(path, 'rb') as file:
            body = file.read()
        if kind == 'wrong' and archive:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if kind == 'short' and archive:
            self.close_connection = True
            return self.respond(200, body[: len(body) // 2], {'content-length': str(len(body))})
        self.respond(200, body)

fake_http.Server(Faulty, sys.argv[1]).serve_forever()
";

const DOWN: &str = "http://127.0.0.1:9/";

fn faulty(what: &str) -> Option<Node> {
    let node = Node::fresh(what)?;
    node.write("/tmp/faulty.py", SERVER);
    node.write("/tmp/fake_http.py", include_str!("../clouds/fake_http.py"));
    node.serve(&format!("python3 /tmp/faulty.py {}", port()), port());
    Some(node)
}

fn tinypure_from(node: &Node, repositories: &[&str], options: &[&str]) -> CommandOutput {
    let urls: Vec<String> = repositories
        .iter()
        .map(
            |name| {
                if name.contains("://") { (*name).to_owned() } else { format!("http://127.0.0.1:{}/{name}/", port()) }
            },
        )
        .collect();
    node.sh("rm -rf /var/cache/nodeagent/r");
    node.profile(&format!("[r]\nrepos = {urls:?}\npackages = [\"tinypure\"]\n"));
    node.run(options)
}

#[test]
fn a_run_names_the_faulty_repository() {
    let Some(node) = faulty("faulty") else { return };
    let output = tinypure_from(&node, &[DOWN], &[]);
    output.exits(1).is_brief().prints("127.0.0.1:9").prints("ring.toml:5").prints("refused");
    let output = tinypure_from(&node, &["short"], &[]);
    output.exits(1).is_brief().prints("/short/src/contrib/tinypure_1.1.tar.gz");
    let output = tinypure_from(&node, &["wrong"], &[]);
    output.exits(1).is_brief().prints("/wrong/src/contrib/tinypure_1.1.tar.gz").prints("md5");
    let output = tinypure_from(&node, &["lost"], &[]);
    output.exits(1).is_brief().prints("/lost/src/contrib/tinypure_").prints("404");
    let output = tinypure_from(&node, &["slow"], &["--deadline", "5s"]);
    output.exits(4).is_brief().prints("the deadline passed after 5");
    let output = tinypure_from(&node, &["nothing-here-at-all/below"], &[]);
    output.exits(1).is_brief().prints("/nothing-here-at-all/below").prints("404");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "", "nothing was installed");
    node.is_tidy();
}

#[test]
fn a_healthy_repository_replaces_a_dead_one() {
    let Some(node) = faulty("healthy") else { return };
    for dead in [DOWN, "short", "wrong"] {
        tinypure_from(&node, &[dead, "good"], &[]).exits(0).prints("warning");
        assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "tinypure\n");
        node.sh(&format!("rm -r {LIBRARY}/tinypure"));
    }
    // A busy repository gets the request again.
    tinypure_from(&node, &["busy"], &[]).exits(0);
    node.sh("Rscript -e 'library(tinypure)'");
}

#[test]
fn a_run_names_the_package_index_that_is_down() {
    let Some(node) = Node::fresh("index") else { return };
    for installer in ["auto", "pip"] {
        node.profile(&format!(
            "[pip]\npackages = [\"humanize\"]\ninstaller = \"{installer}\"\nindex-url = \"http://127.0.0.1:9/simple/\"\n"
        ));
        node.run(&["--deadline", "3m"]).exits(1).is_brief().prints("127.0.0.1").prints("ring.toml:4").prints("hint: ");
    }
}
