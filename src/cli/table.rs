//! Aligned columns for people.

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A table with a head; rows have as many cells as it.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[(&'static str, Align)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell a column");
        self.rows.push(cells);
    }

    /// Lines without spaces at their ends, each behind the indent.
    pub fn lines(&self, indent: &str) -> Vec<String> {
        let head: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let mut line = indent.to_owned();
            for (place, cell) in row.iter().enumerate() {
                let width = widths[place];
                if place > 0 {
                    line.push_str("  ");
                }
                match self.columns[place].1 {
                    Align::Left => line.push_str(&format!("{cell:<width$}")),
                    Align::Right => line.push_str(&format!("{cell:>width$}")),
                }
            }
            line.trim_end().to_owned()
        };
        std::iter::once(&head).chain(&self.rows).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&[("TOPIC", Align::Left), ("N", Align::Right)]);
        table.row(vec!["orders".into(), "12".into()]);
        table.row(vec!["ä".into(), "3".into()]);
        assert_eq!(table.lines("  "), ["  TOPIC    N", "  orders  12", "  ä        3"]);
    }
}
