//! The nodeagent program: the door to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nodeagent::cli::main(std::env::args_os())
}
