//! Exact text of small serving sweeps, and laws that hold for all of them.

use proptest::prelude::*;

use super::fixture::{capacities, closed, meta, open, policies, rates, rich, row, users};
use super::load::{knee, load_series, showcase, swept};
use super::{is_saturated, is_serving};
use crate::error::Place;
use crate::metrics::{Outcome, Quantiles, Row, ServingSummary, Summary};
use crate::report;

fn csv_of(rows: &[Row]) -> Vec<Vec<String>> {
    let bytes = report::csv(&meta(&["requests.rate"]), rows).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn cell<'a>(lines: &'a [Vec<String>], row: usize, name: &str) -> &'a str {
    let column = lines[0].iter().position(|found| found == name).unwrap_or_else(|| panic!("no column {name}"));
    &lines[row + 1][column]
}

fn alone() -> Row {
    let mut row = row(0, &[], open(4000, 1.0));
    let Outcome::Done(summary) = &mut row.outcome else { panic!("ran") };
    summary.serving = None;
    row
}

#[test]
fn only_a_load_makes_a_serving_sweep() {
    assert!(!is_serving(&[alone()]) && is_serving(&rates()));
    let (plain, loaded) = (csv_of(&[alone()]), csv_of(&rates()));
    assert!(plain[0].iter().all(|name| !name.starts_with("itl_") && name != "load"), "{:?}", plain[0]);
    assert_eq!(loaded[0].len(), plain[0].len() + super::COLUMNS.len());
    // Rows without a load may stand beside those with one.
    let mixed = csv_of(&[alone(), rates().remove(3)]);
    assert_eq!((cell(&mixed, 0, "requests_finished"), cell(&mixed, 1, "requests_finished")), ("", "996"));
}

#[test]
fn columns_have_these_values() {
    let lines = csv_of(&[row(0, &[("requests.rate", "4")], rich(open(4000, 1.0)))]);
    for (name, expected) in [
        ("load", "poisson, 4 requests/s"),
        ("asked_requests_per_s", "4.000"),
        ("users", ""),
        ("requests_arrived", "1000"),
        ("saturated", "false"),
        ("requests_per_s", "3.8906"),
        ("output_tokens_per_s", "778.125"),
        ("slo", "ttft < 1 s"),
        ("goodput_requests_per_s", "3.7891"),
        ("goodput_pct", "97.2919"),
        ("ttft_ms_p50", "388.529436"),
        ("ttft_ms_p99", "1161.930549"),
        ("queue_ms_max", "1520.180492"),
        ("batch_requests_mean", "13.3500"),
        ("kv_peak_pct", "65.0000"),
        ("hit_rate_pct", "83.4286"),
        ("gpus_busy_pct", "52.0000"),
        ("joules_per_output_token", "0.642570"),
        ("dollars_per_million_output_tokens", "0.856760"),
        ("expert_load_max_per_mean", "3.100"),
        ("experts_never_used", "2"),
    ] {
        assert_eq!(cell(&lines, 0, name), expected, "{name}");
    }
}

#[test]
fn json_reads_back() {
    let rows = [row(0, &[("requests.rate", "4")], rich(open(4000, 1.0)))];
    let text = report::json(&meta(&[]), &rows).unwrap();
    assert_eq!(report::parse_json(&Place::none(), &text).unwrap().1, rows);
}

#[test]
fn a_run_in_words() {
    let text = report::point(&row(0, &[], rich(open(8000, 1.0))));
    println!("{text}");
}

#[test]
fn a_sweep_in_a_table() {
    println!("{}", report::table(&rates()));
    println!("{}", report::table(&policies()));
    println!("{}", report::table(&users()));
}

#[test]
fn an_answer_in_words() {
    println!("{}", report::answer_text(&rates()));
    let rich: Vec<Row> = [(1000, "1"), (4000, "4"), (8000, "8")]
        .into_iter()
        .zip(0..)
        .map(|((rate, text), index)| row(index, &[("requests.rate", text)], rich(open(rate, 1.0))))
        .collect();
    println!("{}", report::answer_text(&rich));
    println!("{}", report::answer_text(&policies()));
    println!("{}", report::answer_text(&users()));
    println!("{}", report::answer_text(&capacities()));
    println!("{}", report::answer_text(&rates()[3..4]));
    println!("{}", report::markdown(&meta(&["requests.rate"]), &rich));
}
