//! The catalogue as a person reads it: one table for each kind, and everything known about one row.
//!
//! Numbers leave here as text with units; a program that computes reads the rows themselves. A new kind implements
//! [`Entry`] and gets one line in `SECTIONS`.

use serde::Serialize;

use super::{
    Cpu, EngineProfile, Entry, Fact, Gpu, Kernel, LinkClass, ModelRow, Price, QualityRow, QuantScheme,
    Storage,
};

/// A listing: text cells under column heads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Column heads.
    pub columns: Vec<String>,
    /// Rows, each with one cell for every column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns aligned by spaces, heads first, a newline after every line and no blanks at line ends.
    pub fn render(&self) -> String {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in lines() {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// The table with as many columns as fit into lines of `width` characters, and the heads of those left out. The
    /// column `name` goes first, since the id says nearly as much, then columns from the right; the first one stays.
    pub fn within(mut self, width: usize) -> (Self, Vec<String>) {
        let mut left_out = Vec::new();
        let too_wide = |table: &Self| table.render().lines().any(|line| line.chars().count() > width);
        while self.columns.len() > 1 && too_wide(&self) {
            let name = self.columns.iter().position(|head| head == "name").filter(|column| *column > 0);
            let column = name.unwrap_or(self.columns.len() - 1);
            left_out.push(self.columns.remove(column));
            self.rows.iter_mut().for_each(|row| drop(row.remove(column)));
        }
        (self, left_out)
    }
}

/// One row in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Kind, as on the command line.
    pub kind: &'static str,
    /// Name in scenarios.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What to know before trusting it; empty where there is nothing.
    pub note: String,
    /// Its numbers with their sources.
    pub facts: Vec<Fact>,
}

impl Sheet {
    /// The facts as a table.
    pub fn table(&self) -> Table {
        let columns = ["quantity", "value", "fidelity", "source"].map(str::to_owned).to_vec();
        let line = |fact: &Fact| {
            vec![fact.key.clone(), fact.value.clone(), fact.fidelity.to_string(), fact.source.clone()]
        };
        Table { columns, rows: self.facts.iter().map(line).collect() }
    }
}

/// One kind of row, its type forgotten.
struct Section {
    kind: &'static str,
    table: fn() -> Table,
    sheet: fn(&str) -> Option<Sheet>,
    names: fn() -> Vec<&'static str>,
}

impl Section {
    const fn of<T: Entry>() -> Self {
        Self { kind: T::KIND, table: table_of::<T>, sheet: sheet_of::<T>, names: T::names }
    }
}

const SECTIONS: &[Section] = &[
    Section::of::<ModelRow>(),
    Section::of::<Gpu>(),
    Section::of::<Cpu>(),
    Section::of::<Storage>(),
    Section::of::<LinkClass>(),
    Section::of::<QuantScheme>(),
    Section::of::<QualityRow>(),
    Section::of::<EngineProfile>(),
    Section::of::<Kernel>(),
    Section::of::<Price>(),
];

fn table_of<T: Entry>() -> Table {
    Table {
        columns: T::COLUMNS.iter().map(|&head| head.to_owned()).collect(),
        rows: T::all().iter().map(T::cells).collect(),
    }
}

fn sheet_of<T: Entry>(name: &str) -> Option<Sheet> {
    let row = T::find(name)?;
    Some(Sheet {
        kind: T::KIND,
        id: row.id().to_owned(),
        name: row.display_name().to_owned(),
        note: row.note().to_owned(),
        facts: row.facts().into_iter().chain(Price::facts_of(row.id())).collect(),
    })
}

/// The kinds that can be listed.
pub fn kinds() -> Vec<&'static str> {
    SECTIONS.iter().map(|section| section.kind).collect()
}

/// The listing of a kind; `None` for a kind that is not among [`kinds`].
pub fn table(kind: &str) -> Option<Table> {
    SECTIONS.iter().find(|section| section.kind == kind).map(|section| (section.table)())
}

/// Every row of a kind in full; `None` for a kind that is not among [`kinds`].
pub fn sheets(kind: &str) -> Option<Vec<Sheet>> {
    let section = SECTIONS.iter().find(|section| section.kind == kind)?;
    Some((section.names)().into_iter().filter_map(section.sheet).collect())
}

/// The row of this name, of whatever kind.
pub fn show(name: &str) -> Option<Sheet> {
    SECTIONS.iter().find_map(|section| (section.sheet)(name))
}

/// Every id of every kind, for a message that suggests one.
pub fn names() -> Vec<&'static str> {
    SECTIONS.iter().flat_map(|section| (section.names)()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_without_trailing_blanks() {
        let cells = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let table = Table {
            columns: cells(&["id", "memory", "note"]),
            rows: vec![cells(&["a", "24.0 GiB", ""]), cells(&["longer", "8 B", "µ"])],
        };
        assert_eq!(
            table.render(),
            "id      memory    note\n\
             a       24.0 GiB\n\
             longer  8 B       µ\n"
        );
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out() {
        let cells = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let table = Table {
            columns: cells(&["id", "name", "memory", "year"]),
            rows: vec![cells(&["rtx", "GeForce RTX", "24 GiB", "2022"])],
        };
        for (width, columns, left_out) in [
            (30, cells(&["id", "name", "memory", "year"]), cells(&[])),
            (29, cells(&["id", "memory", "year"]), cells(&["name"])),
            (17, cells(&["id", "memory", "year"]), cells(&["name"])),
            (16, cells(&["id", "memory"]), cells(&["name", "year"])),
            (0, cells(&["id"]), cells(&["name", "year", "memory"])),
        ] {
            let (fitted, without) = table.clone().within(width);
            assert_eq!((&fitted.columns, &without), (&columns, &left_out), "{width}");
            assert!(fitted.rows.iter().all(|row| row.len() == columns.len()), "{width}");
        }
    }

    #[test]
    fn every_line_has_a_cell_for_every_column() {
        for kind in kinds() {
            let table = table(kind).unwrap();
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{kind}");
        }
    }
}
