//! What limits a configuration, in the words that `moesim explain` and serving reports use.

use super::page::{Page, Source, sentences};
use super::view::View;
use crate::metrics::Row;
use crate::report::bottleneck::bottleneck;
use crate::report::explanation::explained;
use crate::report::serving::held_back;

pub(super) fn limits(page: &mut Page, view: &View<'_>, row: &Row) {
    let source = Source::Row(row.index);
    let explanation = view.advice.explanation.as_ref();
    let (text, sources) = if let Some(text) = held_back(row) {
        (Some(format!("Held back by {text}.")), vec![source])
    } else if let Some(text) = explanation.filter(|one| !one.reliefs.is_empty()).and_then(explained) {
        (Some(text), vec![source, Source::Data])
    } else {
        let largest = row.summary().and_then(bottleneck);
        (largest.map(|text| format!("Most of the time: {text}.")), vec![source])
    };
    if let Some(text) = text {
        page.heading("What limits it");
        page.item("", sentences(&text, &sources));
    }
}
