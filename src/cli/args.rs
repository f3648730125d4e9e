//! What can be written after `ltvlog`: every command, option and its help.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::backup::{BACKUP_HELP, BackupArgs, RESTORE_HELP, RestoreArgs};
use super::export::{EXPORT_HELP, ExportArgs, FormatArg};
use super::pages::{COMPLETIONS_HELP, CompletionsArgs, MAN_HELP, ManArgs};
use crate::{Lifespan, Question, TimeFrame, WeekStart};

/// An event log that always knows who the most valuable customers are.
#[derive(Debug, Parser)]
#[command(name = "ltvlog", version, max_term_width = 100, after_help = HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const HELP: &str = "\
Examples:
  ltvlog append events.json      admit the events of a file into ./ltvlog-data
  ltvlog top 10                  the ten most valuable customers of the log
  ltvlog top 10 events.json      the same of a file, without a log

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but some events were rejected;
130 interrupted after finishing the batch.";

/// Heads the options of every command in each one's help.
const EVERYWHERE: &str = "Options of every command";

/// Options that every command has, before or after it.
#[derive(Args, Debug)]
pub(crate) struct Shared {
    /// Directory of the log; or, once for each, the directories of all its partitions
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "DIR",
        env = "LTVLOG_DIR",
        hide_env_values = true,
        default_value = "./ltvlog-data"
    )]
    pub(crate) log: Vec<PathBuf>,
    /// How results are printed [default: table]
    #[arg(long, global = true, value_enum, help_heading = EVERYWHERE)]
    pub(crate) format: Option<FormatArg>,
    /// Use a log on a network file system, whose locks and syncs cannot be trusted
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) allow_remote: bool,
    /// Threads that fold the log, or encode it [default: one for each processor, at most 8]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    #[cfg(feature = "remote")]
    #[command(flatten)]
    pub(crate) remote: super::remote::RemoteArgs,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs: one line of JSON
    Json,
    /// For spreadsheets: a header, then rows
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Admit events and commit them to the log
    #[command(after_help = APPEND_HELP)]
    Append(AppendArgs),
    /// Print the X customers with the highest lifetime value
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
    /// Print one customer's statistics, and what the log knows of the customer
    #[command(after_help = STATS_HELP)]
    Stats(StatsArgs),
    /// Rebuild every statistic from the first event and compare with the checkpoint
    #[command(after_help = REPLAY_HELP)]
    Replay,
    /// Print events from a sequence on, as NDJSON
    #[command(after_help = TAIL_HELP)]
    Tail(TailArgs),
    /// Read and check every byte of the log
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Plan how to make a damaged log whole, or carry out a plan
    #[command(after_help = REPAIR_HELP)]
    Repair(RepairArgs),
    /// Print segments, counts, times, bytes, and what is synced
    #[command(after_help = INFO_HELP)]
    Info,
    /// Print the bytes of a segment, batch by batch, explained
    #[command(after_help = DUMP_HELP)]
    Dump(DumpArgs),
    /// Print the whole log as NDJSON or CSV
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Copy the log to a directory, or bring the copy there up to date
    #[command(after_help = BACKUP_HELP)]
    Backup(BackupArgs),
    /// Make a log of a backup
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreArgs),
    /// Take events, answer and tell what happens over HTTP
    #[cfg(feature = "serve")]
    #[command(after_help = super::serve::SERVE_HELP)]
    Serve(super::serve::ServeArgs),
    #[cfg(any(feature = "kafka", feature = "nats"))]
    #[command(flatten)]
    Broker(super::broker::BrokerCommand),
    /// Print made-up events, the same bytes for the same seed
    #[command(after_help = GENERATE_HELP)]
    Generate(GenerateArgs),
    /// Print a script that completes commands in a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print a man page
    #[command(after_help = MAN_HELP)]
    Man(ManArgs),
}

const APPEND_HELP: &str = "\
Examples:
  ltvlog append events.json more.ndjson.gz
  zcat events.gz | ltvlog append --rejects rejected.ndjson
  ltvlog append rejected.ndjson          once what they lacked is there, or they were corrected

