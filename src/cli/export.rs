//! `export`: the whole log as NDJSON or CSV, or, for other engines, as a dataset of Parquet files.

use clap::{Args, ValueEnum};

use super::args::{Command, Format, Shared};
use super::failure::{Ending, Failure};
use super::logs::Logs;
use super::out::Out;
use super::records::Printer;

#[cfg(feature = "parquet")]
pub(super) const EXPORT_HELP: &str = "\
Examples:
  ltvlog export > events.ndjson
  ltvlog export | ltvlog append --log copy     the copy's digest is the same
  ltvlog export --format csv > events.csv
  ltvlog export --format parquet --to lake     what is new in sealed segments, for other engines
  ltvlog export --to lake --check              every file that a manifest of the dataset names

A dataset is a directory or s3://BUCKET/PREFIX (AWS_ACCESS_KEY_ID, AWS_ENDPOINT and so on say how).
An export that was cut off leaves whole increments; repeat the command to complete it. With --to,
--format json is the way in which the summary is printed.";

#[cfg(not(feature = "parquet"))]
pub(super) const EXPORT_HELP: &str = "\
Examples:
  ltvlog export > events.ndjson
  ltvlog export | ltvlog append --log copy     the copy's digest is the same
  ltvlog export --format csv > events.csv";

/// How results are printed, and what an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// For people
    Table,
    /// For programs: one line of JSON
    Json,
    /// For spreadsheets: a header, then rows
    Csv,
    /// For other engines
    #[cfg(feature = "parquet")]
    #[value(hide = true)]
    Parquet,
}

impl FormatArg {
    /// How results are printed.
    pub(super) fn printed(self) -> Option<Format> {
        match self {
            FormatArg::Table => Some(Format::Table),
            FormatArg::Json => Some(Format::Json),
            FormatArg::Csv => Some(Format::Csv),
            #[cfg(feature = "parquet")]
            FormatArg::Parquet => None,
        }
    }
}

/// Refuses a format that is none of the command's.
pub(super) fn fits(shared: &Shared, command: &Command) -> Result<(), Failure> {
    let is_printed = shared.format.is_none_or(|format| format.printed().is_some());
    if is_printed || matches!(command, Command::Export(_)) {
        return Ok(());
    }
    let reason = "results are printed as table, json or csv; Parquet is for `export --to DEST`";
    Err(Failure::Usage(reason.to_owned()))
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[cfg(feature = "parquet")]
    #[command(flatten)]
    pub(crate) lake: super::lake::LakeArgs,
}

/// Runs `export`.
pub(crate) fn run(shared: &Shared, args: &ExportArgs, out: &mut Out) -> Result<Ending, Failure> {
    #[cfg(feature = "parquet")]
    if let Some(ending) = super::lake::run(shared, &args.lake, out)? {
        return Ok(ending);
    }
    #[cfg(not(feature = "parquet"))]
    let ExportArgs {} = args;
    let logs = Logs::existing_as_is(shared)?;
    let mut printer = Printer::new(out, logs.currency(), false)?;
    for store in logs.stores() {
        store.records(0, &mut |record| Ok(printer.print(record)))?;
    }
    printer.flush()?;
    Ok(Ending::Done)
}
