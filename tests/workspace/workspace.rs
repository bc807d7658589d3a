//! A Databricks workspace for tests and demonstrations: secrets, users, tokens and files over the REST APIs that the
//! official clients use, on loopback only. `README.md` in this folder describes its state and its faults.

mod answer;
mod authentication;
mod dbfs;
mod entra;
mod export;
mod faults;
mod files;
mod jwt;
mod log;
mod metadata;
mod oidc;
mod parameters;
mod scim;
mod scopes;
mod secrets;
mod serve;
mod server;
mod tree;
mod vault;
mod workspace_state;

use std::{error::Error, path::PathBuf, sync::Arc};

use server::Server;

const USAGE: &str = "usage: workspace --port N [--state FILE.json] [--tls CERT.pem KEY.pem]";

#[derive(Default)]
struct Options {
    port: u16,
    state: Option<PathBuf>,
    tls: Option<(PathBuf, PathBuf)>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match name.as_str() {
                "--port" => options.port = value()?.parse()?,
                "--state" => options.state = Some(value()?.into()),
                "--tls" => options.tls = Some((value()?.into(), value()?.into())),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

#[expect(clippy::print_stdout, reason = "with port 0, the caller reads the address from the output")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let server = Arc::new(Server::new(workspace_state::load(options.state.as_deref())?));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", options.port)).await?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    println!("{scheme}://{}", listener.local_addr()?);
    match options.tls {
        Some((certificate, key)) => serve::tls(listener, server, &certificate, &key).await?,
        None => serve::plain(listener, server).await?,
    }
    Ok(())
}
