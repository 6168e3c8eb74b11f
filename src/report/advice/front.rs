//! The configurations that nothing is better than, as a table and a picture.

use super::page::{Block, Line, Page, Source};
use super::value::{counted, title};
use super::view::View;
use crate::metrics::Row;
use crate::report::pictures::advice_front;

/// Lines of the table.
const LINES_MAX: usize = 12;

pub(super) fn front(page: &mut Page, view: &View<'_>) {
    let advice = view.advice;
    if advice.rows.is_empty() {
        return;
    }
    page.heading("The front");
    let lines = lines(view);
    let all = advice.front().count();
    let left_out = all - lines.len();
    let text = match all {
        0 => "it is empty, since nothing keeps every limit".to_owned(),
        1 => "one configuration, which nothing is better than in anything".to_owned(),
        _ => format!("{} of which none is better than another in everything", counted(all, "configuration")),
    };
    let more = if left_out > 0 { format!(", {} of them shown", lines.len()) } else { String::new() };
    page.say("", format!("{text}{more}"), &[Source::Candidates]);
    if !lines.is_empty() {
        let titles = advice.objectives.iter().map(|metric| title(*metric));
        let titles: Vec<String> = ["row".to_owned()].into_iter().chain(titles).collect();
        page.blocks.push(Block::Table(titles, "configuration".to_owned(), lines));
    }
    page.picture(advice_front::NAME, advice_front::TITLE);
}

/// By rising cost: all, or evenly chosen ones with the first, the last and the recommended among them.
fn lines(view: &View<'_>) -> Vec<Line> {
    let advice = view.advice;
    let mut rows: Vec<&Row> = advice.front().filter_map(|one| advice.row(one.index)).collect();
    rows.sort_by_key(|row| (view.cost.of(row), view.time.of(row), row.index));
    let subject = |row: &&Row| Some(row.index) == advice.recommended;
    if rows.len() > LINES_MAX {
        let last = rows.len() - 1;
        let mut kept: Vec<usize> = (0..LINES_MAX).map(|at| at * last / (LINES_MAX - 1)).collect();
        if let Some(place) = rows.iter().position(subject) {
            // The recommended one takes the place of the nearest in the middle.
            let middle = &mut kept[1..LINES_MAX - 1];
            if place != 0 && place != last && !middle.contains(&place) {
                middle.sort_by_key(|at| at.abs_diff(place));
                middle[0] = place;
                middle.sort_unstable();
            }
        }
        rows = kept.into_iter().map(|at| rows[at]).collect();
    }
    let line = |row: &Row| {
        let number = |metric| view.number(metric, row.index).unwrap_or_else(|| "-".to_owned());
        let numbers = advice.objectives.iter().map(|metric| number(*metric));
        Line {
            cells: [row.index.to_string()].into_iter().chain(numbers).collect(),
            label: view.label(row.index),
            is_subject: subject(&row),
        }
    };
    rows.into_iter().map(line).collect()
}