An event that the log has already is a duplicate and changes nothing, so a call that failed or was
interrupted can simply be repeated.";

#[derive(Args, Debug)]
pub(crate) struct AppendArgs {
    /// JSON arrays, NDJSON or single events; plain, gzip or zstd; `-` or none: standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// When events are forced to the disk
    #[arg(long, value_enum, default_value_t = SyncArg::Call, value_name = "WHEN")]
    pub(crate) sync: SyncArg,
    /// Print the end of what is on the disk each time it grows
    #[arg(long)]
    pub(crate) ack: bool,
    /// Write nothing, and fail, if any event would be rejected
    #[arg(long)]
    pub(crate) strict: bool,
    /// Add each rejected event to FILE as a line of JSON, which `append` reads like any input
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// For input that does not end: give up events whose customer or order did not come after
    /// EVENTS or SECONDS (as `100000`, `5s` or `100000,5s`), and sync; else that is at the end
    #[arg(long, value_name = "EVENTS,SECONDS", value_parser = super::hold::parse)]
    pub(crate) hold_max: Option<crate::HoldMax>,
    /// Share the customers of a new log out among N logs, by a hash of their ids; an existing log
    /// must have N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=PARTITIONS_MAX))]
    pub(crate) partitions: Option<u16>,
    #[command(flatten)]
    pub(crate) new: NewLogArgs,
}

/// More partitions than one process should have open.
const PARTITIONS_MAX: i64 = 1_024;

/// When appended events are forced to the disk.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SyncArg {
    /// At the end of the call, and before each new segment
    Call,
    /// After each batch
    Batch,
    /// Never: a power cut can take what was reported as accepted
    None,
}

/// What a new log is given. An existing log must agree.
#[derive(Args, Debug)]
pub(crate) struct NewLogArgs {
    /// The one currency of a new log's amounts: three capital letters [default: USD]
    #[arg(long, value_name = "CODE", value_parser = currency)]
    pub(crate) currency: Option<[u8; 3]>,
    /// The event times that a new log takes, TO not included [default: 1970-01-01..2100-01-01]
    #[arg(long, value_name = "FROM..TO", value_parser = super::time::range)]
    pub(crate) time_range: Option<(i64, i64)>,
}

/// What customers are ranked by.
#[derive(Args, Debug)]
pub(crate) struct QuestionArgs {
    /// The time that counts: `dataset`, `customer` (each one's own first to last event), or dates
    /// FROM..TO, both included
    #[arg(long, value_name = "FRAME", default_value = "dataset", value_parser = super::time::frame)]
    pub(crate) frame: TimeFrame,
    /// The day on which weeks start: `sunday` or `monday`
    #[arg(long, value_name = "DAY", default_value = "sunday")]
    pub(crate) week_start: WeekStart,
    /// Years for which a customer stays one
    #[arg(long, value_name = "YEARS", default_value = "10")]
    pub(crate) lifespan_years: Lifespan,
}

impl QuestionArgs {
    pub(crate) fn question(&self) -> Question {
        Question { frame: self.frame, week_start: self.week_start, lifespan: self.lifespan_years }
    }
}

const TOP_HELP: &str = "\
Examples:
  ltvlog top 10
  ltvlog top 10 events.json                        of this file alone, on no log
  ltvlog top 3 --frame 2017-01-01..2017-03-31 --format json

LTV = 52 x (revenue per visit x visits per week) x lifespan in years.";

#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    /// How many customers; more than there are gives all
    #[arg(value_name = "X", value_parser = at_least_one)]
    pub(crate) x: usize,
    /// Take the events of these files alone, `-` being standard input, and no log
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
    #[command(flatten)]
    pub(crate) new: NewLogArgs,
}

const STATS_HELP: &str = "\
Examples:
  ltvlog stats 96f55c7d8f42
  ltvlog stats --format json 96f55c7d8f42 16d0f8b2a1c9 | jq '.[].ltv'
  ltvlog stats -- -an-id-with-a-dash-";

