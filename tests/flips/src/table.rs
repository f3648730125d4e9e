//! The tables, in Markdown.

use crate::run::{Counts, Row};
use crate::verdict::Verdict;

/// A line for each store and state, with the sums over its files.
pub fn totals(rows: &[(String, Row)]) -> String {
    let mut out = head("store, how it was left", &["zeros left out", "of bits"]);
    for (name, row) in rows {
        if let Some(why) = &row.refused {
            out.push_str(&format!("| {name}: does not open even without a flip: *{why}* |\n"));
            continue;
        }
        line(&mut out, name, &row.sum(), &[row.zeros_left_out.to_string(), row.bits.to_string()]);
    }
    out
}

/// A line for each file of each store and state.
pub fn files(rows: &[(String, Row)]) -> String {
    let mut out = head("store, how it was left, file", &[]);
    for (name, row) in rows {
        for (path, counts) in row.files.iter().filter(|(_, counts)| counts.flips() > 0) {
            line(&mut out, &format!("{name}, `{path}`"), counts, &[]);
        }
    }
    out
}

fn head(first: &str, last: &[&str]) -> String {
    let verdicts = Verdict::ALL.iter().map(|(_, name)| *name);
    let begin = [first, "flips"].into_iter().chain(verdicts);
    let names = begin.chain(["found by its check", "logged"]).chain(last.iter().copied());
    let names: Vec<&str> = names.collect();
    format!("| {} |\n|---{}|\n", names.join(" | "), "|--:".repeat(names.len() - 1))
}

fn line(out: &mut String, name: &str, counts: &Counts, last: &[String]) {
    let harm = counts.of(Verdict::SilentLoss) + counts.of(Verdict::WrongData);
    let part = |some: u64, all: u64| {
        if all == 0 { "–".to_owned() } else { format!("{some} of {all}") }
    };
    let mut cells = vec![name.to_owned(), counts.flips().to_string()];
    cells.extend(Verdict::ALL.iter().map(|(verdict, _)| counts.of(*verdict).to_string()));
    cells.push(part(counts.found, counts.checked));
    cells.push(part(counts.logged, harm));
    cells.extend(last.iter().cloned());
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}
