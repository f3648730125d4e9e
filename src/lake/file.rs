//! One Parquet file in the making, and its sums.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use super::columns::{Columns, Same};
use super::manifest::{FileEntry, hex};
use super::place::Draft;
use super::schema;
use crate::Error;

/// A file that counts and sums what is written to it.
pub(super) struct Summed {
    file: File,
    bytes: u64,
    sha256: Sha256,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sha256.update(bytes.get(..written).unwrap_or_default());
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of one bucket that takes row groups.
pub(super) struct Writing {
    draft: Draft,
    name: String,
    bucket: u16,
    writer: SerializedFileWriter<Summed>,
    rows: u64,
    /// The first and the last sequence, once there are rows.
    span: Option<(u64, u64)>,
}

impl Writing {
    /// Begins a file that is to have this name.
    pub(super) fn begin(draft: Draft, name: String, bucket: u16) -> Result<Writing, Error> {
        let begun = || -> Result<SerializedFileWriter<Summed>, ParquetError> {
            let file = draft.file().try_clone()?;
            let summed = Summed { file, bytes: 0, sha256: Sha256::new() };
            SerializedFileWriter::new(summed, schema::schema()?, schema::properties())
        };
        let writer = begun().map_err(|error| failure(error, draft.shown()))?;
        Ok(Writing { draft, name, bucket, writer, rows: 0, span: None })
    }

    /// Adds what these columns have as a row group.
    pub(super) fn write(&mut self, same: Same, columns: &mut Columns) -> Result<(), Error> {
        let Some((first, last)) = columns.span() else { return Ok(()) };
        self.span = Some((self.span.map_or(first, |span| span.0), last));
        self.rows += u64::try_from(columns.rows()).unwrap_or(u64::MAX);
        let mut write = || -> Result<(), ParquetError> {
            let mut group = self.writer.next_row_group()?;
            columns.write(same, &mut group)?;
            group.close()?;
            Ok(())
        };
        write().map_err(|error| failure(error, self.draft.shown()))
    }

    /// Ends the file; gives it, not yet published, and what a manifest says of it.
    pub(super) fn finish(mut self, about: &[(&str, String)]) -> Result<(Draft, FileEntry), Error> {
        for (key, value) in about {
            let value = KeyValue::new(format!("ltvlog.{key}"), value.clone());
            self.writer.append_key_value_metadata(value);
        }
        let mut finish = || -> Result<(), ParquetError> {
            self.writer.finish()?;
            Ok(self.writer.flush()?)
        };
        finish().map_err(|error| failure(error, self.draft.shown()))?;
        let summed = self.writer.inner();
        let (first, last) = self.span.unwrap_or_default();
        let entry = FileEntry {
            name: self.name,
            bucket: self.bucket,
            rows: self.rows,
            bytes: summed.bytes,
            sha256: hex(&summed.sha256.clone().finalize()),
            first,
            end: last + 1,
        };
        Ok((self.draft, entry))
    }
}

/// What the Parquet library could not do, mostly because the disk could not.
pub(super) fn failure(error: ParquetError, path: &Path) -> Error {
    let source = if let ParquetError::External(error) = error {
        error.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error)
    } else {
        io::Error::other(error)
    };
    Error::Io { action: "write", path: path.to_path_buf(), source }
}