#[derive(Args, Debug)]
pub(crate) struct StatsArgs {
    /// Customer ids
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) question: QuestionArgs,
}

const REPLAY_HELP: &str = "\
Example:
  ltvlog replay --format json | jq .events_per_second

The digest depends on the statistics alone, not on batches, order or machine. A checkpoint that
differs from the events is a failure (exit 1).";

const TAIL_HELP: &str = "\
Examples:
  ltvlog tail --from 1000
  ltvlog tail --from 1000 --follow --sequence | while read -r line; do ...; done";

#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// First sequence to print
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    pub(crate) from: u64,
    /// Go on as the log grows, until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print `{"sequence": …, "event": …}` instead of the event alone
    #[arg(long)]
    pub(crate) sequence: bool,
}

const VERIFY_HELP: &str = "\
Example:
  ltvlog verify || mail -s 'damaged log' admin

Nothing is changed. Any damage is named with its file, offset and events (exit 1). An incomplete
end, as a crash leaves it, is no damage: torn bytes are counted, and the next append moves them
to quarantine.";

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Also encode every batch again, recompute what order updates supersede, look for keys that
    /// stand twice, and compare key sidecars with their segments; memory grows with the keys
    #[arg(long)]
    pub(crate) deep: bool,
}

const REPAIR_HELP: &str = "\
Example:
  ltvlog repair --plan                   changes nothing; prints the plan and its HASH
  ltvlog repair --apply HASH

Everything before the damage is kept. What is behind it goes to quarantine, with a file of the
events that can still be read, to be appended again. A plan is carried out only as long as the log
is the one that it was made for.";

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct RepairArgs {
    /// Print what would be kept, salvaged, lost, cut and moved
    #[arg(long)]
    pub(crate) plan: bool,
    /// Carry out the plan with this hash
    #[arg(long, value_name = "HASH")]
    pub(crate) apply: Option<String>,
}

const INFO_HELP: &str = "\
Example:
  ltvlog info --format json | jq .synced_end";

const DUMP_HELP: &str = "\
Examples:
  ltvlog dump                            the last segment
  ltvlog dump ltvlog-data/segments/00000000000000000000.seg --rows";

#[derive(Args, Debug)]
pub(crate) struct DumpArgs {
    /// A segment file [default: the log's last]
    #[arg(value_name = "SEGMENT")]
    pub(crate) segment: Option<PathBuf>,
    /// Print each event too
    #[arg(long)]
    pub(crate) rows: bool,
}

const GENERATE_HELP: &str = "\
Example:
  ltvlog generate --events 1000000 --customers 100000 --seed 1 | ltvlog append";

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    /// Number of events, the customers' own records and updates included
    #[arg(long, value_name = "N")]
    pub(crate) events: u64,
    /// Number of customers; each takes one event
    #[arg(long, value_name = "M")]
    pub(crate) customers: u64,
    /// What the bytes are derived from
    #[arg(long, value_name = "S")]
    pub(crate) seed: u64,
    /// How many of a hundred events beside the customers' own records update an order or a customer
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=100)
    )]
    pub(crate) updates: u8,
}

/// X: any number of digits, for more than there are customers gives all of them.
fn at_least_one(text: &str) -> Result<usize, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("X is a whole number, at least 1".to_owned());
    }
    match text.parse::<usize>() {
        Ok(0) => Err("X is at least 1".to_owned()),
        Ok(x) => Ok(x),
        // All digits, so the only thing that can be wrong with it is that it is too large.
        Err(_) => Ok(usize::MAX),
    }
}

pub(crate) fn currency(text: &str) -> Result<[u8; 3], String> {
    let code = <[u8; 3]>::try_from(text.as_bytes()).ok();
    code.filter(|code| code.iter().all(u8::is_ascii_uppercase))
        .ok_or_else(|| "a currency is three capital letters".to_owned())
}
