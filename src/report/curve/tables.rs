//! Tables of curves: as many capacities as there is room for, evenly spaced.

use super::words::{Words, mean_and_interval, situation};
use crate::metrics::{CONTESTED_RATE, PolicyCurve, Standing};
use crate::report::format::{fixed, rate, signed};
use crate::report::text_table::aligned;

/// Columns of a terminal that a table may fill.
const WIDTH: usize = 110;
/// Columns between two cells.
const GAP: usize = 2;
/// Capacities in a table that is not for a terminal.
pub(super) const CAPACITIES_MAX: usize = 10;
/// Capacities in the table that has a line for each.
const LINES_MAX: usize = 25;

/// What the marks behind names mean.
pub(super) const LEGEND: [(&str, &str); 3] = [
    ("*", "no engine can run it: a bound"),
    ("^", "profiled on the sequence that it is judged on"),
    ("#", "holds more than the capacity somewhere in the range"),
];

/// A head and lines of as many cells.
pub(super) struct Table {
    lines: Vec<Vec<String>>,
    /// How many of the first columns align left.
    left: usize,
}

impl Table {
    fn new(head: Vec<String>, left: usize) -> Self {
        Self { lines: vec![head], left }
    }

    /// With these lines; the first `left` columns align left.
    pub(super) fn of(head: Vec<String>, lines: Vec<Vec<String>>, left: usize) -> Self {
        let mut table = Self::new(head, left);
        table.lines.extend(lines);
        table
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut lines = self.lines.clone();
        // The last column of a text aligns left; an empty one behind the numbers lets all of them align right.
        lines.iter_mut().for_each(|line| line.push(String::new()));
        aligned(&lines, self.left)
    }

    /// For a page.
    pub(super) fn markdown(&self) -> String {
        let row = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let columns = self.lines[0].len();
        let rule = (0..columns).map(|column| if column < self.left { "---|" } else { "---:|" });
        let rule: String = rule.collect();
        let body: String = self.lines[1..].iter().map(row).collect();
        format!("{}|{rule}\n{body}", row(&self.lines[0]))
    }
}

/// Text that Markdown shows as it is.
pub(super) fn escaped(text: &str) -> String {
    let special = |c: char| "|*_`[]#\\~<>".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// At most so many of the capacities, evenly spaced and with the last.
pub(super) fn evenly(all: &[usize], most: usize) -> Vec<usize> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    let mut chosen: Vec<usize> = all.iter().rev().step_by(step).copied().collect();
    chosen.reverse();
    chosen
}

/// Says which of the capacities a table shows; empty where all.
pub(super) fn left_out(shown: usize, all: usize) -> String {
    if shown == all {
        return String::new();
    }
    format!("{shown} of {all} capacities, evenly spaced; all of them are in curves.csv\n")
}

/// A policy's name with its mark.
fn name(words: &Words<'_>, curve: usize) -> String {
    let curve: &PolicyCurve = &words.curves.curves[curve];
    let exceeds =
        curve.points.iter().zip(&words.curves.capacities).any(|(point, asked)| point.room > asked.room);
    let mark = match (curve.is_bound, curve.in_sample, exceeds) {
        (true, ..) => " *",
        (_, true, _) => " ^",
        (_, _, true) => " #",
        _ => "",
    };
    format!("{}{mark}", curve.name)
}

/// Whether any name has this mark.
pub(super) fn uses_mark(words: &Words<'_>, mark: &str) -> bool {
    (0..words.curves.curves.len()).any(|curve| name(words, curve).ends_with(&format!(" {mark}")))
}

/// Capacities that fit beside other columns of so many characters, where each takes `cell`.
fn fitting(beside: usize, cell: usize) -> usize {
    (WIDTH.saturating_sub(beside) / (cell + GAP)).max(1)
}

fn widest_name(words: &Words<'_>) -> usize {
    (0..words.curves.curves.len()).map(|curve| name(words, curve).chars().count()).max().unwrap_or(0).max(15)
}

/// The capacities of the table of hit rates that fit on a terminal.
pub(super) fn hit_rate_columns(words: &Words<'_>) -> Vec<usize> {
    let all = &words.verdict.ascending;
    let cell = all.iter().map(|at| words.share(*at).len().max(5)).max().unwrap_or(5);
    evenly(all, fitting(widest_name(words), cell))
}

/// Hit rates in percent, policies x capacities.
pub(super) fn hit_rates(words: &Words<'_>, capacities: &[usize]) -> Table {
    let head = |title: &str, cell: &dyn Fn(usize) -> String| {
        std::iter::once(title.to_owned()).chain(capacities.iter().map(|at| cell(*at))).collect::<Vec<_>>()
    };
    let mut table = Table::new(head("policy", &|at| words.share(at)), 1);
    table.lines.push(head("(experts)", &|at| words.curves.capacities[at].experts.to_string()));
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| rate(value, 1));
    // References that were not among the policies are known all the same.
    if words.curves.curve("lru").is_none() {
        table.lines.push(head("(LRU)", &|at| shown(words.at(at).lru_hit_rate)));
    }
    for curve in 0..words.curves.curves.len() {
        let cell = |at: usize| rate(words.at(at).policies[curve].hit_rate, 1);
        table.lines.push(head(&name(words, curve), &cell));
    }
    if words.curves.curve("belady").is_none() {
        table.lines.push(head("(Belady)", &|at| shown(words.at(at).belady_hit_rate)));
    }
    table
}

