//! The nodeagent program. It calls the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodeagent::cli::main(std::env::args_os())
}
