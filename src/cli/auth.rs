//! `nodeagent auth`: the identity of the node, its permissions, and an audit of its access.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{CommandError, Env, Exit, authorize::authorize, print, print_json, target::this_node};
use crate::{
    auth::{
        Access, AccessRequest, Decision, Denial, Exemption, Exposure, Identity, IdentityProvider, ProbeOutcome,
        explain, exposure,
    },
    cloud::{CloudError, CloudErrorKind},
    diagnostic::Diagnostic,
    facts::NodeFacts,
    report::{render_columns, text::counted},
    secrets::databricks,
};

/// Commands of `auth`.
#[derive(Debug, Subcommand)]
pub(super) enum Options {
    /// Show the identity of the node: in each cloud, by its cluster, and as a local user
    Whoami(ShowOptions),
    /// Test whether a secret, a database or a profile may be used: status 0 or 2
    Can(RequestOptions),
    /// Explain why a secret, a database or a profile may be used or not, with the deciding line
    Explain(RequestOptions),
    /// Test every scope and tree: status 1 if the node can read one that it should not
    Audit(ShowOptions),
}

/// Options of a command without other options.
#[derive(Debug, Args)]
pub(super) struct ShowOptions {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// A request to test or explain.
#[derive(Debug, Args)]
pub(super) struct RequestOptions {
    /// `read` a secret, `connect` to a database, `use` the profiles of a unit
    verb: Verb,
    /// SCOPE, SCOPE/KEY or SOURCE:PLACE of a secret; a database; a unit
    name: String,
    /// The user of the database
    #[arg(long = "as", value_name = "USER", required_if_eq("verb", "connect"))]
    user: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    Read,
    Connect,
    Use,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    match options {
        Options::Whoami(options) => whoami(env, options.json),
        Options::Can(options) => can(env, options),
        Options::Explain(options) => why(env, options),
        Options::Audit(options) => audit(env, options.json),
    }
}

fn whoami(env: &Env, as_json: bool) -> Result<Exit, CommandError> {
    let facts = this_node(env);
    let all = IdentityProvider::ALL.into_iter().collect();
    let identity = env.block_on(Identity::resolve(env.clouds(), &facts, &env.root, &all))?;
    // Mistakes in the access file do not change the identity.
    let access = env.access();
    if as_json {
        let unknown = identity.unknown.iter().map(|(cloud, error)| {
            json!({ "cloud": cloud, "kind": error.kind, "message": error.message, "detail": error.detail, "hint": error.hint })
        });
        let mut answer = serde_json::to_value(&identity).unwrap_or_default();
        answer["names"] = json!(identity.names());
        answer["unknown"] = unknown.collect();
        answer["access-file"] = json!(access.ok().and_then(|access| access.file));
        print_json(&answer)?;
    } else {
        print(&page(&identity, &facts, access.as_ref().ok()))?;
    }
    if identity.unknown.is_empty() {
        return Ok(Exit::Done);
    }
    Err(CommandError::Failed(identity.unknown.iter().map(|(_, error)| diagnostic(error)).collect()))
}

fn diagnostic(error: &CloudError) -> Diagnostic {
    Diagnostic::nowhere(error.to_string()).causes(error.detail.iter().cloned().collect()).maybe_hint(error.hint.clone())
}

fn page(identity: &Identity, facts: &NodeFacts, access: Option<&Access>) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |what: &str, text: String| rows.push([what.to_owned(), text]);
    let no_identity = |cloud: IdentityProvider| {
        let is_unknown = identity.unknown.iter().any(|(unknown, _)| *unknown == cloud);
        if is_unknown { "not known, see below" } else { "no identity: not configured" }.to_owned()
    };
    let me = identity.databricks.as_ref();
    row(
        "databricks",
        me.map_or_else(
            || no_identity(IdentityProvider::Databricks),
            |me| {
                let kind = if me.service_principal { "service-principal" } else { "user" };
                let name = me.display_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                format!("{kind}:{}{name}, by {} at {}", me.user_name, me.auth_type, me.host)
            },
        ),
    );
    for group in identity.groups() {
        row("", format!("group:{group}"));
    }
    row("aws", identity.aws.as_ref().map_or_else(|| no_identity(IdentityProvider::Aws), |caller| caller.arn.clone()));
    row(
        "azure",
        identity.azure.as_ref().map_or_else(
            || no_identity(IdentityProvider::Azure),
            |found| format!("azure:{}, by {} in tenant {}", found.object_id, found.auth_type, found.tenant),
        ),
    );
    let cluster = identity.names().into_iter().find(|name| name.starts_with("cluster:"));
    let name = facts.cluster_name.clone();
    row(
        "cluster",
        match (cluster, name) {
            (Some(cluster), Some(name)) => format!("{cluster}, by the name {name}"),
            (Some(cluster), None) => cluster,
            (None, Some(name)) => format!("no unit: the name {name} does not follow the convention"),
            (None, None) => "not on a cluster".to_owned(),
        },
    );
    row("local", format!("local:{} (uid {})", identity.local.name, identity.local.uid));
    row(
        "access",
        match access {
            None => "the access file is invalid: run `nodeagent check` for the mistakes".to_owned(),
            Some(Access { file: None, .. }) => Exemption::NoAccessFile.to_string(),
            Some(access @ Access { file: Some(file), .. }) => {
                let mine = access.grants_of(identity).count();
                format!("{file}: {mine} of {} for you", counted(access.grants.len(), "grant"))
            }
        },
    );
    render_columns(&[], &rows)
}

