//! What an event is in Parquet: its columns, and how they are encoded.
//!
//! The names are those of `export --format csv`. docs/lake.md has the table for readers, and a test
//! holds it against the schema here.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

/// The version of the columns, of the layout and of the manifests.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// A row is an event. `bucket` is told by the path alone.
pub(super) const SCHEMA: &str = "
message event {
  REQUIRED INT64 sequence;
  REQUIRED INT32 partition;
  REQUIRED BYTE_ARRAY type (STRING);
  REQUIRED BYTE_ARRAY verb (STRING);
  REQUIRED BYTE_ARRAY key (STRING);
  REQUIRED INT64 event_time (TIMESTAMP(MICROS,true));
  REQUIRED BYTE_ARRAY customer_id (STRING);
  OPTIONAL INT64 total_amount (DECIMAL(14,2));
  OPTIONAL BYTE_ARRAY currency (STRING);
  OPTIONAL BYTE_ARRAY last_name (STRING);
  OPTIONAL BYTE_ARRAY adr_city (STRING);
  OPTIONAL BYTE_ARRAY adr_state (STRING);
  OPTIONAL BYTE_ARRAY tags (STRING);
  OPTIONAL BYTE_ARRAY camera_make (STRING);
  OPTIONAL BYTE_ARRAY camera_model (STRING);
  OPTIONAL BYTE_ARRAY other_fields (STRING);
}
";

/// The columns of every file.
pub(super) fn schema() -> Result<TypePtr, ParquetError> {
    parse_message_type(SCHEMA).map(Arc::new)
}

/// How they are written. LZ4 is what the log has already; Spark reads it since 3.5.
pub(super) fn properties() -> WriterPropertiesPtr {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]));
    // Sequences and times are told by their differences; keys hardly ever repeat.
    for (name, encoding) in [
        ("sequence", Encoding::DELTA_BINARY_PACKED),
        ("event_time", Encoding::DELTA_BINARY_PACKED),
        ("key", Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ] {
        let path = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, encoding);
    }
    Arc::new(properties.build())
}
