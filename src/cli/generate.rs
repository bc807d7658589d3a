//! Generates the JSON Schemas, completion scripts and manual pages.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{CommandError, Exit, error::failed, print, print_json};
use crate::{
    auth,
    fs::{Attributes, replace},
    kinds, lock,
};

/// Options of `schema`.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// The file format
    #[arg(value_enum, default_value_t = Text::Profile)]
    of: Text,
}

/// A file format with a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Text {
    Profile,
    Access,
    Lock,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct Shell {
    /// The shell
    shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for every command to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn schema(schema: &Schema) -> Result<Exit, CommandError> {
    print_json(&match schema.of {
        Text::Profile => kinds::json_schema(),
        Text::Access => auth::json_schema(),
        Text::Lock => lock::json_schema(),
    })
}

pub(super) fn completions(shell: &Shell, mut command: clap::Command) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell.shell, &mut command, "nodeagent", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(options: &Man, mut command: clap::Command) -> Result<Exit, CommandError> {
    command.build();
    let Some(folder) = &options.out else { return print(&page(&command)?) };
    write_pages(&command, folder)?;
    Ok(Exit::Done)
}

/// Writes the manual page of a command and of its subcommands.
fn write_pages(command: &clap::Command, folder: &Path) -> Result<(), CommandError> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    replace(&path, page(command)?.as_bytes(), Attributes::mode(0o644)).map_err(|error| failed(error.to_string()))?;
    let mut below = command.get_subcommands().filter(|command| command.get_name() != "help");
    below.try_for_each(|command| write_pages(command, folder))
}

fn page(command: &clap::Command) -> Result<String, CommandError> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered.map_err(|error| failed(format!("the page could not be rendered: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