impl RequestOptions {
    fn request(&self) -> Result<AccessRequest, CommandError> {
        let unexpected_user = |what: &str| Diagnostic::nowhere(format!("--as is for `connect`, not for {what}"));
        Ok(match (self.verb, &self.user) {
            (Verb::Connect, Some(user)) => AccessRequest::connect(&self.name, user),
            (Verb::Read, Some(_)) => return Err(unexpected_user("secrets").into()),
            (Verb::Use, Some(_)) => return Err(unexpected_user("profiles").into()),
            // clap requires the user.
            (Verb::Connect, None) => AccessRequest::connect(&self.name, ""),
            (Verb::Use, None) => AccessRequest::UseProfile { unit: self.name.clone() },
            (Verb::Read, None) if self.name.contains(':') => AccessRequest::at_address(&self.name)?,
            (Verb::Read, None) => match self.name.split_once('/') {
                Some((scope, key)) => AccessRequest::read(scope, key),
                None => AccessRequest::Read { scope: self.name.clone(), key: None, nonstandard_address: None },
            },
        })
    }
}

/// A request with its decision.
struct Answer {
    access: Access,
    identity: Identity,
    request: AccessRequest,
    decision: Decision,
}

fn answer(env: &Env, options: &RequestOptions, command: &'static str) -> Result<Answer, CommandError> {
    let request = options.request()?;
    let authorization = authorize(env, env.access()?, vec![request.clone()], command)?;
    let decision = authorization.decisions.into_iter().next().expect("one request, one decision");
    Ok(Answer { access: authorization.access, identity: authorization.identity, request, decision })
}

impl Answer {
    fn to_json(&self) -> Value {
        let Self { access, identity, request, decision } = self;
        let denial = (!decision.allowed).then(|| Denial::new(access, identity, request));
        json!({
            "request": request.to_string(),
            "allowed": decision.allowed,
            "access-file": access.file,
            "rule": decision.rule,
            "principal": decision.granted.as_ref().map(|granted| granted.who.value.to_string()),
            "what": decision.granted.as_ref().map(|granted| &granted.what),
            "identity": identity.names(),
            "message": denial.as_ref().map(|denial| &denial.message),
            "causes": denial.as_ref().map(|denial| &denial.causes),
            "hint": denial.as_ref().map(|denial| &denial.hint),
        })
    }
}

fn can(env: &Env, options: &RequestOptions) -> Result<Exit, CommandError> {
    let answer = answer(env, options, "auth can")?;
    let Answer { access, identity, request, decision } = &answer;
    if options.json {
        print_json(&answer.to_json())?;
        return Ok(if decision.allowed { Exit::Done } else { Exit::Refused });
    }
    if decision.allowed {
        let why = match (&decision.rule, &decision.granted) {
            (Some(rule), Some(granted)) => format!("{rule} grants `{}` to {}", granted.what, granted.who.value),
            _ => decision.exemption.map(|exemption| exemption.to_string()).unwrap_or_default(),
        };
        return print(&format!("yes: {why}\n"));
    }
    print("no\n")?;
    Err(Diagnostic::from(Denial::new(access, identity, request)).into())
}

