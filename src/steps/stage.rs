//! Copies files to the agent's cache and verifies them. Steps use exactly the verified bytes.

use std::collections::BTreeSet;

use url::Url;

use super::{Context, address::fetch_address};
use crate::{
    digest::Digest,
    fs::{self, Attributes},
    http::{Download, HttpError, HttpProblem},
    inventory::SignedFiles,
    openpgp,
    plan::{self, Stage, StageCheck},
    problem::Problem,
    profile::Asset,
};

/// Stages the files of a step. A file with another digest is refused.
pub async fn stage(ctx: &Context, files: &[Stage]) -> Result<(), Problem> {
    for file in files {
        one(ctx, file).await.map_err(|error| Problem { refused: true, ..error.asked_at(file.origin.clone()) })?;
    }
    Ok(())
}

async fn one(ctx: &Context, file: &Stage) -> Result<(), Problem> {
    match &file.check {
        StageCheck::Digest { digest, says } => by_digest(ctx, file, digest, says).await,
        StageCheck::Keys(fingerprints) => keys(ctx, file, fingerprints).await,
    }
}

async fn by_digest(ctx: &Context, file: &Stage, digest: &Digest, says: &str) -> Result<(), Problem> {
    let path = match &file.from {
        Asset::BuiltIn { bytes, .. } => {
            let is_staged = digest.of_file(&file.to).is_ok_and(|found| found == *digest);
            return if is_staged { Ok(()) } else { Ok(fs::replace(&file.to, bytes, Attributes::mode(0o644))?) };
        }
        Asset::File { path, .. } | Asset::Created(path) => path,
        Asset::Address(_) if *digest == SignedFiles::placeholder_digest() => {
            let hint = "the launch could not fetch it; its warning has the reason".to_owned();
            return Err(Problem::new(format!("`{}` was not verified", file.from.label())).hint(hint));
        }
        Asset::Address(urls) => return fetch_address(ctx, urls, &file.to, file.limit, Some(digest)).await,
    };
    let url = Url::from_file_path(path)
        .map_err(|()| Problem::new(format!("`{}` is not an absolute path", path.display())))?;
    let download = Download { url, to: file.to.clone(), size: None, limit: None, digest: Some(digest.clone()) };
    ctx.http.download(&download, |_| {}).await.map_err(|error| match error {
        HttpError { problem: HttpProblem::WrongDigest { expected, received }, .. } => {
            let message = format!("`{}` does not have the digest that {says} says", file.from.label());
            let hint = if says == plan::BY_LOCK {
                "the file was changed or damaged; restore it, or run `nodeagent lock` after checking it"
            } else {
                "the file was changed or damaged; restore it, or put the new digest into the profile after checking it"
            };
            let causes = vec![format!("it has {received}"), format!("{says} has {expected}")];
            Problem { causes, ..Problem::new(message).hint(hint.to_owned()) }
        }
        HttpError { problem: HttpProblem::File(why), .. } => {
            Problem::new(format!("`{}` could not be read: {why}", file.from.label()))
        }
        other => other.into(),
    })
}

/// Stages a file of keys. The step that uses the file compares the fingerprints and reports a difference. Only a file
/// with the right fingerprints is kept in the store, and is not fetched again.
async fn keys(ctx: &Context, file: &Stage, fingerprints: &BTreeSet<String>) -> Result<(), Problem> {
    let has_keys = || std::fs::read(&file.to).is_ok_and(|bytes| openpgp::has_only(&bytes, fingerprints));
    let Asset::Address(urls) = &file.from else { return Ok(()) };
    if has_keys() {
        return Ok(());
    }
    fetch_address(ctx, urls, &file.to, file.limit, None).await?;
    if has_keys()
        && let Ok(digest) = Digest::sha256_of_file(&file.to)
    {
        ctx.keep(urls, &digest, &file.to).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Origin, digest::Digest, exec::fake::FakeRunner, report::event::Events};

    #[tokio::test]
    async fn a_file_replaced_after_its_verification_is_refused() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let from = temp.path().join("x.deb");
        let write = |text: &str| fs::replace(&from, text.as_bytes(), Attributes::default()).expect("written");
        let ctx = Context::for_tests(std::sync::Arc::new(FakeRunner::new()), Events::default().of_step("apt"));
        let origin = Origin { file: "x.toml".into(), line: 3, column: 1 };
        let (to, digest) = (temp.path().join("copy/x.deb"), Digest::sha256(b"judged"));
        let staged = [Stage {
            name: "x".into(),
            from: Asset::File { path: from.clone(), shown: from.display().to_string() },
            to: to.clone(),
            limit: None,
            check: StageCheck::Digest { digest, says: plan::BY_PROFILE },
            origin,
        }];
        write("exchanged");
        let refused = stage(&ctx, &staged).await.expect_err("it is another file");
        assert!(refused.refused && refused.message.contains("does not have the digest"), "{refused:?}");
        assert!(!to.exists(), "nothing of it is left to be used");
        write("judged");
        stage(&ctx, &staged).await.expect("it is what was judged");
        write("exchanged");
        assert_eq!(std::fs::read(&to).expect("there"), b"judged", "the copy is what is used");
    }
}
