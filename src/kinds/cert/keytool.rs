//! keytool of a JDK: its commands, and its list of certificates. The password goes to standard input.

use std::{collections::BTreeMap, path::Path};

use crate::{
    certificate::{Fingerprint, fingerprints_in},
    exec::{Cmd, ExecError},
    problem::Problem,
    redact::{self, Secret},
    steps::Context,
};

/// The log of keytool, in the folder of logs of the run.
const LOG: &str = "keytool.log";
/// The password of the keystore of a new JDK.
const USUAL_PASSWORD: &[u8] = b"changeit";
/// The beginning of nodeagent's aliases, and of those that Debian's hook derives from nodeagent's files.
const OWN: [&str; 2] = ["nodeagent-", "debian:nodeagent-"];

/// The certificates of a keystore, by alias.
pub(super) type Aliases = BTreeMap<String, Fingerprint>;

/// A keystore and the program that changes it.
#[derive(Clone, Copy)]
pub(super) struct Keytool<'a> {
    pub(super) ctx: &'a Context,
    pub(super) program: &'a Path,
    pub(super) keystore: &'a Path,
    pub(super) password: Option<&'a Secret>,
}

impl Keytool<'_> {
    /// The certificates of the keystore.
    pub(super) async fn list(self) -> Result<Aliases, Problem> {
        let done = self.run(self.command("-list").arg("-rfc")).await?;
        Ok(parse(&done))
    }

    /// Imports a certificate from a file.
    pub(super) async fn import(self, fingerprint: &Fingerprint, file: &Path) -> Result<(), Problem> {
        let file = file.display().to_string();
        let cmd = self.command("-importcert").args(["-noprompt", "-alias", &alias(fingerprint), "-file", &file]);
        self.run(cmd).await.map(drop)
    }

    /// Removes an entry.
    pub(super) async fn delete(self, alias: &str) -> Result<(), Problem> {
        self.run(self.command("-delete").args(["-alias", alias])).await.map(drop)
    }

    fn command(self, verb: &str) -> Cmd {
        let password = self.password.map_or(USUAL_PASSWORD, |secret| secret.without_line_end());
        Cmd::new(self.program.display().to_string())
            .args([verb, "-keystore", &self.keystore.display().to_string()])
            // Without a user's files and in English, whatever the node's settings are.
            .args(["-J-Duser.language=en", "-J-Xmx256m"])
            .stdin([password, b"\n"].concat())
    }

    async fn run(self, cmd: Cmd) -> Result<String, Problem> {
        let cmd = cmd.log(self.ctx.logs.join(LOG));
        let done = self.ctx.runner.run(&cmd).await?;
        if done.code == 0 {
            return Ok(done.stdout);
        }
        // keytool prints its errors on standard output.
        let output = redact::text(&done.stdout);
        let lines: Vec<&str> = output.lines().filter(|line| line.contains("error")).collect();
        let hint = hint(&done.stdout);
        let output = lines.join("\n");
        let error = ExecError::Failed { cmd: cmd.to_string(), code: done.code, stderr: output };
        Err(Problem::from(error).hint(hint.map(str::to_owned)))
    }
}

/// The alias of a certificate. keytool keeps aliases in lower case.
pub(super) fn alias(fingerprint: &Fingerprint) -> String {
    format!("{}{fingerprint}", OWN[0])
}

/// Whether an alias is one that nodeagent caused.
pub(super) fn is_own(alias: &str) -> bool {
    OWN.iter().any(|own| alias.starts_with(own))
}

/// The certificates in the output of `keytool -list -rfc`, by alias.
pub(super) fn parse(output: &str) -> Aliases {
    let entries = output.split("Alias name: ").skip(1);
    let parsed = entries.filter_map(|entry| {
        let alias = entry.lines().next()?.trim().to_owned();
        Some((alias, fingerprints_in(entry.as_bytes()).pop_first()?))
    });
    parsed.collect()
}

/// The hint for a message of keytool.
fn hint(output: &str) -> Option<&'static str> {
    output
        .contains("password was incorrect")
        .then_some("put the password of the keystore into a secret, and name it with `java-password` in `[cert]`")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        exec::{Finished, fake::FakeRunner},
        report::event::Events,
    };

    #[test]
    fn the_list_of_keytool_has_certificates_by_alias() {
        let root = include_str!("../../../tests/fixtures/certificates/root.pem");
        let output = format!(
            "Keystore type: JKS\nKeystore provider: SUN\n\nYour keystore contains 1 entry\n\nAlias name: \
             debian:firm root.pem\nCreation date: Nov 30, 2026\nEntry type: \
             trustedCertEntry\n\n{root}\n\n*******************************************\n"
        );
        let found = parse(&output);
        let fingerprint = "e389a7da0d07cf7c1d35b4052d688f91f96192542b7a1bd481775bab6e1717e8".to_owned();
        assert_eq!(found, Aliases::from([("debian:firm root.pem".to_owned(), fingerprint.clone())]));
        assert!(is_own(&alias(&fingerprint)) && is_own("debian:nodeagent-e389.pem") && !is_own("debian:firm root.pem"));
    }

    #[tokio::test]
    async fn the_password_goes_to_standard_input_alone() {
        let runner = Arc::new(FakeRunner::new().answer(|_| Some(Finished::default())));
        let ctx = Context::for_tests(Arc::<FakeRunner>::clone(&runner), Events::default().of_step("cert:java"));
        let secret = Secret::from("hunter22\n".to_owned());
        let usual = Keytool { ctx: &ctx, program: Path::new("/k"), keystore: Path::new("/x"), password: None };
        usual.delete("nodeagent-e389").await.expect("done");
        Keytool { password: Some(&secret), ..usual }.list().await.expect("done");
        let inputs: Vec<_> =
            runner.seen().iter().filter_map(|cmd| Some(cmd.stdin.as_ref()?.bytes().to_vec())).collect();
        assert_eq!(inputs, [b"changeit\n".to_vec(), b"hunter22\n".to_vec()]);
        assert!(runner.seen().iter().all(|cmd| !cmd.args.iter().any(|arg| arg.contains("hunter22"))));
    }

    #[test]
    fn a_wrong_password_has_a_hint() {
        for message in [
            "keytool error: java.io.IOException: Keystore was tampered with, or password was incorrect",
            "keytool error: java.io.IOException: keystore password was incorrect",
        ] {
            assert!(hint(message).is_some(), "{message}");
        }
        assert_eq!(hint("keytool error: java.lang.Exception: Alias <x> does not exist"), None);
    }
}
