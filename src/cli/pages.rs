//! `completions` and `man`: what shells and people read about the commands.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;
use super::failure::{Ending, Failure};
use super::out::Out;
use crate::Error;

pub(crate) const COMPLETIONS_HELP: &str = "\
Examples:
  ltvlog completions bash > ~/.local/share/bash-completion/completions/ltvlog
  ltvlog completions zsh > ~/.zfunc/_ltvlog";

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

pub(crate) const MAN_HELP: &str = "\
Examples:
  ltvlog man | man -l -
  ltvlog man append | man -l -
  ltvlog man --dir /usr/local/share/man/man1";

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The page of one command [default: the program's]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub(crate) command: Option<String>,
    /// Write all pages into this directory instead
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Runs `completions`.
pub(crate) fn completions(args: &CompletionsArgs, out: &mut Out) -> Result<Ending, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ltvlog", &mut script);
    out.bytes(&script)?;
    Ok(Ending::Done)
}

/// Runs `man`.
pub(crate) fn man(args: &ManArgs, out: &mut Out) -> Result<Ending, Failure> {
    let mut program = Cli::command();
    program.build();
    if let Some(dir) = &args.dir {
        write_all(&program, dir)?;
        return Ok(Ending::Done);
    }
    let page = match &args.command {
        None => page(&program),
        Some(name) => page(program.find_subcommand(name).ok_or_else(|| {
            Failure::Usage(format!("there is no command {name:?}; `ltvlog --help` lists them"))
        })?),
    };
    let mut bytes = Vec::new();
    page.render(&mut bytes).map_err(Failure::output)?;
    out.bytes(&bytes)?;
    Ok(Ending::Done)
}

fn write_all(program: &Command, dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    for command in std::iter::once(program).chain(commands) {
        page(command).generate_to(dir).map_err(Error::io("write man pages into", dir))?;
    }
    Ok(())
}

/// A page of section 1, under the name that `man ltvlog-NAME` finds.
fn page(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("ltvlog ", env!("CARGO_PKG_VERSION")))
}