/// The capacities of the table of shares: those where LRU and Belady are not too close, and Belady leaves something to win.
pub(super) fn recovered_columns(words: &Words<'_>) -> Vec<usize> {
    let is_known = |at: &usize| words.at(*at).policies.iter().any(|judged| judged.recovered.is_some());
    let known: Vec<usize> = words.verdict.ascending.iter().copied().filter(is_known).collect();
    let is_open = |at: &usize| words.at(*at).belady_hit_rate.is_some_and(|rate| rate <= CONTESTED_RATE);
    let open: Vec<usize> = known.iter().copied().filter(is_open).collect();
    if open.is_empty() { known } else { open }
}

/// As many of them as fit on a terminal.
pub(super) fn recovered_fitting(words: &Words<'_>, all: &[usize]) -> Vec<usize> {
    let cell = all.iter().map(|at| words.share(*at).len().max(5)).max().unwrap_or(5);
    evenly(all, fitting(widest_name(words) + "  mean  points  wins".len(), cell))
}

/// Shares of the distance from LRU to Belady in percent, the best policy first.
pub(super) fn recovered(words: &Words<'_>, capacities: &[usize]) -> Table {
    let mut head: Vec<String> = ["policy", "mean", "points", "wins"].map(str::to_owned).to_vec();
    head.extend(capacities.iter().map(|at| words.share(*at)));
    let mut table = Table::new(head, 1);
    let ranking = words.verdict.overall.as_ref().map(|overall| &overall.ranking[..]).unwrap_or_default();
    let order: Vec<usize> = match ranking {
        [] => (0..words.curves.curves.len()).collect(),
        ranking => ranking.iter().map(|ranked| ranked.curve).collect(),
    };
    for curve in order {
        let ranked = ranking.iter().find(|ranked| ranked.curve == curve);
        let dash = || "-".to_owned();
        let wins = ranked.filter(|ranked| ranked.standing == Standing::Candidate || ranked.wins > 0);
        let mut line = vec![
            name(words, curve),
            ranked.map_or_else(dash, |ranked| fixed(ranked.mean_recovered * 100.0, 1)),
            ranked.map_or_else(dash, |ranked| signed(ranked.mean_over_lru_points, 1)),
            wins.map_or_else(dash, |ranked| ranked.wins.to_string()),
        ];
        let cell = |at: &usize| words.at(*at).policies[curve].recovered;
        line.extend(capacities.iter().map(|at| cell(at).map_or_else(dash, |share| fixed(share * 100.0, 0))));
        table.lines.push(line);
    }
    table
}

/// A line for each capacity: the references, what holds LRU back, and who wins by how much.
pub(super) fn by_capacity(words: &Words<'_>, with_sizes: bool) -> (Table, usize) {
    let shown = evenly(&words.verdict.ascending, LINES_MAX);
    let with_sizes = with_sizes && !words.curves.expert_bytes.is_empty();
    let mut head: Vec<&str> = vec!["capacity", "LRU limit", "winner", "experts"];
    if with_sizes {
        head.push("size");
    }
    head.extend(["LRU %", "Belady %", "points", "by sequence (95 %)", "LRU needs"]);
    let mut table = Table::new(head.into_iter().map(str::to_owned).collect(), 3);
    for at in &shown {
        let verdict = words.at(*at);
        let dash = || "-".to_owned();
        let percent = |value: Option<f64>| value.map_or_else(dash, |value| rate(value, 1));
        let judged = verdict.winner.as_ref().map(|winner| &verdict.policies[winner.curve]);
        let paired = verdict.winner.as_ref().and_then(|winner| winner.paired.as_ref());
        let mut line = vec![
            words.share(*at),
            situation(verdict.situation).to_owned(),
            verdict.winner.as_ref().map_or_else(dash, |winner| winner.name.clone()),
            verdict.capacity.experts.to_string(),
        ];
        if with_sizes {
            line.push(words.bytes_of(verdict.capacity.experts));
        }
        line.extend([
            percent(verdict.lru_hit_rate),
            percent(verdict.belady_hit_rate),
            judged.and_then(|judged| judged.over_lru_points).map_or_else(dash, |points| signed(points, 1)),
            paired.map_or_else(dash, mean_and_interval),
            judged
                .and_then(|judged| judged.lru_equivalent?.more)
                .map_or_else(dash, |more| format!("{} %", signed(more * 100.0, 0))),
        ]);
        table.lines.push(line);
    }
    (table, shown.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_spaced_with_the_last() {
        let all: Vec<usize> = (0..20).collect();
        assert_eq!(evenly(&all, 12), [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
        assert_eq!(evenly(&all, 20), all);
        assert_eq!(evenly(&all, 7), [1, 4, 7, 10, 13, 16, 19]);
        assert_eq!((evenly(&all, 0), evenly(&[], 5)), (vec![19], vec![]));
    }

    #[test]
    fn names_survive_markdown() {
        assert_eq!(escaped("a|b_c <d>"), "a\\|b\\_c \\<d\\>");
    }
}
