//! `dump`: the bytes of a segment and what they mean, from its first to its last.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use serde::Serialize;

use super::args::{DumpArgs, Format, Shared};
use super::failure::{Ending, Failure};
use super::out::Out;
use super::table::{count, shown};
use super::{csv, existing_as_is};
use crate::{Error, Part, explain};

/// Bytes shown of a longer part.
const TABLE_BYTES: usize = 8;
const JSON_BYTES: usize = 64;

#[derive(Serialize)]
struct PartJson<'a> {
    section: &'a str,
    offset: u64,
    length: u64,
    bytes: String,
    name: &'a str,
    meaning: &'a str,
}

/// Runs the command.
pub(crate) fn run(shared: &Shared, args: &DumpArgs, out: &mut Out) -> Result<Ending, Failure> {
    let path = match &args.segment {
        Some(path) => path.clone(),
        None => last_segment(shared)?,
    };
    let file = File::open(&path).map_err(Error::io("open", &path))?;
    let mut printed = Ok(());
    let mut section = String::new();
    if out.format() == Format::Csv {
        out.text("section,offset,length,bytes,name,meaning\n")?;
    }
    explain(&mut BufReader::with_capacity(1 << 16, file), &path, args.rows, &mut |part| {
        printed = match out.format() {
            Format::Table => table(part, &mut section, out),
            Format::Json => out.json(&as_json(part)),
            Format::Csv => row(part, out),
        };
        printed.is_ok()
    })?;
    printed?;
    Ok(Ending::Done)
}

fn last_segment(shared: &Shared) -> Result<PathBuf, Failure> {
    let info = existing_as_is(shared)?.info()?;
    let last = info.segments.last().map(|segment| segment.path.clone());
    last.ok_or_else(|| Failure::Other("the log has no segment yet".to_owned()))
}

/// A line for each part, and one between sections.
fn table(part: &Part<'_>, section: &mut String, out: &mut Out) -> Result<(), Failure> {
    if part.section != section {
        let gap = if section.is_empty() { "" } else { "\n" };
        part.section.clone_into(section);
        out.text(&format!("{gap}{section}\n"))?;
    }
    if part.length == 0 {
        return out.text(&format!("{:>42}  {}\n", part.name, shown(&part.meaning)));
    }
    let bytes = hex(part, TABLE_BYTES, " ");
    let line = format!(
        "{:>13}  {bytes:<24} {:<20} {}",
        count(part.offset),
        part.name,
        shown(&part.meaning)
    );
    out.text(&format!("{}\n", line.trim_end()))
}

fn as_json<'a>(part: &'a Part<'_>) -> PartJson<'a> {
    PartJson {
        section: part.section,
        offset: part.offset,
        length: part.length,
        bytes: hex(part, JSON_BYTES, ""),
        name: part.name,
        meaning: &part.meaning,
    }
}

fn row(part: &Part<'_>, out: &mut Out) -> Result<(), Failure> {
    let (offset, length) = (part.offset.to_string(), part.length.to_string());
    let bytes = hex(part, JSON_BYTES, "");
    let values = [part.section, &offset, &length, &bytes, part.name, &part.meaning];
    let mut line = String::new();
    csv::row(values.into_iter().map(Some), &mut line);
    out.text(&line)
}

/// The first bytes in hex, and `…` if there are more.
fn hex(part: &Part<'_>, most: usize, between: &str) -> String {
    let digits: Vec<String> =
        part.bytes.iter().take(most).map(|byte| format!("{byte:02x}")).collect();
    let more = if part.length > digits.len() as u64 { "…" } else { "" };
    digits.join(between) + more
}
