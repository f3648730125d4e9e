//! Tables and numbers for people.

use comfy_table::{Cell, CellAlignment, Table};

/// A table of rows under a header; numbers stand to the right.
pub(crate) struct Grid {
    table: Table,
    right: Vec<bool>,
}

/// A column: its header, and whether it holds numbers.
pub(crate) struct Column(pub(crate) &'static str, pub(crate) bool);

impl Grid {
    /// A table with a header.
    pub(crate) fn new(columns: &[Column]) -> Grid {
        let right: Vec<bool> = columns.iter().map(|column| column.1).collect();
        let mut grid = Grid::bare(right);
        let header = columns.iter().map(|column| column.0.to_owned()).collect();
        grid.table.set_header(grid.cells(header));
        grid
    }

    /// A table of names and values, without a header.
    pub(crate) fn pairs() -> Grid {
        Grid::bare(vec![false, false])
    }

    /// A table of names and numbers, without a header.
    pub(crate) fn numbers() -> Grid {
        Grid::bare(vec![false, true])
    }

    fn bare(right: Vec<bool>) -> Grid {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        Grid { table, right }
    }

    fn cells(&self, values: Vec<String>) -> Vec<Cell> {
        let right = self.right.iter().copied().chain(std::iter::repeat(false));
        values
            .into_iter()
            .zip(right)
            .map(|(value, right)| {
                let alignment = if right { CellAlignment::Right } else { CellAlignment::Left };
                Cell::new(shown(&value)).set_alignment(alignment)
            })
            .collect()
    }

    pub(crate) fn row(&mut self, values: Vec<String>) {
        let cells = self.cells(values);
        self.table.add_row(cells);
    }

    /// A row of a table of pairs.
    pub(crate) fn pair(&mut self, name: &str, value: impl Into<String>) {
        self.row(vec![name.to_owned(), value.into()]);
    }

    /// The whole table, each line with its end.
    pub(crate) fn text(&mut self) -> String {
        self.table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        let mut text = self.table.trim_fmt();
        text.push('\n');
        text
    }
}

/// A text without the power to move a terminal's cursor: control characters are escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// 1234567 as 1,234,567.
pub(crate) fn count(number: impl Into<i128>) -> String {
    grouped(&number.into().to_string())
}

/// 1 week, 2 weeks.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_threes() {
        let cases = [
            (0, "0"),
            (7, "7"),
            (-7, "-7"),
            (999, "999"),
            (1000, "1,000"),
            (-123_456, "-123,456"),
            (100_000_000, "100,000,000"),
        ];
        for (number, as_count) in cases {
            assert_eq!(count(number), as_count);
        }
    }

    #[test]
    fn a_terminal_is_not_at_the_mercy_of_an_id() {
        assert_eq!(shown("a\u{1b}[31mb\nc\u{9b}é"), "a\\u{1b}[31mb\\u{a}c\\u{9b}é");
    }
}
