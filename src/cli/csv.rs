//! Comma-separated values as RFC 4180 has them, but for the line's end, which is one newline.
//!
//! A value that is absent is empty, an empty text is `""`: readers that tell the two apart
//! (PostgreSQL, DuckDB) get both back.

/// Adds one row.
pub(crate) fn row<'a>(values: impl Iterator<Item = Option<&'a str>>, out: &mut String) {
    for (place, value) in values.enumerate() {
        if place > 0 {
            out.push(',');
        }
        let Some(text) = value else { continue };
        if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
            out.push('"');
            for part in text.split_inclusive('"') {
                out.push_str(part);
                if part.ends_with('"') {
                    out.push('"');
                }
            }
            out.push('"');
        } else {
            out.push_str(text);
        }
    }
    out.push('\n');
}
