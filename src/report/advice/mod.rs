//! A recommendation as a page: what to take, what it answers in, what it needs and costs, what limits it, what else there
//! is, how far to trust it, and how to start and check it.
//!
//! A page is made of [`page::Sentence`]s, each with its source, and is shown twice from the same sentences: plain for a
//! terminal and as Markdown. Every figure is one of the row that the sentence names, as [`value`] shows it.

mod answers;
mod choice;
mod costs;
mod files;
#[cfg(test)]
pub(super) mod fixture;
mod front;
mod limits;
#[cfg(test)]
mod market;
mod neighbours;
mod page;
mod question;
mod recommendation;
mod rejected;
mod render;
mod start;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trace_tests;
mod trust;
mod value;
mod view;
mod without;

pub use files::advice_files;

pub(super) use rejected::{Group, groups};
pub(super) use value::{title, unit_of};
pub(super) use view::View;

use self::page::Page;
use crate::metrics::advice::Advice;

/// The page for a terminal: plain text in lines of at most 80 columns where words and commands allow.
pub fn advice_text(advice: &Advice) -> String {
    render::plain(&page(advice))
}

/// The page as Markdown, with its pictures linked beside it.
pub fn advice_page(advice: &Advice) -> String {
    render::markdown(&page(advice))
}

fn page(advice: &Advice) -> Page {
    let view = View::of(advice);
    let mut page = Page::new(&advice.title);
    question::asked(&mut page, &view);
    if advice.recommended.is_some() {
        recommendation::recommended(&mut page, &view);
    } else {
        without::without(&mut page, &view);
    }
    recommendation::stages(&mut page, &view);
    if let Some(row) = advice.subject().and_then(|index| advice.row(index)) {
        answers::answers(&mut page, &view, row);
        costs::memory(&mut page, row);
        costs::price(&mut page, row);
        costs::quality(&mut page, row);
        limits::limits(&mut page, &view, row);
        neighbours::neighbours(&mut page, &view, row.index);
    }
    rejected::rejected(&mut page, &view);
    front::front(&mut page, &view);
    trust::trust(&mut page, &view);
    start::start(&mut page, &view);
    start::sources(&mut page);
    page
}
