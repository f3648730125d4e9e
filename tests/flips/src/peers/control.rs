//! The control: lines in a file, without a checksum. A harness that finds nothing wrong with
//! this one finds nothing at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::peer::{Peer, Record, text};

pub struct PlainLines;

const FILE: &str = "records.ndjson";

impl Peer for PlainLines {
    fn name(&self) -> &'static str {
        "plain lines (control)"
    }

    fn write(
        &self,
        dir: &Path,
        records: &[Record],
        acknowledged: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let mut file = File::create(dir.join(FILE)).map_err(text)?;
        for record in records {
            file.write_all(&[record, &b"\n"[..]].concat()).map_err(text)?;
            file.sync_all().map_err(text)?;
        }
        acknowledged();
        Ok(())
    }

    /// Lines that do not look like an object are passed over, as many a reader does.
    fn read(&self, dir: &Path) -> Result<Vec<Record>, String> {
        let bytes = fs::read(dir.join(FILE)).map_err(text)?;
        let lines = bytes.split(|byte| *byte == b'\n');
        let objects = lines.filter(|line| line.starts_with(b"{") && line.ends_with(b"}"));
        Ok(objects.map(<[u8]>::to_vec).collect())
    }
}
