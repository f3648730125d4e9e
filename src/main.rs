//! The `ltvlog` binary: hands the process to [`ltvlog::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ltvlog::cli::main()
}