fn why(env: &Env, options: &RequestOptions) -> Result<Exit, CommandError> {
    let answer = answer(env, options, "auth explain")?;
    if options.json {
        return print_json(&answer.to_json());
    }
    let Answer { access, identity, request, .. } = &answer;
    let lines = explain(access, identity, request);
    let indented = lines.iter().enumerate().map(|(index, line)| {
        let indent = if index == 0 { "" } else { "  " };
        format!("{indent}{}\n", crate::report::text::clean(line))
    });
    print(&indented.collect::<String>())
}

fn audit(env: &Env, as_json: bool) -> Result<Exit, CommandError> {
    let (access, store) = (env.access()?, env.filestore()?);
    let facts = this_node(env);
    let clouds = env.clouds();
    let (identity, scopes) = env.block_on(async {
        let mut needed = access.providers();
        needed.insert(IdentityProvider::Databricks);
        let identity = Identity::resolve(clouds, &facts, &env.root, &needed).await;
        let scopes = match databricks::scopes(clouds).await {
            Ok(scopes) => {
                let names = scopes.into_iter().map(|scope| scope.name).collect();
                let list = async |scope: &str| databricks::list(clouds, scope).await.map(drop);
                Ok(exposure::scopes(&access, &identity, names, list).await)
            }
            Err(error) => Err(error),
        };
        (identity, scopes)
    })?;
    let mut failures = Vec::new();
    let mut found = Vec::new();
    match scopes {
        Ok(exposures) => found.extend(exposures),
        // On a node with a runtime, scopes that were not tested are a failure of the audit.
        Err(error) if error.kind == CloudErrorKind::NotConfigured && facts.runtime.is_none() => {
            env.console.stderr.print("warning: no Databricks workspace is configured: no scope was tested\n");
        }
        Err(error) => failures.push(diagnostic(&error)),
    }
    match store.trees() {
        // The mirror contains the files that were requested, not all files of the store.
        Ok(_) if !store.lists() => {
            env.console
                .stderr
                .print("warning: the file store is a web server, which has no listings: no tree was tested\n");
        }
        Ok(trees) => {
            let names = store.named_files(identity.cluster_unit.as_deref());
            found.extend(exposure::trees(&access, &identity, trees, |tree| store.probe(tree, &names)));
        }
        Err(error) => {
            let message = format!("the file store `{}` could not be listed: {error}", store.label());
            failures.push(Diagnostic::nowhere(message));
        }
    }
    if as_json {
        let answer = json!({ "identity": identity.names(), "access-file": access.file, "resources": found });
        print_json(&answer)?;
    } else {
        print(&table(&access, &identity, &found))?;
    }
    failures.extend(summary(&found));
    if failures.is_empty() { Ok(Exit::Done) } else { Err(CommandError::Failed(failures)) }
}

fn table(access: &Access, identity: &Identity, found: &[Exposure]) -> String {
    let row = |exposure: &Exposure| {
        let rule = exposure.rule.as_ref().map(ToString::to_string);
        let note = [rule, exposure.note.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        [exposure.kind.to_owned(), exposure.name.clone(), exposure.verdict().to_owned(), note]
    };
    let rows: Vec<[String; 4]> = found.iter().map(row).collect();
    let who = identity.names().join(", ");
    let file = access.file.clone().unwrap_or_else(|| Exemption::NoAccessFile.to_string());
    format!("you are {who}\naccess: {file}\n\n{}", render_columns(&["kind", "name", "access", "rule"], &rows))
}

/// The failures of an audit.
fn summary(found: &[Exposure]) -> Vec<Diagnostic> {
    let names = |wanted: &dyn Fn(&Exposure) -> bool| {
        let names = found
            .iter()
            .filter(|exposure| wanted(exposure))
            .map(|exposure| format!("{} {}", exposure.kind, exposure.name));
        names.collect::<Vec<_>>()
    };
    let (breaches, unknown) = (names(&Exposure::is_breach), names(&|exposure| exposure.found == ProbeOutcome::Unknown));
    let mut failures = Vec::new();
    if !breaches.is_empty() {
        let message = format!("{} open and should be closed: {}", count_with_verb(&breaches), breaches.join(", "));
        let hint = "remove the access in the ACL of the scope or in the permissions of the tree";
        failures.push(Diagnostic::nowhere(message).hint(hint));
    }
    if !unknown.is_empty() {
        let message = format!("{} not known to be closed: {}", count_with_verb(&unknown), unknown.join(", "));
        failures.push(Diagnostic::nowhere(message).hint("the table has the reasons; correct them and try again"));
    }
    failures
}

fn count_with_verb(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(names.len(), "resource"))
}
